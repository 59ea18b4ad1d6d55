#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares logits of code for AArch64, which runs in an emulator, with those of
code for the machine at hand.

  compare_aarch64.py FLOW_COMPILE RUN_PLAN MODEL FOLDER NUMERICS CPU...

RUN_PLAN is test/tools/run_plan.cpp, built for this machine; it and the runtime
are built for AArch64 here, once for a folder. Exit: 0 if the logits agree.
"""

import os
import pathlib
import subprocess
import sys

import numpy

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test/tools"))
import unpack_artifact  # noqa: E402

TRIPLE = "aarch64-linux-gnu"
EMULATOR = ["qemu-aarch64", "-cpu", "max", "-L", f"/usr/{TRIPLE}"]
# A prompt beyond the window of 16 that is no multiple of a tile, and tokens
# that follow it.
TOKENS = [2 + 37 * i % 500 for i in range(45)]
PROMPT = 41


def build_host(folder):
    """RUN_PLAN for AArch64, unless it is there."""
    host = folder / "run-plan"
    if host.exists():
        return host
    # The JSON headers are the same for all machines, those beside them not.
    headers = folder / "include"
    headers.mkdir()
    (headers / "nlohmann").symlink_to("/usr/include/nlohmann")
    sources = [ROOT / "test/tools/run_plan.cpp"]
    for room in ("Runtime", "Ggml"):
        sources += sorted((ROOT / "lib" / room).glob("*.cpp"))
    # Sums of products that the runtime does in C++ are rounded twice, as by the
    # machine at hand.
    compile_one = [f"{TRIPLE}-g++", "-std=c++17", "-O1", "-ffp-contract=off",
                   f"-I{ROOT / 'include'}", f"-I{headers}", "-c"]
    objects, running = [], []
    for source in sources:
        objects.append(folder / f"host-{source.stem}.o")
        running.append(subprocess.Popen([*compile_one, source, "-o", objects[-1]]))
        if len(running) == (os.cpu_count() or 1):
            wait(running)
    wait(running)
    run([f"{TRIPLE}-g++", *objects, "-o", host, "-pthread"])
    return host


def wait(running):
    for process in running:
        if process.wait():
            sys.exit(f"error: {process.args[0]} failed")
    running.clear()


def run(command):
    subprocess.run([str(word) for word in command], check=True)


def logits_of(folder, model, flow_compile, cpu, numerics, linker, host):
    """The logits of code for `cpu`, a row for each call."""
    artifact = folder / f"{cpu}.flow"
    run([flow_compile, model, "-o", artifact, "--mcpu", cpu, "--numerics", numerics])
    code, out = folder / f"{cpu}.so", folder / f"{cpu}.logits"
    objects = unpack_artifact.unpack_code(artifact, folder)
    run([linker, "-shared", *objects, "-o", code])
    run([*host, folder / "plan.json", code, folder, out, PROMPT,
         ",".join(map(str, TOKENS))])
    return numpy.fromfile(out, numpy.float32).reshape(len(TOKENS) - PROMPT + 1, -1)


def main(flow_compile, run_plan, model, folder, numerics, *cpus):
    folder = pathlib.Path(folder)
    emulated = [*EMULATOR, build_host(folder)]
    unpack_artifact.unpack_tensors(model, folder)
    expected = logits_of(folder, model, flow_compile, "native", numerics, "cc",
                         [run_plan])
    status = 0
    for cpu in cpus:
        found = logits_of(folder, model, flow_compile, cpu, numerics,
                          f"{TRIPLE}-gcc", emulated)
        difference = numpy.abs(found - expected).max() / numpy.abs(expected).max()
        print(f"{cpu} {numerics}: difference {difference:.3g} of the largest logit")
        if found.tobytes() != expected.tobytes():
            print("  differs")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
