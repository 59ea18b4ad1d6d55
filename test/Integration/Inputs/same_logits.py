#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares logits of one prompt over threads and prefill chunks, and those of
generated tokens with those of the same tokens in a prompt, bit for bit.

  same_logits.py FLOW_RUN MODEL FOLDER

Exit: 0 if all are equal for each numerics, 1 otherwise.
"""

import hashlib
import pathlib
import subprocess
import sys

# Threads and chunk of a run: each of both with small and large of the other.
RUNS = [(1, 1), (2, 1), (1, 5), (2, 5), (3, 7), (1, 12), (2, 15), (3, 16), (1, 17),
        (1, 64), (2, 64), (3, 512)]
TOKENS = ",".join(str(2 + 37 * i % 500) for i in range(90))


def read_logits(flow_run, model, out, tokens, numerics):
    """(logits, tokens generated after `tokens`), three of them."""
    run = subprocess.run(
        [flow_run, model, "--tokens", tokens, "--max-tokens", "3", "--numerics",
         numerics, "--print-tokens", "--logits-out", out],
        check=True, stdout=subprocess.PIPE, text=True)
    return out.read_bytes(), run.stdout.strip()


def check_decode(flow_run, model, folder, numerics):
    """True if a token that is generated has the logits of one that is read."""
    out = pathlib.Path(folder) / "logits.bin"
    once, generated = read_logits(flow_run, model, out, TOKENS, numerics)
    again, _ = read_logits(flow_run, model, out, f"{TOKENS},{generated}", numerics)
    common = min(len(once), len(again))
    if once[:common] == again[:common]:
        return True
    print(f"{numerics}: decoding differs from reading {generated}")
    return False


def main(flow_run, model, folder):
    status = 0
    for numerics in ("f32", "auto"):
        digests = {}
        for threads, chunk in RUNS:
            out = pathlib.Path(folder) / "logits.bin"
            subprocess.run(
                [flow_run, model, "--tokens", TOKENS, "--max-tokens", "3",
                 "--numerics", numerics, "--threads", str(threads),
                 "--prefill-chunk", str(chunk), "--logits-out", out],
                check=True, stdout=subprocess.DEVNULL)
            data = out.read_bytes()
            if len(data) != 93 * 512 * 4:
                print(f"{len(data)} bytes of logits, expected 93 rows")
                status = 1
            digest = hashlib.sha256(data).hexdigest()
            digests.setdefault(digest, []).append((threads, chunk))
        if len(digests) != 1:
            print(f"{numerics}: logits differ: {list(digests.values())}")
            status = 1
        if not check_decode(flow_run, model, folder, numerics):
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
