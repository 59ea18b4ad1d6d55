#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks how files begin: licence, purpose, header guard.

  licence   the first line (the second after #!) is the SPDX line
  purpose   a comment, or a doc string, says next what the file is for
  guard     a header's guard is FLOW_<ROOM>_<FILE>_H, after its path below
            include/flow or dialects/flow; FLOW_LIB_<ROOM>_<FILE>_H if private

Exit: 0 clean, 1 findings, one line each: FILE: what [rule].

  check_headers.py [--root DIR] | --self-test
"""

import argparse
import pathlib
import re
import sys
import tempfile

SPDX = "SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception"
TOPS = ("dialects", "include", "lib", "tools", "benchmarks", "test", ".ci")
SUFFIXES = {".h", ".cpp", ".c", ".td", ".py"}
PURPOSE = re.compile(r'\s*(//|#|"""|r""")\s*\S')


def guard_of(path):
    """The guard that a header at `path` must have, or None if any will do."""
    parts = path.parts
    if parts[0] in ("include", "dialects"):
        words = (["FLOW"] if parts[1] == "flow" else ["FLOW", "C"]) + list(parts[2:])
    elif parts[0] == "lib":
        words = ["FLOW", "LIB", *parts[1:]]
    else:
        return None
    return re.sub(r"\W", "_", "_".join(words)).upper()


def check_text(path, text):
    """Yields (rule, message) for a file at `path` that holds `text`."""
    lines = text.splitlines()
    if lines and lines[0].startswith("#!"):
        lines = lines[1:]
    if not lines or lines[0].lstrip("/#* ").rstrip(" */") != SPDX:
        yield "licence", f"does not begin with {SPDX}"
    elif not PURPOSE.match("\n".join(lines[1:2])):
        yield "purpose", "does not say on the next line what it is for"
    guard = guard_of(path) if path.suffix == ".h" else None
    if guard and not re.search(rf"^#ifndef {guard}\n#define {guard}$", text, re.M):
        yield "guard", f"has no guard {guard}"


def check_tree(root):
    """All findings of the tree at `root` as (path, rule, message)."""
    findings = []
    for file in sorted(f for top in TOPS for f in (root / top).rglob("*")):
        # test/ holds inputs that tools must see as a user would write them.
        if file.is_file() and file.suffix in SUFFIXES and "Inputs" not in file.parts:
            path = file.relative_to(root)
            text = file.read_text(encoding="utf-8", errors="replace")
            findings += [(path, *found) for found in check_text(path, text)]
    return findings


GOOD = f"// {SPDX}\n// Says it.\n"
SELF_TEST = {
    # path: (text, the rules it breaks)
    "include/flow/Text/Chat.h":
        (GOOD + "#ifndef FLOW_TEXT_CHAT_H\n#define FLOW_TEXT_CHAT_H\n#endif\n", ""),
    "include/flow/Codegen/CPU/Passes.h":
        (GOOD + "#ifndef FLOW_CODEGEN_CPU_PASSES_H\n#define FLOW_CODEGEN_CPU_PASSES_H\n", ""),
    "include/flow-c/Model.h": (GOOD + "#ifndef FLOW_C_MODEL_H\n#define FLOW_C_MODEL_H\n", ""),
    "lib/Text/Heap.h": (GOOD + "#ifndef FLOW_LIB_TEXT_HEAP_H\n#define FLOW_LIB_TEXT_HEAP_H\n", ""),
    "lib/Text/Wrong.h": (GOOD + "#ifndef FLOW_TEXT_WRONG_H\n#define FLOW_TEXT_WRONG_H\n", "guard"),
    "lib/Text/None.h": (GOOD + "#pragma once\n", "guard"),
    "lib/Text/Bare.cpp": ("int x;\n", "licence"),
    "lib/Text/Silent.cpp": (f"// {SPDX}\n\nint x;\n", "purpose"),
    "tools/checks/good.py": (f"#!/usr/bin/env python3\n# {SPDX}\n\"\"\"Says it.\"\"\"\n", ""),
    "tools/checks/bare.py": ("#!/usr/bin/env python3\nimport sys\n", "licence"),
}


def self_test():
    """Sees every rule pass and fail on a small tree; 0 when all agree."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (text, _) in SELF_TEST.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        findings = check_tree(root)
    wrong = 0
    for name, (_, expected) in SELF_TEST.items():
        got = " ".join(rule for path, rule, _ in findings if path.as_posix() == name)
        if got != expected:
            wrong += 1
            print(f"self-test: {name}: expected [{expected}], found [{got}]")
    print(f"self-test: {len(SELF_TEST) - wrong} of {len(SELF_TEST)} files as expected")
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
    for path, rule, message in findings:
        print(f"{path}: {message} [{rule}]")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
