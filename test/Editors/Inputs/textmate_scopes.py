# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Colours a file as VS Code does by an extension, and prints `scope text`.

  textmate_scopes.py EXTENSION FILE

Knows what our grammar uses of TextMate's: at each place the leftmost match, of
those the first pattern's; regions that end on their line.
"""

import json
import pathlib
import re
import sys


def grammar_of(extension, suffix):
    """The patterns of the grammar for files that end in `suffix`."""
    adds = json.loads((extension / "package.json").read_text())["contributes"]
    language, = [language for language in adds["languages"]
                 if suffix in language["extensions"]]
    json.loads((extension / language["configuration"]).read_text())
    grammar, = [grammar for grammar in adds["grammars"]
                if grammar["language"] == language["id"]]
    read = json.loads((extension / grammar["path"]).read_text())
    assert read["scopeName"] == grammar["scopeName"]
    return read["patterns"]


def leftmost(patterns, line, start):
    """(match, pattern) of what comes next, or (None, None)."""
    best = (None, None)
    for pattern in patterns:
        regex = re.compile(pattern.get("begin") or pattern["match"])
        found = regex.search(line, start)
        if found and (not best[0] or found.start() < best[0].start()):
            best = (found, pattern)
    return best


def end_of(pattern, line, start):
    """Where a region ends that began before `start`."""
    while True:
        end = re.compile(pattern["end"]).search(line, start)
        inner, _ = leftmost(pattern.get("patterns", []), line, start)
        if not inner or inner.start() >= end.start():
            return end.end()
        start = inner.end()


def main():
    patterns = grammar_of(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).suffix)
    for line in pathlib.Path(sys.argv[2]).read_text().splitlines():
        start = 0
        while True:
            found, pattern = leftmost(patterns, line, start)
            if not found:
                break
            start = found.end()
            if "end" in pattern:
                start = end_of(pattern, line, start)
            print(pattern["name"], line[found.start():start])


if __name__ == "__main__":
    sys.exit(main())
