# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the tokens chosen from candidates with those chosen from logits.

Usage: check_candidates.py FLOW-RUN FLOW-COMPILE MODEL FOLDER [--numerics KIND]
"""

import os
import subprocess
import sys

flow_run, flow_compile, model, folder, *numerics = sys.argv[1:]
numerics = numerics or ["--numerics", "f32"]
artefact = os.path.join(folder, "all.flow")
subprocess.run([flow_compile, model, *numerics, "-o", artefact],
               check=True)


def tokens(path, *options):
    return subprocess.run(
        [flow_run, path, "--tokens", "2,5,9,31", "--print-tokens",
         *(numerics if path == model else []), *options],
        check=True, capture_output=True, text=True).stdout


seen = set()
choices = [["--temperature", "0"]]
for top_k, top_p in ("5", "0.9"), ("63", "1"), ("200", "0.95"):
    choices.append(["--temperature", "0.8", "--top-k", top_k, "--top-p", top_p,
                    "--seed", top_k])
for choice in choices:
    found = tokens(model, "--max-tokens", "24", *choice)
    for expected in (
            tokens(model, "--max-tokens", "24", "--logits-out",
                   os.path.join(folder, "logits"), *choice),
            tokens(artefact, "--max-tokens", "24", *choice)):
        if found != expected:
            sys.exit(f"{' '.join(choice)}: {found.strip()} from candidates, "
                     f"{expected.strip()} from logits")
    seen.add(found)
# Another choice is another text, so that equal ones say something.
if len(seen) < len(choices):
    sys.exit(f"only {len(seen)} texts of {len(choices)} choices differ")
