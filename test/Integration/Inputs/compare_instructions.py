#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares main loops of kernels by what flow-test-gpu-instructions says.

  compare_instructions.py CUDA.md OURS.md THEIRS=PREFIX...

CUDA.md has each of the kernels THEIRS. Each of our kernels whose name begins
with PREFIX must spill nothing, have as many products of tensor cores, ldmatrix,
copies and barriers in its loop, and no more instructions in all.

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


def compare(theirs, ours, name, prefix):
    """Whether all kernels of `ours` that begin with `prefix`, at least one, are
    no worse than `name` of `theirs`."""
    print("CUDA C++", name, theirs[name])
    kernels = {kernel: mix for kernel, mix in ours.items() if kernel.startswith(prefix)}
    for kernel, mix in kernels.items():
        print(kernel, mix)
    return bool(kernels) and not any(
        mix["spilled B"] or mix["loop"] > theirs[name]["loop"]
        or any(mix[kind] != theirs[name][kind] for kind in WORK)
        for mix in kernels.values())


def main(cuda, ours, *pairs):
    theirs, own = read(cuda), read(ours)
    return not all([compare(theirs, own, *pair.split("=")) for pair in pairs])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
