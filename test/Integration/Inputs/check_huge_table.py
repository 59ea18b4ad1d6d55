#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that rows of a table of more than 4 GB are read where they are.

  check_huge_table.py FLOW_RUN TOOLS FOLDER

TOOLS is the folder of make_model.py. A Gemma 4 is made with 512 tokens, and
once more with 65536 rows in its tables of embeddings, of which 512, the last
among them, are those of the first and all others a hole in the file. The table
of the embeddings of layers has 2.4e9 elements then. Logits of the same tokens
must be the same bits, and memory must be that of a small model.
Exit: 0 if all is as it should be or files have no holes here, 1 otherwise.
"""

import os
import pathlib
import subprocess
import sys

import gguf
import numpy

OPTIONS = ("--family gemma4 --type bf16 --layers 18 --per-layer 2048 "
           "--full-kv-heads 0 --seed 12").split()
ROWS = 65536
# The row in the large table of each one in the small.
PLACES = numpy.linspace(0, ROWS - 1, 512).astype(int)
TABLES = ("token_embd.weight", "per_layer_token_embd.weight")


class SparseWriter(gguf.GGUFWriter):
    """Spreads the rows of the two tables over large ones."""

    def __init__(self, path, family):
        super().__init__(path, family)
        self.spread = {}

    def add_tensor(self, name, tensor, raw_dtype=None):
        if name not in TABLES:
            super().add_tensor(name, tensor, raw_dtype=raw_dtype)
            return
        self.spread[name] = tensor
        self.add_tensor_info(name, (ROWS, tensor.shape[1]), tensor.dtype,
                             ROWS * tensor.shape[1], raw_dtype=raw_dtype)

    def write_tensors_to_file(self):
        self.write_ti_data_to_file()
        out = self.fout[0]
        self.write_padding(out, out.tell())
        for name, info in self.tensors[0].items():
            start = out.tell()
            for place, row in zip(PLACES, self.spread.get(name, [])):
                out.seek(start + int(place) * len(row))
                row.tofile(out)
            if info.tensor is not None:
                info.tensor.tofile(out)
            out.seek(start + info.nbytes)
            self.write_padding(out, info.nbytes)
        out.truncate()


def has_holes(folder):
    probe = folder / "probe"
    with open(probe, "wb") as file:
        file.truncate(64 << 20)
    blocks = os.stat(probe).st_blocks
    probe.unlink()
    return blocks * 512 < 1 << 20


def run(flow_run, model, tokens, *options):
    """Logits [positions, rows], and what the memory of the run stayed below: its
    own, or this script's, from which it was started."""
    out = pathlib.Path(f"{model}.logits")
    process = subprocess.Popen(
        [flow_run, model, "--tokens", ",".join(map(str, tokens)), "--max-tokens",
         "0", "--context", "64", "--logits-out", out, *options],
        stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"flow-run {options} ended with {process.returncode}")
    logits = numpy.fromfile(out, numpy.float32).reshape(len(tokens), -1)
    out.unlink()
    return logits, usage.ru_maxrss * 1024


def main(flow_run, tools, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    if not has_holes(folder):
        print("files have no holes here")
        return 0
    sys.path.insert(0, tools)
    import make_model

    def make(name, writer):
        sys.argv = ["make_model.py", *OPTIONS, str(folder / name)]
        model = make_model.ModelWriter(make_model.parse_arguments(),
                                       str(folder / name))
        model.out = writer(str(folder / name), "gemma4")
        model.write()
        return folder / name

    small = make("small.gguf", gguf.GGUFWriter)
    large = make("large.gguf", SparseWriter)
    size = large.stat().st_size
    tokens = [511, 3, 300, 510, 0, 256, 455, 456, 457, 509]
    status = int(size < 1 << 32)
    for options in (["--numerics", "f32"], [], ["--target", "reference"]):
        expected, _ = run(flow_run, small, tokens, *options)
        found, memory = run(flow_run, large, PLACES[tokens], *options)
        good = (numpy.array_equal(found[:, PLACES], expected)
                and memory < 1 << 30 and numpy.abs(expected).max() > 1)
        print(f"{options}: {size / 2**30:.2f} GiB, memory at most {memory / 2**20:.0f} MiB"
              f"{'' if good else ': FAILED'}")
        status |= not good
    large.unlink()
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
