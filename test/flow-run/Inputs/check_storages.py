#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a small model of every storage with f32, auto and bf16 numerics.

  check_storages.py FLOW_RUN FOLDER

The logits of auto may differ from those of f32 by the quantisation of
activations only: half a step of 127 in each of some ten products, each of which
adds up hundreds of such errors of either sign. One part in ten of the largest
logit is far above that and far below what a wrong scale or sign would do.
bf16 rounds activations and weights by 2^-9 at most, half of the former: one
part in fifty.
Exit: 0 if all keep to it, 1 otherwise.
"""

import pathlib
import subprocess
import sys

import numpy

MAKE = pathlib.Path(__file__).parents[2] / "tools" / "make_model.py"
STORAGES = ("f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 iq4_nl q4_k q5_k q6_k "
            "mixed").split()
TOKENS = ",".join(str(2 + 37 * i % 500) for i in range(40))


def logits(flow_run, model, folder, *options):
    out = folder / "logits.bin"
    subprocess.run([flow_run, model, "--tokens", TOKENS, "--max-tokens", "0",
                    "--logits-out", out, *options], check=True,
                   stdout=subprocess.DEVNULL)
    return numpy.fromfile(out, numpy.float32)


def main(flow_run, folder):
    folder, status = pathlib.Path(folder), 0
    for storage in STORAGES:
        model = folder / f"{storage}.gguf"
        subprocess.run([sys.executable, MAKE, "--seed", "11", "--type", storage,
                        "--hidden", "256", "--ffn", "512", model], check=True)
        exact = logits(flow_run, model, folder, "--numerics", "f32")
        scale = numpy.abs(exact).max()
        auto = {"f32": 0, "f16": 0, "bf16": 0.02}.get(storage, 0.1)
        for numerics, bound in (("auto", auto), ("bf16", 0.02)):
            fast = logits(flow_run, model, folder, "--numerics", numerics)
            error = numpy.abs(fast - exact).max() / scale
            if not error <= bound:  # a NaN is no small error
                print(f"{storage}, {numerics}: largest error {error:.3g} "
                      f"of {scale:.3g}, bound {bound}")
                status = 1
        model.unlink()
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
