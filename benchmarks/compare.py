#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures flow-run beside llama.cpp on one model file; prints a Markdown table.

Both sides get the same file, threads, context and token ids. Runs alternate,
so a machine that slows down slows both. `ppN` is the rate at which a prompt of
N tokens is processed, `tgN` the rate at which N tokens are generated from an
empty context. Figures are medians with (lowest, highest); a ratio is the median
of the pairs' ratios. One untimed run of each comes first.

flow-run's decode time holds its greedy sampling, llama.cpp's holds none. With
--flow-bench a second table says what share of the machine's best that is.

Exit: 0 measured, 1 a run failed (one line "error: ..." on stderr), 2 usage.
"""

import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import time

BEGIN_OF_TEXT = "2"
# Any ids do: no side's speed depends on them. These are below the vocabulary
# size of seeded models too, and special in none.
TOKEN_RANGE = (300, 500)
SETTLE_SECONDS = 0.3  # until the other side's spinning threads sleep


class Failed(Exception):
    """A run failed or said something unexpected."""


class Flow:
    """Runs flow-run, a process for each measurement."""

    def __init__(self, arguments, tokens):
        self.arguments = arguments
        self.prompts = {"pp": (",".join(map(str, tokens)), 1),
                        "tg": (BEGIN_OF_TEXT, arguments.generate)}
        version = subprocess.run([arguments.flow_run, "--version"],
                                 capture_output=True, text=True, check=False)
        self.version = (version.stdout.strip().splitlines() or ["unknown version"])[0]

    def command(self, test):
        tokens, count = self.prompts[test]
        a = self.arguments
        return [a.flow_run, a.model, "--tokens", tokens, "--max-tokens", str(count),
                "--temperature", "0", "--threads", str(a.threads),
                "--context", str(a.prompt + a.generate),
                "--numerics", a.numerics, "--print-tokens", "--stats"]

    def rate(self, test):
        """Tokens a second of one run."""
        run = subprocess.run(self.command(test), capture_output=True, text=True,
                             check=False)
        if run.returncode:
            raise Failed(f"flow-run exited with {run.returncode}: {run.stderr.strip()}")
        lines = [line for line in run.stderr.splitlines() if line.startswith("{")]
        if not lines:
            raise Failed("flow-run printed no statistics")
        stats = json.loads(lines[-1])
        phase = "prefill" if test == "pp" else "decode"
        # The first token comes out of the prompt's logits, so a run of N tokens
        # decodes N - 1; far fewer means that the model ended its text.
        tokens = stats[f"{phase}_tokens"]
        wanted = self.arguments.prompt if test == "pp" else self.arguments.generate // 2
        if tokens < wanted:
            raise Failed(f"flow-run: expected {wanted} {phase} tokens, found {tokens}")
        return tokens / stats[f"{phase}_s"]


class Peer:
    """Drives peer_llama.py, one process for all measurements."""

    def __init__(self, arguments, tokens):
        script = pathlib.Path(__file__).with_name("peer_llama.py")
        self.counts = {"pp": arguments.prompt, "tg": arguments.generate}
        self.process = subprocess.Popen(
            [arguments.peer_python, script, arguments.model,
             "--tokens", ",".join(map(str, tokens)),
             "--generate", str(arguments.generate),
             "--threads", str(arguments.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline().split()
        if ready[:1] != ["ready"]:
            raise Failed("peer_llama.py did not start (its message is above)")
        self.version = f"llama-cpp-python {ready[1]}"

    def rate(self, test):
        """Tokens a second of one run."""
        try:
            self.process.stdin.write(f"{test}\n")
            self.process.stdin.flush()
            return self.counts[test] / float(self.process.stdout.readline())
        except (BrokenPipeError, ValueError) as problem:
            raise Failed("peer_llama.py ended (its message is above)") from problem

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def measure(sides, repetitions, progress):
    """{test: [a list of rates for each side]}, the sides taking turns."""
    rates = {}
    for test in ("pp", "tg"):
        rates[test] = [[] for _ in sides]
        for repetition in range(repetitions + 1):
            for side, found in zip(sides, rates[test]):
                time.sleep(SETTLE_SECONDS)
                rate = side.rate(test)
                if repetition > 0:  # the first fills caches
                    found.append(rate)
            progress(f"{test}: {repetition} of {repetitions}")
    return rates


def figure(values, digits):
    """Median with the spread, as the tables show it."""
    return (f"{statistics.median(values):,.{digits}f} "
            f"({min(values):,.{digits}f}, {max(values):,.{digits}f})")


def table(rates, names):
    """The lines of the table; a ratio column where there is a peer."""
    header = ["test", *(f"{name} t/s" for name in names)]
    if len(names) == 2:
        header.append("ratio")
    lines = ["| " + " | ".join(header) + " |", "|---" * len(header) + "|"]
    for test, sides in rates.items():
        cells = [test, *(figure(values, 1) for values in sides)]
        if len(sides) == 2:
            cells.append(figure([a / b for a, b in zip(*sides)], 2))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def processor():
    """The model name that Linux reports."""
    try:
        for line in pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown processor"


def shares(arguments):
    """The report of flow-bench on the same tests."""
    a = arguments
    run = subprocess.run(
        [a.flow_bench, a.model, "-p", str(a.prompt), "-n", str(a.generate),
         "-r", str(a.repetitions), "-t", str(a.threads), "--numerics", a.numerics],
        capture_output=True, text=True, check=False)
    if run.returncode:
        raise Failed(f"flow-bench exited with {run.returncode}: {run.stderr.strip()}")
    return run.stdout


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {value}")
    return value


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", required=True)
    add("--flow-run", required=True)
    add("--flow-bench", help="measures the shares of the machine's peaks")
    add("--peer-python", help="Python that has llama-cpp-python")
    add("-p", "--prompt", type=positive, default=512)
    add("-n", "--generate", type=positive, default=128)
    add("-r", "--repetitions", type=positive, default=5)
    add("-t", "--threads", type=positive, default=len(os.sched_getaffinity(0)))
    add("--numerics", default="auto")
    return parser.parse_args()


def has_peer(python):
    """Whether llama_cpp can be imported there."""
    if not python or not pathlib.Path(python).exists():
        return False
    found = subprocess.run([python, "-c", "import llama_cpp"], capture_output=True,
                           check=False)
    return found.returncode == 0


def main():
    arguments = parse()

    def progress(text):
        if sys.stderr.isatty():
            print(f"\r{text}   ", end="", file=sys.stderr, flush=True)

    tokens = random.Random(1).choices(range(*TOKEN_RANGE), k=arguments.prompt)
    peer = None
    try:
        sides, names = [Flow(arguments, tokens)], ["gemma-flow"]
        if has_peer(arguments.peer_python):
            peer = Peer(arguments, tokens)
            sides.append(peer)
            names.append("llama.cpp")
        rates = measure(sides, arguments.repetitions, progress)
        progress("flow-bench")
        report = shares(arguments) if arguments.flow_bench else ""
        progress("")
    except (Failed, OSError, KeyError, json.JSONDecodeError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    finally:
        if peer:
            peer.close()
    counts = {"pp": arguments.prompt, "tg": arguments.generate}
    model = pathlib.Path(arguments.model)
    print(f"{model.name} ({model.stat().st_size / 1e6:,.1f} MB) on {processor()}, "
          f"{arguments.threads} threads, numerics {arguments.numerics}, "
          f"{arguments.repetitions} runs of each, alternating; "
          f"{', '.join(side.version for side in sides)}.\n")
    print("\n".join(table({f"{t}{counts[t]}": r for t, r in rates.items()}, names)))
    if report:
        print(f"\n{report}", end="")
    print(f"\nCommand: `./dev bench -- -p {arguments.prompt} -n {arguments.generate} "
          f"-r {arguments.repetitions} -t {arguments.threads} "
          f"--numerics {arguments.numerics}`")
    return 0


if __name__ == "__main__":
    sys.exit(main())
