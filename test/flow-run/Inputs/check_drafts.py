# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares what is generated with drafts with what is generated without.

Usage: check_drafts.py FLOW-RUN FOLDER MODEL [OPTION...]

Greedy and drawn tokens must be equal, and so must the bytes of the logits of
every position. Drafts must have been accepted and taken back, or nothing was
compared.
"""

import json
import os
import subprocess
import sys

flow_run, folder, model, *options = sys.argv[1:]
prompt = ["--tokens", "2,5,9,31,77,5,9,31", "--print-tokens", "--max-tokens",
          "100"]


def run(*more):
    found = subprocess.run(
        [flow_run, model, *prompt, *options, "--stats", *more],
        check=True, capture_output=True, text=True)
    statistics = json.loads(found.stderr)
    return found.stdout, statistics


def read(path):
    with open(path, "rb") as file:
        return file.read()


plain_logits, logits = (os.path.join(folder, name) for name in ("a", "b"))
drafted = accepted = 0
for choice in (["--temperature", "0"],
               ["--temperature", "0.7", "--seed", "3", "--top-p", "0.9"]):
    expected, plain = run("--logits-out", plain_logits, *choice)
    if "drafted_tokens" in plain:
        sys.exit("statistics of drafts where there are none")
    for count in "2", "40":
        found, statistics = run("--logits-out", logits, "--draft", "lookup",
                                "--draft-tokens", count, *choice)
        if found != expected:
            sys.exit(f"{choice}, drafts of {count}: {found.strip()}, "
                     f"expected {expected.strip()}")
        if read(logits) != read(plain_logits):
            sys.exit(f"{choice}, drafts of {count}: the logits differ")
        drafted += statistics["drafted_tokens"]
        accepted += statistics["accepted_tokens"]
        if statistics["decode_tokens"] != plain["decode_tokens"]:
            sys.exit(f"{statistics['decode_tokens']} tokens are counted, "
                     f"expected {plain['decode_tokens']}")
if not 0 < accepted < drafted:
    sys.exit(f"{accepted} of {drafted} tokens of drafts were accepted")
