#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares main loops of products of rows by what flow-test-gpu-instructions says.

  compare_instructions.py CUDA.md OURS.md

CUDA.md has the kernel `product` of products.cu. Each of our kernels
`rows_product_*` must spill nothing, have as many products of tensor cores,
ldmatrix, copies and barriers, and no more instructions in all.

Exit: 0 if so, 1 otherwise.
"""

import pathlib
import sys

WORK = ("tensor", "ldmatrix", "async_copy", "barrier")


def read(path):
    """Numbers of each kernel, by name."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")]
             for line in pathlib.Path(path).read_text().splitlines()]
    return {cells[0]: dict(zip(lines[0][1:], map(int, cells[1:]))) for cells in lines[1:]}


def main(cuda, ours):
    theirs = read(cuda)["product"]
    kernels = {name: mix for name, mix in read(ours).items()
               if name.startswith("rows_product_")}
    wrong = [name for name, mix in kernels.items()
             if mix["spilled B"] or mix["loop"] > theirs["loop"]
             or any(mix[kind] != theirs[kind] for kind in WORK)]
    print("CUDA C++", theirs)
    for name, mix in kernels.items():
        print(name, mix)
    return bool(wrong) or not kernels


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
