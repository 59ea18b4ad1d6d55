#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the manual page and the completions of a tool, from its own --help.

  describe_tool.py TOOL --share DIR --version V --date YYYY-MM-DD --others NAME...

Exit: 0 written, 1 not (one line "error: ..." on stderr).
"""

import argparse
import pathlib
import subprocess
import sys

import complete_bash
import complete_fish
import complete_zsh
import help_text
import man_page


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tool", type=pathlib.Path)
    parser.add_argument("--share", type=pathlib.Path, required=True)
    parser.add_argument("--version", required=True)
    parser.add_argument("--date", required=True)
    parser.add_argument("--others", nargs="+", required=True)
    arguments = parser.parse_args()
    name = arguments.tool.name
    try:
        printed = subprocess.run([arguments.tool, "--help"], check=True,
                                 stdout=subprocess.PIPE, encoding="utf-8").stdout
        text = help_text.parse(printed)
    except (OSError, subprocess.CalledProcessError, help_text.HelpError) as problem:
        print(f"error: {name} --help: {problem}", file=sys.stderr)
        return 1
    files = {
        f"man/man1/{name}.1": man_page.write(
            name, text, arguments.version, arguments.date, arguments.others),
        f"bash-completion/completions/{name}": complete_bash.write(name, text),
        f"fish/vendor_completions.d/{name}.fish": complete_fish.write(name, text),
        f"zsh/site-functions/_{name}": complete_zsh.write(name, text),
    }
    for place, content in files.items():
        path = arguments.share / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
