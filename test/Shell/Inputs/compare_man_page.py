# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the options of a manual page with those of the tool's --help.

  compare_man_page.py TOOL PAGE

Both are read as text, without the code that wrote the page: a flag is what a
line begins with. Exit: 0 the same, 1 not (one line "error: ..." for each).
"""

import collections
import os
import re
import subprocess
import sys

FLAG = re.compile(r"^ +(--?[A-Za-z0-9][\w.-]*)(?=[=\s\[]|$)", re.MULTILINE)


def flags(text):
    return collections.Counter(FLAG.findall(text))


def printed(*command):
    # So wide that no line of a description begins with a flag.
    environment = dict(os.environ, MANWIDTH="5000", MAN_KEEP_FORMATTING="")
    return subprocess.run(command, check=True, encoding="utf-8", env=environment,
                          stdout=subprocess.PIPE).stdout


def main():
    tool, page = sys.argv[1:]
    # Of flow-opt, pages of passes follow.
    offered = flags(printed(tool, "--help").partition("\n### ")[0])
    text = printed("man", "-P", "cat", "-l", page)
    found = re.search(r"^OPTIONS\n(.*?)^[A-Z]", text, re.MULTILINE | re.DOTALL)
    described = flags(found[1] if found else "")
    for flag in sorted((offered - described).keys()):
        print(f"error: {page} does not describe {flag}", file=sys.stderr)
    for flag in sorted((described - offered).keys()):
        print(f"error: {page} describes {flag}, which --help has not", file=sys.stderr)
    print(f"{sum(described.values())} options")
    return int(offered != described)


if __name__ == "__main__":
    sys.exit(main())
