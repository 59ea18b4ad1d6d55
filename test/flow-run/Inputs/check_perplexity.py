#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks flow-run --perplexity against its definition.

  check_perplexity.py FLOW_RUN TOKENIZE MODEL FOLDER CONTEXT

Perplexity and error are computed again in f64 from --logits-out of each window,
those of the interpreter must agree within the bound of f32 logits, 2e-4 of the
largest, and those of the window before, the control, must not.
Exit: 0 if all is as it should be, 1 otherwise.
"""

import json
import pathlib
import re
import subprocess
import sys

import numpy

BOUND = 2e-4
TEXT = ("The sea was calm, and nobody on the pier spoke of the storm. "
        "Later they would say that they had known; in the evening, though, "
        "they only mended their nets and counted 17 boats.\n") * 3


def scores(flow_run, model, out, window):
    """Surprises of the second half of `window`, and the largest logit."""
    subprocess.run([flow_run, model, "--tokens", ",".join(map(str, window)),
                    "--max-tokens", "0", "--numerics", "f32", "--print-tokens",
                    "--logits-out", out], check=True, stdout=subprocess.DEVNULL)
    logits = numpy.fromfile(out, numpy.float32).astype(numpy.float64)
    logits = logits.reshape(len(window), -1)
    rows = range(len(window) // 2, len(window) - 1)
    return [numpy.logaddexp.reduce(logits[t]) - logits[t, window[t + 1]]
            for t in rows], numpy.abs(logits).max()


def read(flow_run, model, text, context, *options):
    done = subprocess.run([flow_run, model, "--perplexity", text, "--context",
                           str(context), *options], check=True, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    found = re.fullmatch(r"perplexity (\S+) ± (\S+) of (\d+) tokens\n", done.stdout)
    return float(found[1]), float(found[2]), int(found[3]), done.stderr


def main(flow_run, tokenize, model, folder, context):
    context, folder = int(context), pathlib.Path(folder)
    text = folder / "text.txt"
    text.write_text(TEXT)
    ids = subprocess.run([tokenize, model, "1", "0"], check=True, text=True,
                         input=TEXT + "\0", stdout=subprocess.PIPE).stdout
    ids = [int(token) for token in ids.split(",")]
    nats, largest = [], 0
    for first in range(0, len(ids) - context + 1, context):
        window = [ids[0]] + ids[first + 1:first + context]
        found, most = scores(flow_run, model, folder / "logits.bin", window)
        nats += found
        largest = max(largest, most)
    value = numpy.exp(numpy.mean(nats))
    error = value * numpy.std(nats, ddof=1) / numpy.sqrt(len(nats))

    got = read(flow_run, model, text, context, "--numerics", "f32", "--stats",
               "--threads", "2", "--prefill-chunk", "13")
    stats = json.loads(got[3])
    exact = read(flow_run, model, text, context, "--target", "reference")
    other = read(flow_run, model, text, context // 2, "--numerics", "f32")
    print(f"expected {value} ± {error} of {len(nats)}, got {got[:3]}, "
          f"interpreter {exact[:3]}, other windows {other[:3]}")
    # A surprise is off by twice as much as logits are at most. What is printed
    # is rounded to 1e-4.
    bound = value * numpy.expm1(2 * BOUND * largest) + 1e-4
    good = len(ids) >= 2 * context and got[2] == exact[2] == len(nats)
    good &= abs(got[0] - value) <= 1e-4 and abs(got[1] - error) <= 1e-4
    good &= abs(exact[0] - value) <= bound < abs(other[0] - value)
    good &= abs(stats["perplexity"] / value - 1) <= 1e-12
    good &= abs(stats["perplexity_error"] / error - 1) <= 1e-9
    good &= stats["perplexity_tokens"] == len(nats)
    good &= stats["prefill_tokens"] == len(ids) // context * (context - 1)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
