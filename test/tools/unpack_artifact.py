#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Takes an artefact and its GGUF file apart, for programs without LLVM.

Writes into a folder the plan as plan.json, the objects as code0.o, code1.o …,
the data of all tensors as tensors.bin, and as tensors.txt a line for each of
them: name, type, rows, columns and offset in tensors.bin.
"""

import pathlib

import gguf

MAGIC = b"FLOWART\x01"


def blocks_of(data):
    """The blocks between the magic and the digest; see docs/Artifact.md."""
    if not data.startswith(MAGIC):
        raise ValueError("is no artefact of this version")
    at, end = len(MAGIC), len(data) - 8
    while at < end:
        size = int.from_bytes(data[at:at + 8], "little")
        yield data[at + 8:at + 8 + size]
        at += 8 + size


def unpack_code(artifact, folder):
    """Writes plan and objects; the paths of the objects."""
    _, plan, *objects = blocks_of(pathlib.Path(artifact).read_bytes())
    folder = pathlib.Path(folder)
    (folder / "plan.json").write_bytes(plan)
    paths = []
    for number, data in enumerate(objects):
        paths.append(folder / f"code{number}.o")
        paths[-1].write_bytes(data)
    return paths


def unpack_tensors(model, folder):
    """Writes the tensors of a GGUF file."""
    folder, offset = pathlib.Path(folder), 0
    with open(folder / "tensors.txt", "w") as index, \
            open(folder / "tensors.bin", "wb") as data:
        for tensor in gguf.GGUFReader(model).tensors:
            # The first dimension is the length of a row.
            cols, *others = (int(size) for size in tensor.shape)
            rows = 1
            for size in others:
                rows *= size
            index.write(f"{tensor.name} {int(tensor.tensor_type)} {rows} {cols} "
                        f"{offset}\n")
            offset += data.write(tensor.data.tobytes())
