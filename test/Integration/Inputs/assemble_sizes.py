#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compiles configurations to PTX and has ptxas assemble it.

  assemble_sizes.py FLOW_COMPILE PTXAS FOLDER CHIP,... CONFIG...

Each kernel must take all that it is given in registers: no byte is spilled, and
there is no static shared memory. Nothing external is called. Prints a line for
each configuration and architecture.

Exit: 0 if so, 1 otherwise.
"""

import pathlib
import re
import subprocess
import sys
import time

def check(flow_compile, ptxas, folder, config, chip):
    """What is wrong, or an empty text, and a line of figures."""
    kernels, registers = 0, 0
    begin = time.monotonic()
    for phase in ("prefill", "decode"):
        ptx = folder / f"{phase}.ptx"
        subprocess.run([flow_compile, config, "--target", "nvvm", "--emit=ptx",
                        "--phase", phase, "--gpu-arch", chip, "-o", ptx], check=True)
    seconds = time.monotonic() - begin
    for phase in ("prefill", "decode"):
        ptx = folder / f"{phase}.ptx"
        if re.search(r"\.extern\s+\.func|\.func\b", ptx.read_text()):
            return f"{phase} calls functions", ""
        run = subprocess.run([ptxas, f"-arch={chip}", "-v", ptx, "-o", folder / "cubin"],
                             capture_output=True, text=True, check=False)
        said = run.stdout + run.stderr
        if run.returncode:
            return f"ptxas refuses {phase}: {said[:500]}", ""
        if bad := re.search(r"[1-9]\d* bytes spill stores|[1-9]\d* bytes smem", said):
            return f"{phase}: {bad[0]}", ""
        used = [int(number) for number in re.findall(r"Used (\d+) registers", said)]
        kernels += len(used)
        registers = max([registers, *used])
    return "", f"{kernels} kernels, {registers} registers at most, {seconds:.1f} s to PTX"


def main(flow_compile, ptxas, folder, chips, *configs):
    status = 0
    for config in configs:
        for chip in chips.split(","):
            problem, figures = check(flow_compile, ptxas, pathlib.Path(folder), config,
                                     chip)
            print(f"{pathlib.Path(config).stem} {chip}: {problem or figures}", flush=True)
            status |= bool(problem)
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
