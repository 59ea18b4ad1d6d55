#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what is computed of one model in its layouts.

  compare_layouts.py FLOW_RUN MAKE_MODEL FOLDER FAMILY [options of MAKE_MODEL]

Makes the model as a GGUF file, as a Hugging Face folder and as one in shards.
Logits must be equal bit for bit; the control: those of another seed are not.
Exit: 0 if all is as it should be, 1 otherwise.
"""

import pathlib
import subprocess
import sys

import numpy

TEXT = "hello  world,\n\nhow are the models of \u00fc \u4e2d today? thank you"


def logits(flow_run, model, *options):
    out = pathlib.Path(str(model) + ".logits")
    subprocess.run([flow_run, model, "--max-tokens", "3", "--print-tokens",
                    "--numerics", "f32", "--logits-out", out, *options],
                   check=True, stdout=subprocess.DEVNULL)
    return numpy.fromfile(out, numpy.float32)


def main(flow_run, make_model, folder, family, *options):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)

    def make(name, seed, *layout):
        subprocess.run([*make_model.split(), "--family", family, "--type", "f32",
                        "--seed", seed, *options, *layout, folder / name],
                       check=True)
        return folder / name

    gguf = make(family + ".gguf", "5")
    other = make(family + ".other", "6", "--layout", "hf")
    tokens = ",".join(str(2 + 37 * i % 500) for i in range(40))
    inputs = [["--tokens", tokens],
              ["--tokens", tokens, "--target", "reference"],
              ["--prompt", TEXT]]
    for name, layout in ((family, ["--layout", "hf"]),
                         (family + ".shards", ["--layout", "hf", "--shards", "3"])):
        model = make(name, "5", *layout)
        for options_of_run in inputs:
            expected = logits(flow_run, gguf, *options_of_run)
            found = logits(flow_run, model, *options_of_run)
            if not numpy.array_equal(expected, found):
                print(name, *options_of_run, "differs", file=sys.stderr)
                return 1
    control = logits(flow_run, other, *inputs[0])
    return int(numpy.array_equal(control, logits(flow_run, gguf, *inputs[0])))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
