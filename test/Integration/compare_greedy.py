#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares our greedy choices with llama.cpp's, token for token.

    compare_greedy.py --model MODEL.gguf [--flow-run FLOW_RUN] [--numerics f32]

Runs in a Python that has llama-cpp-python: that of build/venv-bench, which
`./dev bench` makes. llama.cpp continues five prompts by 48 tokens each; our
logits are then computed for its continuation, so that one difference does not
make all that follow differ. Each token that is not our first choice is listed
with both gaps: how far it lies below our choice in our logits, and how far our
choice lies below it in llama.cpp's.

llama.cpp quantises activations and keeps caches in f16, so its logits differ
from f32 ones by noise. What that moves the gap between two candidates by, as a
root mean square over all positions and the four best tokens of each, is printed
too: a gap of its order is a tie that noise decides.
Exit status: 0 if no gap exceeds four times that noise, 1 otherwise.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile

import llama_cpp
import numpy

PROMPTS = ["The capital of France is", "Once upon a time",
           "def fibonacci(n):", "The history of the lighthouse begins",
           "Water boils at a temperature of"]
COUNT = 48
ROOT = pathlib.Path(__file__).resolve().parents[2]


def continue_greedily(llama, tokens):
    """llama.cpp's next COUNT tokens and its logits before each."""
    llama.reset()
    llama.eval(tokens)
    chosen, logits = [], []
    for _ in range(COUNT):
        row = numpy.array(llama.scores[llama.n_tokens - 1])
        chosen.append(int(row.argmax()))
        logits.append(row)
        llama.eval(chosen[-1:])
    return chosen, numpy.array(logits)


def our_logits(options, tokens, vocab):
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder, "logits.bin")
        subprocess.run([options.flow_run, options.model, "--tokens",
                        ",".join(map(str, tokens)), "--max-tokens", "0",
                        "--numerics", options.numerics, "--logits-out", out],
                       check=True, stdout=subprocess.DEVNULL)
        return numpy.fromfile(out, numpy.float32).reshape(-1, vocab)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--flow-run", default=ROOT / "build/bin/flow-run")
    parser.add_argument("--numerics", default="f32")
    options = parser.parse_args()
    llama = llama_cpp.Llama(options.model, n_ctx=256, logits_all=True,
                            verbose=False)
    squares, worst = [], 0.0
    for prompt in PROMPTS:
        tokens = llama.tokenize(prompt.encode())
        chosen, theirs = continue_greedily(llama, tokens)
        ours = our_logits(options, tokens + chosen, llama.n_vocab())
        ours = ours[len(tokens) - 1:len(tokens) - 1 + COUNT]
        print(f"{prompt!r}: {COUNT} tokens")
        for i, (token, a, b) in enumerate(zip(chosen, ours, theirs)):
            best = a.argsort()[-4:]
            difference = (a - b)[best]
            squares.extend(numpy.square(difference - difference[-1])[:-1])
            if best[-1] != token:
                gap = float(a[best[-1]] - a[token])
                worst = max(worst, gap)
                print(f"  token {i}: llama.cpp {token}, we {best[-1]}; gaps "
                      f"{gap:.3f} of ours, {b[token] - b[best[-1]]:.3f} of "
                      "llama.cpp's")
    noise = float(numpy.sqrt(numpy.mean(squares)))
    print(f"noise of a gap {noise:.3f}, largest gap {worst:.3f}")
    return 1 if worst > 4 * noise else 0


if __name__ == "__main__":
    sys.exit(main())
