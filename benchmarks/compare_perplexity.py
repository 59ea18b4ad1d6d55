#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the perplexities that engines give a text; prints Markdown.

  compare_perplexity.py MODEL TEXT --flow-run FLOW-RUN [--peer-python PYTHON]
                        [--peers NAMES] [--numerics KINDS] [--window N] [-t N]

Perplexity is llama-perplexity's, as flow-run --perplexity has it: windows of N
tokens side by side, the first of each replaced by the one that begins texts,
and the second half of each scored. flow-run computes it in each arithmetic of
KINDS; a peer, which has to be one that tokenises and gives logits, is asked for
both, and scored here in f64. All have to find as many tokens. Ratios are to the
first of KINDS.

Exit: 0 measured, 1 an engine failed (one line "error: ..." on stderr), 2 usage.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import numpy

import engines
from compare import peer_names, positive
from peer_protocol import BEGIN_OF_TEXT

SCORED = re.compile(r"perplexity (\S+) ± (\S+) of (\d+) tokens\n")


def ours(options, numerics):
    """(perplexity, tokens scored) by flow-run."""
    done = subprocess.run(
        [options.flow_run, options.model, "--perplexity", options.text,
         "--context", str(options.window), "--numerics", numerics,
         "--threads", str(options.threads)],
        capture_output=True, text=True, check=False)
    found = SCORED.fullmatch(done.stdout)
    if done.returncode or not found:
        raise engines.Failed(f"flow-run: {done.stderr.strip() or done.stdout}")
    return float(found[1]), int(found[3])


def surprises(logits, window):
    """Of the tokens of the second half, in nats."""
    scored = range(len(window) // 2, len(window) - 1)
    return [float(numpy.logaddexp.reduce(row) - row[window[t + 1]])
            for t, row in zip(scored, logits[scored].astype(numpy.float64))]


def theirs(options, peer):
    """(perplexity, tokens scored) by a peer."""
    text = pathlib.Path(options.text).read_text(encoding="utf-8")
    ids, nats = peer.ask(tokenize=text)["tokens"], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "logits")
        for first in range(0, len(ids) - options.window + 1, options.window):
            window = [BEGIN_OF_TEXT, *ids[first + 1:first + options.window]]
            peer.ask(logits=window, file=path)
            logits = numpy.fromfile(path, "<f4").reshape(len(window), -1)
            nats += surprises(logits, window)
    return float(numpy.exp(numpy.mean(nats))), len(nats)


def measure(options):
    """Yields (engine, arithmetic, perplexity, tokens scored)."""
    for numerics in options.numerics.split(","):
        yield ("gemma-flow", numerics, *ours(options, numerics))
    for name in options.peers:
        peer = engines.Peer(name, options, options.model)
        try:
            yield (name, "its own", *theirs(options, peer))
        finally:
            peer.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("model")
    add("text")
    add("--flow-run", required=True)
    add("--peer-python", help="Python that has the peers")
    add("--peers", type=peer_names, default=["llama.cpp"],
        help="names, or nothing (llama.cpp)")
    add("--numerics", default="f32,auto", help="f32,auto")
    add("--window", type=positive, default=512, help="tokens (512)")
    add("-t", "--threads", type=positive, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    options.tests = [engines.Test(options.window, 0, 0)]
    try:
        found = list(measure(options))
        if len({tokens for *_, tokens in found}) != 1:
            raise engines.Failed("the engines score other tokens: " + ", ".join(
                f"{name} {tokens}" for name, _, _, tokens in found))
    except (engines.Failed, OSError, UnicodeDecodeError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(f"{os.path.basename(options.text)}, {found[0][3]} tokens scored in "
          f"windows of {options.window}:\n\n| engine | arithmetic | perplexity | "
          "ratio |\n|---|---|---|---|")
    for name, numerics, value, _ in found:
        print(f"| {name} | {numerics} | {value:.4f} | {value / found[0][2]:.5f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
