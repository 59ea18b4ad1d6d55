#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks the walls between rooms from the #include lines.

A room is a folder of lib/ with its public headers in include/flow/, or a folder
of dialects/flow/. MAY_USE says which rooms each may include; a name that is
missing there is a room nobody gave walls, which is a finding too.

  room        an include of another room that MAY_USE does not list
  builders    an include of Codegen from Conversion other than Kernels.h, or one whose
              name ends so: the headers of kernel builders
  llvm-free   LLVM or MLIR in a room that must build without them
  private     a private header of another room, a path with "..", or a private
              header in a public one
  test        test/ or GoogleTest outside test/
  unknown     a folder or a header whose room has no walls here

One line a finding: FILE:LINE: what [rule].
Exit: 0 clean, 1 findings.

  check_layers.py [--root DIR] | --self-test
"""

import argparse
import pathlib
import re
import sys
import tempfile

# Reference stands beside the compiler so that it cannot inherit its bugs.
# Codegen knows nothing of our dialect. Transforms and Conversion meet only in
# the IR. Ggml, Text and Runtime are what an engine without LLVM links.
MAY_USE = {
    "Support": set(),
    "Ggml": set(),
    "Text": {"Support"},
    "Runtime": {"Ggml", "Support"},
    "IR": {"Support"},
    "Interfaces": {"IR", "Support"},
    "Builders": {"IR", "Support"},
    "Import": {"IR", "Support", "Ggml", "Builders"},
    "Reference": {"IR", "Support", "Ggml", "Import"},
    "Analysis": {"IR", "Support"},
    "Transforms": {"IR", "Interfaces", "Support", "Analysis", "Builders"},
    "Codegen": {"Support"},
    "Conversion": {"IR", "Interfaces", "Support", "Analysis", "Codegen"},
    "Target": {"Support"},
    "Emulator": {"Support"},
    "Pipelines": {"IR", "Interfaces", "Support", "Analysis", "Transforms",
                  "Conversion", "Codegen", "Target"},
    "Compiler": {"IR", "Interfaces", "Support", "Ggml", "Import", "Reference",
                 "Analysis", "Transforms", "Conversion", "Codegen", "Target",
                 "Pipelines", "Runtime", "Text", "Emulator"},
    "CAPI": {"Compiler", "Pipelines", "Runtime", "Text", "IR"},
    "Benchmark": {"Compiler", "Target", "Runtime", "Emulator", "Import", "Ggml",
                  "Support"},
    "tools": {"Benchmark", "Compiler", "Pipelines", "Runtime", "Text", "IR", "Support"},
    "benchmarks": {"Compiler", "Runtime", "Text"},
}
LLVM_FREE = {"Ggml", "Support", "Text", "Runtime"}
KERNEL_BUILDERS = re.compile(r"^flow/Codegen/(\w+/)?\w*Kernels\.h$")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]')
TD_INCLUDE = re.compile(r'^\s*include\s+(")([^"]+)"')
LLVM_HEADER = re.compile(r"^(llvm|mlir|clang|lld)(-c)?/")
TEST_HEADER = re.compile(r"^(gtest|gmock)/|(^|/)test/")
SUFFIXES = {".h", ".hpp", ".cpp", ".c", ".inc", ".def", ".td"}


def room_of(path):
    """(room, folder of the room) of a file's path, or (None, None)."""
    parts = path.parts
    if parts[0] in ("tools", "benchmarks"):
        return parts[0], pathlib.Path(*parts[:2])
    if parts[0] == "lib" and len(parts) > 2:
        return parts[1], pathlib.Path(*parts[:2])
    if parts[:2] in (("include", "flow"), ("dialects", "flow")) and len(parts) > 3:
        return parts[2], pathlib.Path(*parts[:3])
    if parts[:2] == ("include", "flow-c"):
        return "CAPI", pathlib.Path(*parts[:2])
    return None, None


def room_included(header):
    """The room that an include line names, or None if it names none of ours."""
    parts = header.split("/")
    if parts[0] == "flow-c":
        return "CAPI"
    return parts[1] if parts[0] == "flow" and len(parts) > 2 else None


def check_private(root, path, folder, header):
    """What is wrong with a quoted include that names no public header."""
    if ".." in header.split("/"):
        return f'"{header}" leaves its folder'
    if path.parts[0] == "include":
        return f'"{header}" is private and this header is public'
    # Generated files lie in the build tree; the compiler looks for those.
    if header.endswith(".inc"):
        return None
    # What the command lines of tools share has a folder of its own.
    if path.parts[0] == "tools" and header.startswith("Common/"):
        return None if (root / "tools" / header).is_file() else f'no "{header}"'
    beside = (root / path).parent / header
    if beside.is_file() or (root / folder / header).is_file():
        return None
    return f'"{header}" is no header of {folder}'


def check_line(root, path, room, folder, quote, header):
    """Yields (rule, message) for one include line of the file `path`."""
    if TEST_HEADER.search(header):
        yield "test", f"{header} belongs to test/"
        return
    if LLVM_HEADER.match(header):
        if room in LLVM_FREE:
            yield "llvm-free", f"{room} must not see {header}"
        return
    other = room_included(header)
    if other is None:
        problem = check_private(root, path, folder, header) if quote == '"' else None
        if problem:
            yield "private", problem
    elif other == room:
        return
    elif other not in MAY_USE:
        yield "unknown", f"{header} is in no room with walls"
    elif other not in MAY_USE[room]:
        yield "room", f"{room} must not see {header}"
    elif (room, other) == ("Conversion", "Codegen") and not KERNEL_BUILDERS.match(header):
        yield "builders", f"{header} declares no kernel builders of Codegen"


def check_file(root, path):
    """Yields (line, rule, message) for the file `path`, relative to `root`."""
    room, folder = room_of(path)
    if room not in MAY_USE:
        yield 1, "unknown", f"{room or path.parent} has no walls in check_layers.py"
        return
    pattern = TD_INCLUDE if path.suffix == ".td" else INCLUDE
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if match := pattern.match(line):
            for rule, message in check_line(root, path, room, folder,
                                            match[1], match[2]):
                yield number, rule, message


def check_tree(root):
    """All findings of the tree at `root` as (path, line, rule, message)."""
    findings = []
    for top in ("dialects", "include", "lib", "tools", "benchmarks"):
        for file in sorted((root / top).rglob("*")):
            if file.is_file() and file.suffix in SUFFIXES:
                path = file.relative_to(root)
                findings += [(path, *found) for found in check_file(root, path)]
    return findings


SELF_TEST_TREE = {
    # path: (include lines, the rules they break)
    "include/flow/Runtime/Good.h": ('#include "flow/Ggml/Types.h"\n#include <vector>', ""),
    "lib/Runtime/Good.cpp": ('#include "Private.h"\n#include "flow/Runtime/Good.h"', ""),
    "lib/Runtime/Private.h": ("", ""),
    "lib/Runtime/Llvm.cpp": ('#include "llvm/ADT/StringRef.h"', "llvm-free"),
    "lib/Text/Mlir.cpp": ("#  include <mlir/IR/Types.h>", "llvm-free"),
    "lib/Ggml/Text.cpp": ('#include "flow/Text/Vocabulary.h"', "room"),
    "lib/Codegen/CPU/Dialect.cpp": ('#include "flow/IR/FlowOps.h"', "room"),
    "lib/Codegen/CPU/Upstream.cpp": ('#include "mlir/IR/Types.h"', ""),
    "lib/Transforms/Convert.cpp": ('#include "flow/Conversion/Passes.h"', "room"),
    "lib/Conversion/FlowToLinalg/A.cpp": ('#include "flow/Transforms/Passes.h"', "room"),
    "lib/Conversion/FlowToLinalg/B.cpp": ('#include "flow/Codegen/CPU/Passes.h"', "builders"),
    "lib/Conversion/FlowToLinalg/C.cpp":
        ('#include "flow/Codegen/CPU/Kernels.h"\n#include "flow/Codegen/GPU/MoreKernels.h"', ""),
    "lib/Reference/Codegen.cpp":
        ('#include "flow/Codegen/Passes.h"\n#include "flow/Runtime/Engine.h"', "room room"),
    "lib/Import/Test.cpp": ('#include "test/Helper.h"\n#include "gtest/gtest.h"', "test test"),
    "lib/Import/Up.cpp": ('#include "../Runtime/Private.h"', "private"),
    "lib/Import/Other.cpp": ('#include "Private.h"', "private"),
    "include/flow/Import/Leak.h": ('#include "Private.h"', "private"),
    "lib/Cellar/New.cpp": ("", "unknown"),
    "lib/Pipelines/Cellar.cpp": ('#include "flow/Cellar/New.h"', "unknown"),
    "dialects/flow/IR/Ops.td": ('include "flow/Transforms/Passes.td"', "room"),
    "dialects/flow/IR/Ops.cpp": ('#include "flow/IR/Ops.h.inc"', ""),
    "tools/flow-opt/flow-opt.cpp": ('#include "flow/Pipelines/Pipelines.h"', ""),
    "tools/flow-run/flow-run.cpp": ('#include "flow/Transforms/Passes.h"', "room"),
}


def self_test():
    """Sees every rule pass and fail on a small tree; 0 when all agree."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, _) in SELF_TEST_TREE.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + "\n", encoding="utf-8")
        findings = check_tree(root)
    wrong = 0
    for name, (_, expected) in SELF_TEST_TREE.items():
        got = " ".join(rule for path, _, rule, _ in findings if path.as_posix() == name)
        if got != expected:
            wrong += 1
            print(f"self-test: {name}: expected [{expected}], found [{got}]")
    print(f"self-test: {len(SELF_TEST_TREE) - wrong} of {len(SELF_TEST_TREE)} files as expected")
    return int(wrong > 0)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parents[2])
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    findings = check_tree(arguments.root)
    for path, line, rule, message in findings:
        print(f"{path}:{line}: {message} [{rule}]")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
