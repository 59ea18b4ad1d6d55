#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Lists the images of a fatbin, one a line.

  list_fatbin.py FATBIN

A header has the bytes 50 ed 55 ba, a version, its own size and that of the images.
In front of an image stand its kind, a version, the size of that header and of the
image; the architecture is at byte 28.
"""

import pathlib
import struct
import sys

KINDS = {1: "PTX", 2: "machine code"}


def main(path):
    data = pathlib.Path(path).read_bytes()
    magic, _, at, size = struct.unpack_from("<IHHQ", data)
    if magic != 0xBA55ED50 or at + size > len(data):
        print(f"{path}: no fatbin")
        return 1
    end = at + size
    while at < end:
        kind, _, header, size = struct.unpack_from("<HHIQ", data, at)
        architecture, = struct.unpack_from("<I", data, at + 28)
        print(f"{KINDS.get(kind, kind)} sm_{architecture}")
        at += header + size
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
