# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The engines that compare.py measures, each a process of its own.

Every engine loads its model once and runs a test when it is told to, so that
engines can take turns within a test. Ours is flow-bench with --turns; the peers
are scripts that speak as peer_protocol.py says.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import typing

HERE = pathlib.Path(__file__).parent
# By name: the script, and the module that it cannot do without.
PEERS = {"llama.cpp": ("peer_llama.py", "llama_cpp"),
         "mistralrs": ("peer_mistralrs.py", "mistralrs"),
         "transformers": ("peer_transformers.py", "transformers")}
# Positions that the comparison of outputs takes.
LEAST_CONTEXT = 64


class Failed(Exception):
    """An engine failed or said something unexpected."""


class Test(typing.NamedTuple):
    """Tokens of a prompt or tokens to generate, behind `depth` others."""
    prompt: int
    generate: int
    depth: int

    @property
    def name(self):
        text = f"pp{self.prompt}" if self.prompt else f"tg{self.generate}"
        return f"{text} @ d{self.depth}" if self.depth else text

    @property
    def tokens(self):
        return self.prompt + self.generate


def tests_of(prompts, generations, depths):
    """All tests, in flow-bench's order."""
    return [test for depth in depths
            for test in (*(Test(prompt, 0, depth) for prompt in prompts if prompt),
                         *(Test(0, count, depth) for count in generations if count))]


class FlowBench:
    """flow-bench, which reports when all its tests are done."""

    name = "gemma-flow"

    def __init__(self, options, model):
        def listed(numbers):
            return ",".join(map(str, numbers))

        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [options.flow_bench, model, "-p", listed(options.prompts),
             "-n", listed(options.generations), "-d", listed(options.depths),
             "-r", str(options.repetitions), "-t", str(options.threads),
             "--numerics", options.numerics, "--top-k", str(options.top_k),
             "-o", "json", "--turns"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True)
        self.next = self.read_line()

    def read_line(self):
        line = self.process.stdout.readline()
        if line:
            return line
        self.errors.seek(0)
        raise Failed(f"flow-bench: {self.errors.read().strip() or 'ended'}")

    def run(self, test):
        if self.next != f"turn {test.name}\n":
            raise Failed(f"flow-bench: expected the turn of {test.name}, found "
                         f"{self.next.strip()}")
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.next = self.read_line()  # comes when the run is over

    def report(self):
        """What flow-bench reports of each test, by name."""
        report = json.loads(self.next + self.process.stdout.read())
        return {test["test"]: test for test in report}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()


class Peer:
    """One of PEERS with its model loaded."""

    def __init__(self, name, options, model):
        self.name, self.samples = name, {}
        most = max(test.depth + test.tokens for test in options.tests)
        # Some libraries take their number of threads from there alone.
        threads = str(options.threads)
        environment = dict(os.environ, OMP_NUM_THREADS=threads,
                           RAYON_NUM_THREADS=threads, RUST_LOG="error")
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [options.peer_python, HERE / PEERS[name][0], model, "--threads",
             threads, "--context", str(max(most, LEAST_CONTEXT))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors,
            text=True, env=environment)
        hello = self.answer()
        self.version, self.gives_logits = hello["version"], hello["logits"]

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            said = self.errors.read().strip().splitlines()
            raise Failed(f"{self.name}: ended: {said[-1] if said else 'no message'}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{self.name}: {answer['error']}")
        return answer

    def ask(self, **request):
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # the answer says why
        return self.answer()

    def run(self, test):
        seconds = self.ask(time=list(test))["seconds"]
        self.samples.setdefault(test.name, []).append(test.tokens / seconds)

    def rates(self):
        """Tokens a second of each timed run, by test: the first run is not."""
        return {name: found[1:] for name, found in self.samples.items()}

    def close(self):
        self.process.kill()
        self.process.wait()
        self.errors.close()


def is_installed(name, python):
    """Whether the peer `name` can be imported there."""
    if not python or not pathlib.Path(python).exists():
        return False
    check = ("import importlib.util, sys; "
             "sys.exit(importlib.util.find_spec(sys.argv[1]) is None)")
    return subprocess.run([python, "-c", check, PEERS[name][1]],
                          check=False).returncode == 0
