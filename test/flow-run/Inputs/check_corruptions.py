#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs flow-run on every corruption of a model that corrupt_gguf.py knows.

  check_corruptions.py FLOW_RUN MODEL FOLDER

Each must exit with 1, print exactly one line that begins with "error: ", and
nothing on stdout. Exit: 0 if all do, 1 otherwise, with a line for each that
does not.
"""

import pathlib
import subprocess
import sys

TOOL = pathlib.Path(__file__).parents[2] / "tools" / "corrupt_gguf.py"


def main(flow_run, model, folder):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    listing = subprocess.run([sys.executable, TOOL], capture_output=True,
                             text=True).stdout
    kinds = listing.split()
    problems = [] if len(kinds) >= 20 else [f"only {len(kinds)} kinds found"]
    for kind in kinds:
        path = folder / f"{kind}.gguf"
        subprocess.run([sys.executable, TOOL, model, path, kind], check=True)
        run = subprocess.run(
            [flow_run, path, "--prompt", "a", "--max-tokens", "2"],
            capture_output=True, timeout=60)
        lines = run.stderr.decode(errors="replace").splitlines()
        if (run.returncode != 1 or run.stdout or len(lines) != 1
                or not lines[0].startswith("error: ")):
            problems.append(f"{kind}: exit {run.returncode}, stdout "
                            f"{len(run.stdout)} bytes, stderr {lines[:3]}")
        path.unlink()
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
