#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that tokens which a model suppresses are never generated.

  check_suppressed.py FLOW_RUN MAKE_MODEL FOLDER

Tokens that a model generates are suppressed in one with the same weights, as a
GGUF file and as a Hugging Face folder, greedily and by chance, with tokenizer
and without. Exit: 0 if all is as it should be, 1 otherwise.
"""

import pathlib
import subprocess
import sys


def main(flow_run, make_model, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)

    def make(name, *options):
        subprocess.run([*make_model.split(), "--type", "f32", "--layers", "2",
                        *options, folder / name], check=True)
        return folder / name

    def generate(model, *options):
        done = subprocess.run(
            [flow_run, model, "--tokens", "2,70,400", "--print-tokens",
             "--max-tokens", "40", *options],
            check=True, stdout=subprocess.PIPE, text=True)
        return [int(token) for token in done.stdout.split(",")]

    free = generate(make("free.gguf"))
    unwanted = sorted({free[0], free[5], free[39]})
    options = [word for token in unwanted for word in ("--suppress", str(token))]
    gguf = make("m.gguf", *options)
    model = make("m", "--layout", "hf", *options)
    results = [generate(gguf), generate(model),
               generate(model, "--target", "reference")]
    by_chance = generate(model, "--temperature", "3", "--seed", "5")
    (model / "tokenizer.json").unlink()
    results.append(generate(model))
    print(f"without {unwanted}: {results[0]}")
    good = all(result == results[0] for result in results)
    good &= results[0] != free and not set(unwanted) & {*results[0], *by_chance}
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
