#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Holds the summaries of all released sizes to numbers and formulas.

  check_sizes.py FLOW_COMPILE CONFIGS

Each `CONFIGS/SIZE.json` is a configuration in the form of the released file.
Parameters must be those that are published; memory for 8192 positions must be
what the sizes below give by formula, and code at most 1 MB. The control: at
f32 weights take twice as much, and at 2048 positions no window of 4096 is left.
Exit: 0 if all is as it should be, 1 otherwise.
"""

import collections
import json
import pathlib
import subprocess
import sys

CONTEXT, CHUNK, ROW_TILE, PANEL = 8192, 512, 12, 32
MOST_CODE = 1_000_000
# Kernels and types of weights depend on the processor.
CPU = "--mcpu=znver4"

Size = collections.namedtuple(
    "Size", "parameters hidden layers heads kv dim ffn vocab window period "
            "full_kv full_dim shared per_layer norms qk_norm k_eq_v scalar wide "
            "experts expert_ffn",
    defaults=(0, 0, 0, 0, 4, True, False, False, False, 0, 0))
FIRST = {"norms": 2, "qk_norm": False}
SECOND = {"qk_norm": False}
FOURTH = {"full_dim": 512, "scalar": True}

# d, L, H, KV, D, ffn, vocab, W, period of full layers (0 = all are full).
SIZES = {
    "gemma-2b": Size(2506172416, 2048, 18, 8, 1, 256, 16384, 256000, 0, 0,
                     **FIRST),
    "gemma-7b": Size(8537680896, 3072, 28, 16, 16, 256, 24576, 256000, 0, 0,
                     **FIRST),
    "gemma-2-2b": Size(2614341888, 2304, 26, 8, 4, 256, 9216, 256000, 4096, 2,
                       **SECOND),
    "gemma-2-9b": Size(9241705984, 3584, 42, 16, 8, 256, 14336, 256000, 4096, 2,
                       **SECOND),
    "gemma-2-27b": Size(27227128320, 4608, 46, 32, 16, 128, 36864, 256000, 4096,
                        2, **SECOND),
    "gemma-3-270m": Size(268098176, 640, 18, 4, 1, 256, 2048, 262144, 512, 6),
    "gemma-3-1b": Size(999885952, 1152, 26, 4, 1, 256, 6912, 262144, 512, 6),
    "gemma-3-4b": Size(3880263168, 2560, 34, 8, 4, 256, 10240, 262208, 1024, 6),
    "gemma-3-12b": Size(11766034176, 3840, 48, 16, 8, 256, 15360, 262208, 1024,
                        6),
    "gemma-3-27b": Size(27009346304, 5376, 62, 32, 16, 128, 21504, 262208, 1024,
                        6),
    "gemma-4-e2b": Size(4628569379, 1536, 35, 8, 1, 256, 6144, 262144, 512, 5,
                        shared=20, per_layer=256, wide=True, **FOURTH),
    "gemma-4-e4b": Size(7463013418, 2560, 42, 8, 2, 256, 10240, 262144, 512, 6,
                        shared=18, per_layer=256, **FOURTH),
    "gemma-4-12b": Size(11907350320, 3840, 48, 16, 8, 256, 15360, 262144, 1024,
                        6, full_kv=1, k_eq_v=True, **FOURTH),
    "gemma-4-26b-a4b": Size(25233141790, 2816, 30, 16, 8, 256, 2112, 262144, 1024,
                            6, full_kv=2, k_eq_v=True, experts=128,
                            expert_ffn=704, **FOURTH),
    "gemma-4-31b": Size(30697345340, 5376, 60, 32, 16, 256, 21504, 262144, 1024,
                        6, full_kv=4, k_eq_v=True, **FOURTH),
}
ROWS = -(-CHUNK // ROW_TILE) * ROW_TILE


def up(value, multiple):
    return -(-value // multiple) * multiple


class Layer:
    """One layer of a size: its kind, its caches and its weights."""

    def __init__(self, size, index):
        self.sliding = size.period != 0 and (index + 1) % size.period != 0
        full = not self.sliding
        self.owns = index < size.layers - size.shared
        self.kv = full and size.full_kv or size.kv
        self.dim = full and size.full_dim or size.dim
        ffn = size.ffn * (2 if size.wide and not self.owns else 1)
        width = self.kv * self.dim
        self.matrices = size.hidden * (2 * size.heads * self.dim + 3 * ffn)
        if self.owns:
            values = 0 if size.k_eq_v and full else width
            self.matrices += size.hidden * (width + values)
        self.matrices += 2 * size.hidden * size.per_layer
        self.vectors = size.norms * size.hidden
        if size.qk_norm:
            self.vectors += self.dim * (2 if self.owns else 1)
        self.vectors += size.hidden * (size.per_layer != 0) + size.scalar
        if size.experts:
            # A router, and gates, the rest and the way back of each expert;
            # three norms more and two kinds of scales.
            self.matrices += size.experts * size.hidden * (1 + 3 * size.expert_ffn)
            self.vectors += 4 * size.hidden + size.experts
        # Its part of what tokens and embeddings say to layers.
        self.context = size.hidden * size.per_layer
        self.table = size.vocab * size.per_layer


def expected(size):
    layers = [Layer(size, index) for index in range(size.layers)]

    def total(name):
        return sum(getattr(layer, name) for layer in layers)

    table = size.vocab * size.hidden
    matrices = table + total("matrices") + total("context")
    vectors = size.hidden + total("vectors")
    parameters = matrices + total("table") + vectors + size.per_layer
    caches = []
    for sliding in (True, False):
        owners = [layer for layer in layers
                  if layer.owns and layer.sliding == sliding]
        if not owners:
            continue
        ring = min(up(size.window - 1 + ROWS, PANEL), CONTEXT)
        positions = ring if sliding else CONTEXT
        one = owners[0]
        caches.append({
            "kind": "sliding" if sliding else "full",
            **({"window": size.window} if sliding else {}),
            "count": len(owners), "kv_heads": one.kv, "head_dim": one.dim,
            "type": "f16", "positions": positions,
            # Keys and values.
            "bytes": 2 * 2 * len(owners) * one.kv * one.dim * positions})
    # Matrices are packed as they are, norms as f32. Each layer has the norm of
    # what embeddings say to it for itself.
    packed = 2 * matrices + 4 * (vectors + size.layers * size.per_layer)
    return {"parameters": parameters, "layers": size.layers, "context": CONTEXT,
            "prefill_chunk": CHUNK, "stored_bytes": 2 * parameters,
            "mapped_bytes": 2 * (table + total("table")),
            "packed_bytes": packed, "caches": caches,
            "cache_bytes": sum(cache["bytes"] for cache in caches)}


def main(flow_compile, configs):
    configs, failures = pathlib.Path(configs), []

    def compile_to(name, *options):
        return subprocess.run(
            [flow_compile, configs / f"{name}.json", "-o", "-", CPU, *options],
            check=True, stdout=subprocess.PIPE).stdout

    def summary(name, *options):
        return json.loads(compile_to(name, "--emit=summary", *options))

    def check(name, what, found, want):
        if found != want:
            failures.append(f"{name}: {what}: found {found}, expected {want}")

    context = f"--context={CONTEXT}"
    for name, size in SIZES.items():
        found, want = summary(name, context), expected(size)
        check(name, "formula of parameters", want["parameters"], size.parameters)
        for key, value in want.items():
            check(name, key, found[key], value)
        check(name, "sum", found["allocated_bytes"], found["packed_bytes"] +
              found["cache_bytes"] + found["buffer_bytes"])
        # One row of logits for each phase, and rows of a step in between.
        widest = 2 * max(size.ffn, 8 * size.expert_ffn) + 4 * size.hidden + 4 * size.heads * size.dim
        most = 4 * (2 * size.vocab + 4 * ROWS * widest)
        if not 4 * size.vocab < found["buffer_bytes"] < most:
            failures.append(f"{name}: buffers of {found['buffer_bytes']} bytes")
        code = sum(len(compile_to(name, "--emit=obj", f"--phase={phase}", context))
                   for phase in ("prefill", "decode"))
        print(f"{name}: {found['parameters']} parameters, "
              f"{found['allocated_bytes']} bytes allocated, {code} of code")
        if code > MOST_CODE:
            failures.append(f"{name}: {code} bytes of code")

    small = "gemma-3-270m"
    half, full = expected(SIZES[small]), summary(small, context, "--numerics=f32")
    vectors = half["packed_bytes"] - half["stored_bytes"]
    check(small, "f32", full["packed_bytes"],
          2 * half["packed_bytes"] - 2 * vectors)
    for cache in summary("gemma-2-2b", "--context=2048")["caches"]:
        check("gemma-2-2b", "short", (cache["kind"], cache["positions"]),
              ("full", 2048))
    for failure in failures:
        print(f"error: {failure}", file=sys.stderr)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
