# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what bash offers for a tool with what the tool says of itself.

  compare_completion.py TOOL SCRIPT OPTION...

The options must be those of --help. The values of each OPTION must be those
that the tool names when it is given another. Exit: 0 the same, 1 not (one line
"error: ..." for each).
"""

import pathlib
import re
import subprocess
import sys

# What is indented further is an option of a pass.
FLAG = re.compile(r"^ {2,6}(--?[A-Za-z0-9][\w.-]*)(?=[=\s\[])", re.MULTILINE)
# What a tool asks for before it looks at the values of options.
NEEDED = {"flow-compile": ["-o", "-"], "flow-run": ["--tokens", "1"]}
COMPLETE = pathlib.Path(__file__).parent / "complete.bash"


def output_of(*command):
    return subprocess.run(command, encoding="utf-8", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT).stdout


def report(what, offered, known):
    for word in sorted(known - offered):
        print(f"error: {what} lacks {word}", file=sys.stderr)
    for word in sorted(offered - known):
        print(f"error: {what} has {word}, which the tool has not", file=sys.stderr)
    return offered != known or not known


def main():
    tool, script, *options = sys.argv[1:]
    name = pathlib.Path(tool).name

    def offered(line):
        return set(output_of("bash", str(COMPLETE), script, f"{name} {line}").split())

    listed = output_of(tool, "--help").partition("\n### ")[0]
    wrong = report(name, {flag.rstrip("=") for flag in offered("-")},
                   set(FLAG.findall(listed)))
    for option in options:
        complaint = output_of(tool, "model", option, "no-such-value",
                              *NEEDED.get(name, []))
        found = re.search(option + r" must be (.*), got", complaint)
        known = set(re.split(", | or ", found[1])) if found else set()
        wrong |= report(f"{name} {option}", offered(option + " "), known)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
