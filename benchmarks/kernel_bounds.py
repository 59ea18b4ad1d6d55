#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Prints what the inner loops of the kernels allow, by LLVM's models of CPUs.

Compiles a recipe for each CPU and arithmetic, finds the inner loop of each
kernel, and lets llvm-mca say how long it takes when all that it reads is in the
first-level cache. Cells hold the cycles for one number of a row and the 32
columns of a panel (or keys, or numbers of a head), and in brackets the share of
peak: the cycles that the dot products of the loop would take alone, as often as
the model issues them, of those that the loop takes.

The models know nothing of AMX: loops over tiles are given the 16 cycles that
Intel's manual has for each product of tiles, or 8 for each load of one, two rows
at a time, or what the model says of the other instructions, whichever is most.

  kernel_bounds.py [--build BUILD] [--mca LLVM-MCA] [RECIPE]

Prints a table of Markdown. Exit: 0, or 1 with a line "error: ...".
"""

import argparse
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools/checks"))
import asm_loops  # noqa: E402

# The CPUs that code is made for, and the model that it is timed with.
CPUS = {"x86-64-v3": "znver3", "skylake-avx512": "skylake-avx512",
        "alderlake": "alderlake", "znver4": "znver4", "znver5": "znver5",
        "sapphirerapids": "sapphirerapids", "neoverse-n1": "neoverse-n1",
        "neoverse-v2": "neoverse-v2"}

# Multiply-adds of a lane of 32 bits, and who has them in its inner loop.
DOTS = {"vfmadd231ps": 1, "vdpbf16ps": 2, "vpmaddwd": 2, "vpdpbusd": 4,
        "fmla": 1, "bfmlalb": 1, "bfmlalt": 1, "usdot": 4, "sdot": 4}
# The same of 16 sums of a tile, whose rows of bytes are blocks of 16; and how
# many rows a tile has, by the phase.
TILE_DOTS = {"tdpbf16ps": 16 * 32, "tdpbssd": 16 * 16}
TILE_ROWS = {"tdpbf16ps": {"prefill": 16, "decode": 1}, "tdpbssd": {"prefill": 12}}
# Cycles for a tile of 16 rows.
TILE_PRODUCT, TILE_LOAD = 16, 8
# Title, arithmetic, phase, function, and which of its loops with most of them.
Kernel = collections.namedtuple("Kernel", "title numerics phase function place")
Q, ATTEND = "layer0_attention_q$", "layer0_attention_attend$"
KERNELS = [
    Kernel("product f32, rows", "f32", "prefill", Q, 0),
    Kernel("product f32, one row", "f32", "decode", Q, 0),
    Kernel("product bf16, rows", "bf16", "prefill", Q, 0),
    Kernel("product bf16, one row", "bf16", "decode", Q, 0),
    Kernel("product int8, rows", "int8", "prefill", Q, 0),
    Kernel("product int8, one row", "int8", "decode", Q, 0),
    Kernel("attention scores, rows", "f32", "prefill", ATTEND, 0),
    Kernel("attention values, rows", "f32", "prefill", ATTEND, -1),
]
PANEL = 32
ITERATIONS = 200


class CannotRun(Exception):
    """A tool failed, or code is not as expected."""


def run(command, text=None):
    try:
        return subprocess.run(command, input=text, capture_output=True,
                              text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as problem:
        detail = getattr(problem, "stderr", "") or problem
        raise CannotRun(f"{command[0]}: {str(detail).strip()}") from problem


def adds_of(instruction):
    """Multiply-adds of a lane of an instruction; 0 if it is no dot product."""
    return DOTS.get(instruction.mnemonic, 0)


def dots_of(loop):
    """The dot products of a loop."""
    return [i for i in loop.instructions if adds_of(i)]


def tiles_of(loop):
    """The products of tiles of a loop."""
    return [i for i in loop.instructions if i.mnemonic in TILE_DOTS]


def multiply_adds(loop, phase):
    tiles = tiles_of(loop)
    if tiles:
        return sum(TILE_DOTS[i.mnemonic] * TILE_ROWS[i.mnemonic][phase] for i in tiles)
    return sum(adds_of(i) * i.width // 4 for i in dots_of(loop))


def find_loop(code, kernel):
    """The inner loop that `kernel` names. Sums of f32 stay in registers, which
    tells products from functions of the scores."""
    loops = [loop for loop in asm_loops.loops_of(code)
             if re.search(kernel.function, loop.function)
             and (dots_of(loop) or tiles_of(loop))
             and (kernel.numerics == "int8" or not loop.count("store"))]
    most = max((multiply_adds(loop, kernel.phase) for loop in loops), default=0)
    loops = [loop for loop in loops if multiply_adds(loop, kernel.phase) == most]
    if not loops:
        raise CannotRun(f"no loop with dot products in {kernel.function}")
    return loops[kernel.place]


class Model:
    """llvm-mca's model of a CPU."""

    def __init__(self, mca, cpu):
        machine = "aarch64" if cpu.startswith("neoverse") else "x86_64"
        self.command = [mca, f"-mtriple={machine}", f"-mcpu={cpu}",
                        f"-iterations={ITERATIONS}"]

    def figure(self, lines, name):
        text = run(self.command, "\n".join(lines) + "\n")
        match = re.search(rf"^{name}:\s+([\d.]+)$", text, re.MULTILINE)
        if not match:
            raise CannotRun(f"{self.command[0]} gives no '{name}'")
        return float(match[1])

    def cycles(self, loop):
        lines = [i.text for i in loop.instructions if "tmm" not in i.text]
        return max(self.figure(lines, "Total Cycles") / ITERATIONS,
                   TILE_PRODUCT * len(tiles_of(loop)),
                   TILE_LOAD * loop.count("tileloadd"))

    def alone(self, loop):
        """Cycles of the dot products of a loop, of registers."""
        total = TILE_PRODUCT * len(tiles_of(loop))
        if total:
            return total
        groups = collections.defaultdict(list)
        for i in dots_of(loop):
            groups[i.mnemonic, i.width].append(i)
        # Of many, since the figure of one is rounded to a tenth of a cycle.
        many = 20
        return sum(len(group) / many *
                   self.figure(many * [group[0].of_registers()],
                               "Block RThroughput")
                   for group in groups.values())


def cell(model, loop, kernel):
    cycles = model.cycles(loop)
    return (f"{cycles * PANEL / multiply_adds(loop, kernel.phase):.2f} "
            f"({100 * model.alone(loop) / cycles:.0f} %)")


def table(arguments):
    compiler = arguments.build / "bin/flow-compile"
    columns = []
    for cpu, model_cpu in CPUS.items():
        codes = {}
        for kernel in KERNELS:
            key = kernel.numerics, kernel.phase
            if key not in codes:
                codes[key] = run(
                    [str(compiler), str(arguments.recipe), "-o", "-", "--emit=asm",
                     f"--numerics={key[0]}", f"--phase={key[1]}", f"--mcpu={cpu}"])
        model = Model(arguments.mca, model_cpu)
        columns.append([cell(model, find_loop(codes[k.numerics, k.phase], k), k)
                        for k in KERNELS])
    print("| | " + " | ".join(CPUS) + " |")
    print("|" + "---|" * (len(CPUS) + 1))
    for kernel, *cells in zip(KERNELS, *columns):
        print(f"| {kernel.title} | " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--mca", default="llvm-mca-22")
    parser.add_argument("recipe", nargs="?", type=pathlib.Path,
                        default=ROOT / "test/Codegen/CPU/Inputs/two-layers.mlir")
    try:
        table(parser.parse_args())
    except CannotRun as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
