#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Draws what compare.py found: tokens a second over prompt length and depth.

  plot.py FOUND.json... -o OUT.svg [--model FILE]

Left, the rate of prompts of each length with nothing in front; right, the rate of
generation behind each number of tokens. Each engine is a line through its
medians, with the spread of its runs behind. Several reports are drawn together:
runs of the same file, engine and test are put into one. Of several files, --model
says which. Text and lines are of a grey that can be read on white and on black,
the ground is transparent, and an engine's colour is the same in every plot.

Exit: 0 drawn, 1 failed (one line "error: ..." on stderr), 2 usage.
"""

import argparse
import json
import pathlib
import statistics
import sys
import xml.sax.saxutils

from report import write_whole

# Of Okabe and Ito's colours those that stand out on white and on black, so that
# those who see fewer colours tell them apart too.
COLOURS = {"gemma-flow": "#d55e00", "llama.cpp": "#0072b2", "mistralrs": "#009e73",
           "transformers": "#cc79a7"}
GREY = "#808080"
# Of a panel, in pixels: the area of its lines, and what is left of it and below.
WIDTH, HEIGHT, LEFT, TOP, BOTTOM, GAP = 300, 220, 56, 44, 44, 34
TEXT = 'font-family="sans-serif" font-size="12"'


class Failed(Exception):
    """There is nothing to draw."""


def collect(reports, model):
    """{panel: {engine: {tokens: [rates]}}} of one file, and its name."""
    files = {found["file"] for report in reports for found in report["models"]}
    if model is None and len(files) == 1:
        model = next(iter(files))
    if model not in files:
        raise Failed(f"expected --model to be one of {', '.join(sorted(files))}, "
                     f"found {model}")
    panels = {"prompt": {}, "depth": {}}
    for report in reports:
        for found in report["models"]:
            if found["file"] != model:
                continue
            for test in found["tests"].values():
                bench = test["flow_bench"]
                if bench["n_prompt"] and not bench["n_depth"]:
                    panel, at = panels["prompt"], bench["n_prompt"]
                elif bench["n_gen"]:
                    panel, at = panels["depth"], bench["n_depth"]
                else:
                    continue
                for engine, rates in test.items():
                    if engine != "flow_bench":
                        panel.setdefault(engine, {}).setdefault(at, []).extend(rates)
    return panels, model


def round_up(value):
    """The next of 1, 2, 2.5, 5 and 10 times a power of ten."""
    power = 10.0 ** (len(str(int(value))) - 1)
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def text(x, y, words, anchor="middle", colour=GREY, extra=""):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
            f'{TEXT} {extra}>{xml.sax.saxutils.escape(words)}</text>')


def line(x1, y1, x2, y2, opacity):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
            f'stroke="{GREY}" stroke-opacity="{opacity}"/>')


def draw_panel(left, title, label, lines):
    """The elements of a panel whose area begins at `left`."""
    positions = sorted({at for points in lines.values() for at in points})
    top = round_up(max(max(rates) for points in lines.values()
                       for rates in points.values()))
    # Evenly spaced: lengths double, mostly, and depths begin at 0.
    place = {at: left + WIDTH * (i + 0.5) / len(positions)
             for i, at in enumerate(positions)}

    def height(rate):
        return TOP + HEIGHT * (1 - rate / top)

    out = [text(left, TOP - 24, title, "start", extra='font-weight="bold"')]
    for part in range(5):
        rate = top * part / 4
        out += [line(left, height(rate), left + WIDTH, height(rate), 0.25),
                text(left - 6, height(rate) + 4, f"{rate:,.4g}", "end")]
    for at, x in place.items():
        out.append(text(x, TOP + HEIGHT + 18, f"{at:,}"))
    out.append(text(left + WIDTH / 2, TOP + HEIGHT + 36, label))
    for engine, points in lines.items():
        colour = COLOURS.get(engine, GREY)
        medians = [(place[at], height(statistics.median(points[at])))
                   for at in sorted(points)]
        out.append(f'<polyline fill="none" stroke="{colour}" stroke-width="2" points="'
                   + " ".join(f"{x:.1f},{y:.1f}" for x, y in medians) + '"/>')
        for at, (x, y) in zip(sorted(points), medians):
            low, high = height(min(points[at])), height(max(points[at]))
            out.append(f'<line x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}" '
                       f'stroke="{colour}" stroke-opacity="0.45" stroke-width="5"/>')
            rate = statistics.median(points[at])
            out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>',
                    text(x, y - 9, f"{rate:,.0f}", colour=colour)]
    return out


def draw(panels, model, machine):
    """The whole plot as SVG."""
    titles = {"prompt": ("Prompt, tokens/s", "tokens of the prompt"),
              "depth": ("Generation, tokens/s", "tokens in front")}
    drawn = {name: lines for name, lines in panels.items() if lines}
    if not drawn:
        raise Failed(f"{model}: no test of a prompt or of a generation")
    step = LEFT + WIDTH + GAP
    width, height = step * len(drawn), TOP + HEIGHT + BOTTOM + 46
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
           f'height="{height}" viewBox="0 0 {width} {height}" role="img">',
           f"<title>{xml.sax.saxutils.escape(model)}</title>"]
    for i, (name, lines) in enumerate(drawn.items()):
        out += draw_panel(LEFT + i * step, *titles[name], lines)
    y = TOP + HEIGHT + BOTTOM + 16
    x = LEFT
    for engine in dict.fromkeys(engine for lines in drawn.values() for engine in lines):
        colour = COLOURS.get(engine, GREY)
        out += [f'<circle cx="{x + 4}" cy="{y - 4}" r="4" fill="{colour}"/>',
                text(x + 14, y, engine, "start", colour)]
        x += 32 + 8 * len(engine)
    out += [text(LEFT, y + 22, f"{model}, {machine}", "start"), "</svg>", ""]
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=pathlib.Path)
    parser.add_argument("-o", "--output", required=True, type=pathlib.Path)
    parser.add_argument("--model", help="the name of a file in the reports")
    options = parser.parse_args()
    try:
        reports = [json.loads(path.read_text(encoding="utf-8"))
                   for path in options.reports]
        panels, model = collect(reports, options.model)
        machine = f"{reports[0]['machine']}, {reports[0]['threads']} threads"
        write_whole(options.output, draw(panels, model, machine))
    except (Failed, OSError, ValueError, KeyError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
