#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares f32 logits of compiled code with those of the interpreter.

  compare_reference.py FLOW_RUN MODEL FOLDER COUNT

Runs a prompt of COUNT tokens in steps of 24 and 24 more tokens, the best ones. The control:
logits of a prompt with one token changed must differ by more than the bound.
Exit: 0 if all is as it should be, 1 otherwise.
"""

import pathlib
import subprocess
import sys

import numpy

BOUND = 2e-4


def logits(flow_run, model, folder, tokens, *options):
    out = pathlib.Path(folder) / "logits.bin"
    subprocess.run([flow_run, model, "--tokens", ",".join(map(str, tokens)),
                    "--max-tokens", "24", "--temperature", "0", "--logits-out",
                    out, *options],
                   check=True, stdout=subprocess.DEVNULL)
    return numpy.fromfile(out, numpy.float32)


def main(flow_run, model, folder, count):
    tokens = [2 + 37 * i % 500 for i in range(int(count))]
    exact = logits(flow_run, model, folder, tokens, "--target", "reference")
    compiled = logits(flow_run, model, folder, tokens, "--numerics", "f32",
                      "--prefill-chunk", "24")
    scale = numpy.abs(exact).max()
    error = numpy.abs(compiled - exact).max() / scale
    tokens[3] += 1
    changed = logits(flow_run, model, folder, tokens, "--numerics", "f32")
    control = numpy.abs(changed - exact).max() / scale
    print(f"error {error:.2g}, control {control:.2g} of {scale:.3g}")
    return 0 if error <= BOUND < control and numpy.isfinite(exact).all() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
