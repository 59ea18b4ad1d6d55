#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Writes the pages of docs/Recipes: every released size as a recipe.

A page shows what `flow-compile config.json` makes of a size's configuration: its
numbers, which layers are alike, and the recipe with the first layer of each
class. README.md there compares the sizes.

  make_recipes.py --flow-compile FLOW_COMPILE           report stale pages
  make_recipes.py --flow-compile FLOW_COMPILE --write   write them

Exit: 0 fresh, 1 stale or missing (one line "error: ..." on stderr for each).
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "Recipes"
CONFIGS = pathlib.Path("test/Integration/Inputs/configs")
MARK = "<!-- Written by tools/checks/make_recipes.py; do not edit. -->"
# In the order of their release; numbers are of one processor and context.
TITLES = {
    "gemma-2b": "Gemma 1 2B", "gemma-7b": "Gemma 1 7B",
    "gemma-2-2b": "Gemma 2 2B", "gemma-2-9b": "Gemma 2 9B",
    "gemma-2-27b": "Gemma 2 27B", "gemma-3-270m": "Gemma 3 270M",
    "gemma-3-1b": "Gemma 3 1B", "gemma-3-4b": "Gemma 3 4B",
    "gemma-3-12b": "Gemma 3 12B", "gemma-3-27b": "Gemma 3 27B",
    "gemma-4-e2b": "Gemma 4 E2B", "gemma-4-e4b": "Gemma 4 E4B",
    "gemma-4-12b": "Gemma 4 12B", "gemma-4-26b-a4b": "Gemma 4 26B-A4B",
    "gemma-4-31b": "Gemma 4 31B",
}
CPU, CONTEXT = "znver4", 8192


def compile_to(flow_compile, name, *options):
    return subprocess.run(
        [flow_compile, ROOT / CONFIGS / f"{name}.json", "-o", "-",
         f"--mcpu={CPU}", f"--context={CONTEXT}", *options],
        check=True, text=True, stdout=subprocess.PIPE).stdout


def split_layers(recipe):
    """The lines before the layers, and the lines of each layer with its cache."""
    lines = [line[2:] for line in recipe.splitlines()[1:-1] if line != "}"]
    head, layers, cache = [], [], []
    for line in lines[:-1]:
        if line.startswith("  flow.kv_cache"):
            cache = [line]
        elif line.startswith("  flow.layer"):
            layers.append(cache + [line])
            cache = []
        elif layers and line.startswith("  "):
            layers[-1].append(line)
        else:
            head.append(line)
    return head, layers


def class_of(layer):
    """The lines of a layer without what tells it from others of its class."""
    text = re.sub(r"@(layer|kv)\d+", r"@\1", "\n".join(layer))
    text = re.sub(r"(layers\.)\d+\.", r"\1", text)
    return re.sub(r"part \[\d+, \d+\]", "part", text)


def ranges(numbers):
    """Numbers as in "0-4, 6, 8-9"."""
    found = []
    for number in numbers:
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in found)


def wrapped(line):
    """A line of a recipe; that of a layer on several."""
    if not line.lstrip().startswith("flow.layer"):
        return line
    return re.sub(r" (attention|mask|feed_forward) ", r"\n      \1 ", line)


def size_text(count):
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB")):
        if count >= unit:
            return f"{count / unit:.2f} {name}"
    return f"{count / 1024:.2f} KiB"


def cache_text(cache):
    seen = f"windows of {cache['window']}" if "window" in cache else "all positions"
    heads = "1 head" if cache["kv_heads"] == 1 else f"{cache['kv_heads']} heads"
    return (f"{cache['count']} × {heads} of {cache['head_dim']}, {seen}, room for "
            f"{cache['positions']}")


def page(name, title, recipe, numbers):
    head, layers = split_layers(recipe)
    classes = {}
    for index, layer in enumerate(layers):
        classes.setdefault(class_of(layer), []).append(index)
    parts = [
        f"# {title}", "", MARK, "",
        f"`flow-compile {CONFIGS}/{name}.json -o - --emit=recipe`, with the first "
        "layer of each class.", "",
        f"| with {CONTEXT} positions | |", "|---|---|",
        f"| parameters | {numbers['parameters']:,} |",
        f"| weights in the file | {size_text(numbers['stored_bytes'])} |",
        f"| of them read where they lie | {size_text(numbers['mapped_bytes'])} |",
        f"| weights as packed | {size_text(numbers['packed_bytes'])} |"]
    for cache in numbers["caches"]:
        parts.append(f"| caches: {cache_text(cache)} | "
                     f"{size_text(cache['bytes'])} |")
    parts += [f"| buffers | {size_text(numbers['buffer_bytes'])} |",
              f"| allocated in all | {size_text(numbers['allocated_bytes'])} |",
              "", "| class | layers |", "|---|---|"]
    for members in classes.values():
        parts.append(f"| `@layer{members[0]}` | {ranges(members)} |")
    parts += ["", "```mlir", *head]
    for members in classes.values():
        parts += map(wrapped, layers[members[0]])
    return "\n".join([*parts, "}", "```", ""]), len(classes)


def index(rows):
    parts = ["# Recipes of all sizes", "", MARK, "",
             "What the configurations of released models compile to, without "
             f"their weights. Memory is planned for {CONTEXT} positions, with "
             "weights of bf16 and caches of f32; a sliding layer keeps a ring "
             "of its window and one prefill step.", "",
             "| model | parameters | layers | classes | packed weights | caches | "
             "allocated |", "|---|---|---|---|---|---|---|"]
    for name, title, numbers, classes in rows:
        parts.append(
            f"| [{title}]({name}.md) | {numbers['parameters']:,} | "
            f"{numbers['layers']} | {classes} | "
            f"{size_text(numbers['packed_bytes'])} | "
            f"{size_text(numbers['cache_bytes'])} | "
            f"{size_text(numbers['allocated_bytes'])} |")
    return "\n".join([*parts, ""])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flow-compile", required=True)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    pages, rows = {}, []
    for name, title in TITLES.items():
        recipe = compile_to(arguments.flow_compile, name, "--emit=recipe")
        numbers = json.loads(
            compile_to(arguments.flow_compile, name, "--emit=summary"))
        pages[f"{name}.md"], classes = page(name, title, recipe, numbers)
        rows.append((name, title, numbers, classes))
    pages["README.md"] = index(rows)
    stale = 0
    PAGES.mkdir(exist_ok=True)
    for name, want in pages.items():
        path = PAGES / name
        if arguments.write:
            path.write_text(want, encoding="utf-8")
        elif not path.is_file() or path.read_text(encoding="utf-8") != want:
            stale += 1
            print(f"error: docs/Recipes/{name} is stale, run "
                  "tools/checks/make_recipes.py --write", file=sys.stderr)
    return int(stale > 0)


if __name__ == "__main__":
    sys.exit(main())
