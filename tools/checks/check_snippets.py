#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that each C++ program of a page is part of a source that is compiled.

Layout does not matter: a program is found if its characters without blanks are
in the source in a row. One line a program that is not there:
PAGE:LINE: what.
Exit: 0 all are there, 1 findings, or a page without programs.

  check_snippets.py PAGE.md SOURCE.cpp | --self-test
"""

import pathlib
import re
import sys


def squeeze(text):
    return re.sub(r"\s+", "", text)


def find_missing(page, source):
    """(number of programs, lines of those that `source` does not have)."""
    programs = list(re.finditer(r"^```c\+\+\n(.*?)^```", page, re.M | re.S))
    code = squeeze(source)
    return len(programs), [page.count("\n", 0, program.start()) + 1
                           for program in programs
                           if squeeze(program[1]) not in code]


def self_test():
    page = "a\n```c++\nint f() {\n  return 1; }\n```\n```c++\nint g();\n```\n"
    cases = [
        ("int f()\n{ return 1;\n}\nint g();", (2, [])),
        ("int f() { return 2; } int g();", (2, [2])),
        ("", (2, [2, 6])),
    ]
    wrong = sum(find_missing(page, source) != expected for source, expected in cases)
    wrong += find_missing("```mlir\n```\n", "") != (0, [])
    print(f"self-test: {len(cases) + 1 - wrong} of {len(cases) + 1} cases as expected")
    return int(wrong > 0)


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    page, source = map(pathlib.Path, sys.argv[1:])
    count, missing = find_missing(page.read_text(encoding="utf-8"),
                                  source.read_text(encoding="utf-8"))
    for line in missing:
        print(f"{page}:{line}: the program is not in {source}")
    if count == 0:
        print(f"{page}: no program")
    return int(bool(missing) or count == 0)


if __name__ == "__main__":
    sys.exit(main())
