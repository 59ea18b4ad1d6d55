#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares a GPU with the interpreter, over a prompt in steps of a few sizes and
over generated tokens.

  compare_gpu.py FLOW_RUN MODEL FOLDER ROWS [FREE [OPTION...]]

FREE is 0 by itself. The OPTIONs say which GPU, the emulated one by themselves:
`--target nvvm-emulated`.

A GPU rounds to bf16 what `--numerics bf16 --cache-type bf16` does on a CPU, seven
tensors a layer, and queries and probabilities besides. Roundings are independent,
so the root mean square of its distance from the interpreter is to be at most
sqrt(9 / 7) of the CPU's, and twice that is too much. Logits of another model are
at least ten times as far. A token that it would choose is the interpreter's
choice, or within four times the CPU's root mean square of it.

Where two experts are as good as each other, roundings choose, and what is chosen
is another model. So the FREE positions that are farthest off, on a GPU and on the
CPU, may be anywhere.

Exit: 0 if so, 1 otherwise.
"""

import pathlib
import subprocess
import sys

import numpy as np

VOCAB = 512


def logits(flow_run, model, out, tokens, generate, *options):
    """(logits [positions, VOCAB], generated tokens)."""
    run = subprocess.run(
        [flow_run, model, "--tokens", ",".join(map(str, tokens)), "--max-tokens",
         str(generate), "--print-tokens", "--logits-out", out, *options],
        check=True, stdout=subprocess.PIPE, text=True)
    generated = [int(token) for token in run.stdout.strip().split(",") if token]
    return np.fromfile(out, "<f4").reshape(-1, VOCAB), generated


def rms(values):
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def nearest(found, exact, free):
    """The positions of `found` without the `free` that are farthest off."""
    distances = np.square(found - exact, dtype=np.float64).sum(axis=1)
    return np.sort(np.argsort(distances)[:len(distances) - free])


def main(flow_run, model, folder, rows, free="0", *options):
    options = options or ("--target", "nvvm-emulated")
    out = pathlib.Path(folder) / "logits.bin"
    prompt = [2 + 37 * i % 500 for i in range(int(rows))]
    gpu = {}
    for chunk in ("512", "17", "1"):
        gpu[chunk], generated = logits(flow_run, model, out, prompt, 3, *options,
                                       "--prefill-chunk", chunk)
    # Every position that anybody has logits of, for the others.
    tokens = prompt + generated
    exact, _ = logits(flow_run, model, out, tokens, 0, "--target", "reference")
    cpu, _ = logits(flow_run, model, out, tokens, 0, "--numerics", "bf16",
                    "--cache-type", "bf16")
    kept = nearest(cpu, exact, int(free))
    unit = rms(cpu[kept] - exact[kept])
    status = 0
    if rms(exact) < 10 * unit:
        print(f"logits of {rms(exact):.3g} say nothing beside roundings of {unit:.3g}")
        status = 1
    for chunk, found in gpu.items():
        # Tokens that were generated after other roundings may differ.
        found = found[:len(exact if chunk == "1" else prompt)]
        kept = nearest(found, exact[:len(found)], int(free))
        distance = rms(found[kept] - exact[kept])
        print(f"steps of {chunk}: {distance:.3g} from exact, CPU {unit:.3g}")
        if not distance <= 2 * unit:
            print(f"steps of {chunk}: too far")
            status = 1
        for position in kept:
            mine, its = found[position], exact[position]
            short = its.max() - its[mine.argmax()]
            if short > 4 * unit:
                print(f"steps of {chunk}: position {position} chooses a token that "
                      f"is {short:.3g} below the best")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
