#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs small models of every storage with f32, auto and bf16 numerics.

  check_storages.py FLOW_RUN FOLDER

Caches are of f32 in all. The logits of auto may differ from those of f32 by the
quantisation of activations only: half a step of 127 in each of some ten
products, each of which adds up hundreds of such errors of either sign. One part
in ten of the largest logit is far above that and far below what a wrong scale
or sign would do. bf16 rounds activations and weights by 2^-9 at most, half of
the former: one part in fifty.

A Gemma 4 scales its stream down in every layer, so that the branches outweigh
it and their errors are not diluted: a quarter, and for bf16 half of that. What
a wrong row or token does is more than the largest logit itself.
Exit: 0 if all keep to it, 1 otherwise.
"""

import pathlib
import subprocess
import sys

import numpy

MAKE = pathlib.Path(__file__).parents[2] / "tools" / "make_model.py"
STORAGES = ("f32 f16 bf16 q8_0 q4_0 q4_1 q5_0 q5_1 iq4_nl q2_k q3_k q4_k "
            "q5_k q6_k iq4_xs mixed").split()
# A Gemma 3 of every storage, and a Gemma 4 with all that one can have of some.
THIRD = ["--hidden", "256", "--ffn", "512"]
FOURTH = ["--family", "gemma4", "--layers", "9", "--shared", "3", "--per-layer",
          "32"]
MODELS = [(storage, THIRD) for storage in STORAGES]
MODELS += [(storage, FOURTH) for storage in ("q8_0", "bf16")]
TOKENS = ",".join(str(2 + 37 * i % 500) for i in range(40))


def logits(flow_run, model, folder, *options):
    out = folder / "logits.bin"
    subprocess.run([flow_run, model, "--tokens", TOKENS, "--max-tokens", "0",
                    "--logits-out", out, *options], check=True,
                   stdout=subprocess.DEVNULL)
    return numpy.fromfile(out, numpy.float32)


def main(flow_run, folder):
    folder, status = pathlib.Path(folder), 0
    for storage, options in MODELS:
        model = folder / f"{storage}.gguf"
        subprocess.run([sys.executable, MAKE, "--seed", "11", "--type", storage,
                        *options, model], check=True)
        exact = logits(flow_run, model, folder, "--numerics", "f32")
        scale = numpy.abs(exact).max()
        integers, halves = (0.25, 0.125) if options is FOURTH else (0.1, 0.02)
        auto = {"f32": 0, "f16": 0, "bf16": halves}.get(storage, integers)
        for numerics, bound in (("auto", auto), ("bf16", halves)):
            fast = logits(flow_run, model, folder, "--numerics", numerics,
                          "--cache-type", "f32")
            error = numpy.abs(fast - exact).max() / scale
            if not error <= bound:  # a NaN is no small error
                print(f"{storage} {options}, {numerics}: largest error {error:.3g} "
                      f"of {scale:.3g}, bound {bound}")
                status = 1
        model.unlink()
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
