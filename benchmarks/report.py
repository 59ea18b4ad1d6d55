# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What compare.py found, as JSON and as Markdown.

The JSON is {"machine", "threads", "numerics", "repetitions", "command",
"versions": {engine: text}, "models": [...]}; a model has "file", "bytes",
"checks": {peer: agreement.check's}, "notes": [text] and "tests": {name: {engine:
[tokens a second of each run], "flow_bench": flow-bench's report}}.
"""

import os
import pathlib
import statistics

OURS = "gemma-flow"


def processor():
    """The model name that Linux reports."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown processor"


def write_whole(path, text):
    """Writes a file under another name first, so that it is never in part."""
    path = pathlib.Path(path)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def figure(values, digits=1):
    """Median with the spread, as the tables show it."""
    return (f"{statistics.median(values):,.{digits}f} "
            f"({min(values):,.{digits}f}, {max(values):,.{digits}f})")


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    return lines + ["| " + " | ".join(row) + " |" for row in rows]


def share(value):
    return "" if value is None else f"{100 * value:.0f} %"


def speeds(result):
    """The lines of the main table."""
    peers = [name for name in result["versions"] if name != OURS]
    header = ["file", "test", f"{OURS} t/s"]
    for peer in peers:
        header += [f"{peer} t/s", "ratio"]
    rows = []
    for model in result["models"]:
        for name, test in model["tests"].items():
            row = [model["file"], name, figure(test[OURS])]
            for peer in peers:
                theirs = test.get(peer)
                if not theirs:
                    row += ["", ""]
                    continue
                # Runs of one turn are pairs: what slows the machine slows both.
                ratios = [a / b for a, b in zip(test[OURS], theirs)]
                row += [figure(theirs), figure(ratios, 2)]
            bench = test["flow_bench"]
            row += [share(bench["share_of_peak"]), share(bench["share_of_read"])]
            rows.append(row)
    return table([*header, "of peak", "of read"], rows)


def agreements(result):
    """The lines of the table of outputs."""
    rows = []
    for model in result["models"]:
        for peer, found in model["checks"].items():
            has_logits = found["correlation"] is not None
            rows.append([
                model["file"], peer,
                f"{found['same']} of {found['positions']}"
                + ("" if has_logits else " in a row"),
                f"{found['correlation']:.4f}" if has_logits else "",
                f"{found['difference']:.3f}" if has_logits else ""])
    return table(["file", "peer", "same best token", "least correlation",
                  "largest difference / largest logit"], rows) if rows else []


def machine_speed(result):
    """One line about the machine during the tests: medians over all of them."""
    benches = [test["flow_bench"] for model in result["models"]
               for test in model["tests"].values()]
    parts = []
    for name, key in (("f32", "peak_f32"), ("bf16", "peak_bf16"), ("int8", "peak_int8")):
        values = [bench[key] for bench in benches if bench[key]]
        if values:
            parts.append(f"{statistics.median(values) / 1e9:,.0f} Gop/s in {name}")
    if not benches:
        return ""
    read = [bench["peak_read"] / 1e9 for bench in benches]
    return (f"Measured beside the tests: {', '.join(parts)}; "
            f"{figure(read)} GB/s read.")


def markdown(result):
    """The whole report."""
    lines = [f"{result['machine']}, {result['threads']} threads, numerics "
             f"{result['numerics']}, {result['repetitions']} runs of each that take "
             f"turns; {', '.join(result['versions'].values())}.", ""]
    lines += speeds(result)
    lines += ["", machine_speed(result)]
    if outputs := agreements(result):
        lines += ["", *outputs]
    notes = [note for model in result["models"] for note in model["notes"]]
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    lines += ["", f"Command: `{result['command']}`", ""]
    return "\n".join(lines)
