#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the pages of docs/Gallery from the recipes beside them.

Each `docs/Gallery/KIND.mlir` is a model of one or two layers whose first line
says what is special about the kind. Its page shows the recipe, what the fusions
and the choice of masks did and declined, the fused stages of a decode step, and
the loops that they become on the way to LLVM.

  make_gallery.py --flow-opt FLOW_OPT           report pages that are stale
  make_gallery.py --flow-opt FLOW_OPT --write   write them

Exit: 0 fresh, 1 stale or missing (one line "error: ..." on stderr for each).
"""

import argparse
import pathlib
import re
import subprocess
import sys

GALLERY = pathlib.Path(__file__).resolve().parents[2] / "docs" / "Gallery"
REMARKS = "flow-fuse.*|flow-select-masks"
STAGES = "--flow-stages=phase=decode"
WIDTH = 100
# What a function is made of once its stages are loops on tensors.
LOOPS = re.compile(r" = (linalg\.\w+|scf\.forall) |materialize_in_destination")


def run(flow_opt, *options):
    return subprocess.run([flow_opt, *options], check=True, text=True,
                          capture_output=True)


def functions(text, *prefixes):
    """The functions whose names begin with one of `prefixes`, as lines."""
    kept, inside = [], False
    for line in text.splitlines():
        if re.match(r"  func\.func", line):
            inside = any(f"@{prefix}" in line for prefix in prefixes)
        if inside:
            kept.append(line[2:])
        if line == "  }":
            inside = False
    return kept


def without_noise(line):
    """A line without the attributes that only passes read."""
    return re.sub(r" attributes \{[^}]*\}", "", line)


def remarks(text):
    """What each pass said, and where."""
    found = []
    for line in text.splitlines():
        if "remark:" not in line:
            continue
        match = re.search(r'remark: (?:loc\("([^"]*)"\): )?\[(\w+)\] (\S+) \| '
                          r"Category:(\S+)(?: \| )?(.*)", line)
        if not match:
            sys.exit(f"error: this remark has another form: {line}")
        place, kind, name, category, rest = match.groups()
        said = re.search(r'(?:Remark|Reason)="([^"]*)"', rest)
        entry = f"- `{category}`"
        if place:
            entry += f" at `{place}`"
        entry += f": {'missed, ' if kind == 'Missed' else ''}{name}"
        rest = said.group(1) if said else rest.strip()
        if rest:
            entry += f" ({rest})"
        found.append(entry)
    return found


def loops(lines):
    """Functions with their loops and products only, cut to the page's width."""
    kept = []
    for line in lines:
        is_frame = line.startswith("func.func") or line == "}"
        if is_frame or LOOPS.search(line):
            line = without_noise(line)
            kept.append(line if len(line) <= WIDTH else line[:WIDTH - 2] + " …")
    return kept


def page(flow_opt, recipe):
    text = recipe.read_text(encoding="utf-8")
    title, rest = text.split("\n", 1)
    stages = run(flow_opt, recipe, STAGES, f"--remarks-filter={REMARKS}")
    lowered = run(flow_opt, recipe, STAGES, "--flow-linalg").stdout
    parts = [f"# {title.removeprefix('// ').rstrip('.')}", "",
             "<!-- Written by tools/checks/make_gallery.py; do not edit. -->", "",
             "## Recipe", "", "```mlir", rest.rstrip(), "```", "",
             "## Fusions and masks", "", *remarks(stages.stderr), "",
             "## Fused stages of a decode step", "", "```mlir",
             *map(without_noise, functions(stages.stdout, "decode_layer")),
             "```", "", "## Their loops, abridged", "", "```mlir",
             *loops(functions(lowered, "decode_layer")), "```", ""]
    return "\n".join(parts)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flow-opt", required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    stale = 0
    for recipe in sorted(GALLERY.glob("*.mlir")):
        want = page(arguments.flow_opt, recipe)
        path = recipe.with_suffix(".md")
        if arguments.write:
            path.write_text(want, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != want:
            stale += 1
            print(f"error: docs/Gallery/{path.name} is stale, run "
                  "tools/checks/make_gallery.py --write", file=sys.stderr)
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
