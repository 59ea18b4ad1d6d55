#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counts the operations of small models from their tensors and compares.

  check_work.py FLOW_BENCH FOLDER

What a token costs is here counted from names and shapes in the file, in
flow-bench from the plan of the compiled model.
Exit: 0 if all agree, else the assertion names the model and both numbers.
"""

import json
import pathlib
import re
import subprocess
import sys

import gguf

MAKE = pathlib.Path(__file__).parents[2] / "tools" / "make_model.py"
MODELS = {
    "gemma": ["--family", "gemma"],
    "gemma2": ["--family", "gemma2"],
    "gemma3": ["--separate-head"],
    "shared": ["--family", "gemma4", "--layers", "9", "--shared", "3",
               "--per-layer", "32"],
    "experts": ["--family", "gemma4", "--experts", "32", "--experts-used", "3"],
    "split": ["--family", "gemma4", "--experts", "32", "--experts-used", "3",
              "--split-experts"],
}
DEPTH, PROMPT = 30, 20
# Embeddings are looked up and rotations are no weights; a head of its own
# stands in place of the embedding.
NOT_MULTIPLIED = {"token_embd", "per_layer_token_embd", "rope_freqs"}


class Model:

    def __init__(self, path):
        reader = gguf.GGUFReader(path)
        fields = {name: field.contents() for name, field in reader.fields.items()}
        family = fields["general.architecture"]

        def field(name, otherwise=None):
            return fields.get(f"{family}.{name}", otherwise)

        self.layers = field("block_count")
        count = field("expert_count", 0)
        self.used = field("expert_used_count") / count if count else 0
        shared = field("attention.shared_kv_layers", 0)
        window = field("attention.sliding_window", 0)
        self.tensors, sizes = {}, {}
        for tensor in reader.tensors:
            elements = 1
            for dim in tensor.shape:
                elements *= int(dim)
            sizes[tensor.name] = elements
            if len(tensor.shape) > 1 and tensor.name.endswith(".weight"):
                self.tensors[tensor.name.removesuffix(".weight")] = elements
        self.head = self.tensors.pop("output", None) or self.tensors["token_embd"]
        hidden = field("embedding_length")
        # Heads of a query together are as wide as its matrix.
        self.query = [self.tensors[f"blk.{i}.attn_q"] // hidden
                      for i in range(self.layers)]
        for i in range(self.layers - shared, self.layers):
            # In the file, and read by nobody.
            for name in ("k", "v"):
                self.tensors.pop(f"blk.{i}.attn_{name}", None)
        pattern = field("attention.sliding_window_pattern")
        if family == "gemma4":
            sliding = pattern
        else:
            period = {"gemma": 1, "gemma2": 2, "gemma3": 6}[family]
            sliding = [i % period != period - 1 for i in range(self.layers)]
        self.windows = [window if each else 0 for each in sliding]

    def operations(self, first, count):
        """Of `count` queries from position `first` on, logits of the last."""
        total = 2 * self.head
        for name, elements in self.tensors.items():
            if name in NOT_MULTIPLIED:
                continue
            last = (name.startswith(f"blk.{self.layers - 1}.")
                    and not re.search(r"\.attn_[kv]$", name))
            share = self.used if "_exps" in name else 1
            total += 2 * elements * share * (1 if last else count)
        for i, (width, window) in enumerate(zip(self.query, self.windows)):
            queries = range(first, first + count)
            if i == self.layers - 1:
                queries = queries[-1:]
            total += sum(4 * width * (min(q + 1, window) if window else q + 1)
                         for q in queries)
        return total


def main(flow_bench, folder):
    for name, options in MODELS.items():
        path = pathlib.Path(folder) / f"{name}.gguf"
        subprocess.run([sys.executable, MAKE, *options, path], check=True)
        run = subprocess.run(
            [flow_bench, path, "-p", str(PROMPT), "-n", "1", "-d", str(DEPTH), "-r",
             "1", "-t", "1", "-o", "json"], check=True, capture_output=True)
        model = Model(path)
        for test, count in zip(json.loads(run.stdout), (PROMPT, 1)):
            found = sum(test[f"ops_{kind}"] for kind in ("f32", "bf16", "int8"))
            expected = model.operations(DEPTH, count)
            assert abs(found - expected) < 0.5, (name, test["test"], expected, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
