#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Measures flow-bench beside other engines on model files; prints Markdown.

All engines get the same file, threads and sizes. `ppN` is the rate at which a
prompt of N tokens is processed, with logits of its last token; `tgN` the rate at
which N tokens are generated one by one, without sampling; `@ dN` means behind N
other tokens. Engines load a model once and take turns within a test, so a machine
that slows down slows all. One untimed run of each comes first. Figures are medians
with (lowest, highest); a ratio is the median of the ratios of one turn's runs.

What the engines compute is compared first; one that computes something else is
not measured. One that cannot run a file is named in a note.

Exit: 0 measured, 1 a run failed or an engine disagreed (one line "error: ..." on
stderr), 2 usage.
"""

import argparse
import json
import os
import pathlib
import shlex
import sys
import time

import agreement
import engines
import report

ROOT = pathlib.Path(__file__).resolve().parents[1]
SETTLE_SECONDS = 0.3  # until the other engines' spinning threads sleep


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def take_turns(running, options, label):
    """Runs all tests of all engines, an engine after the other in each turn."""
    for test in options.tests:
        for turn in range(options.repetitions + 1):
            for engine in running:
                progress(f"{label}: {test.name}, {turn} of {options.repetitions}, "
                         f"{engine.name}")
                time.sleep(SETTLE_SECONDS)
                engine.run(test)


def start_peers(options, model, found, opened):
    """Those peers that run this file and agree about it. `found` gets checks and
    notes, `opened` each process; returns what disagreed as text, too."""
    peers, disagreements = [], []
    for name in options.peers:
        progress(f"{found['file']}: {name}")
        try:
            peer = engines.Peer(name, options, model)
            opened.append(peer)
            found["checks"][name] = agreement.check(options, model, peer)
        except agreement.Disagreement as problem:
            disagreements.append(str(problem))
            found["notes"].append(f"Not measured: {problem}.")
        except engines.Failed as problem:
            found["notes"].append(f"Not measured: {found['file']}: {problem}.")
        else:
            peers.append(peer)
    return peers, disagreements


def measure(options, model, versions):
    """What is to be reported of one file, and what disagreed."""
    path = pathlib.Path(model)
    found = {"file": path.name, "bytes": path.stat().st_size, "checks": {},
             "notes": [], "tests": {}}
    opened = []
    try:
        peers, disagreements = start_peers(options, model, found, opened)
        ours = engines.FlowBench(options, model)
        opened.append(ours)
        take_turns([ours, *peers], options, found["file"])
        details = ours.report()
    finally:
        for engine in opened:
            engine.close()
        progress("")
    versions[ours.name] = f"gemma-flow {details[options.tests[0].name]['build_version']}"
    for peer in peers:
        versions[peer.name] = peer.version
    for test in options.tests:
        bench = details[test.name]
        found["tests"][test.name] = {
            ours.name: bench["samples_ts"],
            **{peer.name: peer.rates()[test.name] for peer in peers},
            "flow_bench": bench}
    return found, disagreements


def numbers(text):
    """The whole numbers of a list, each at least 0."""
    return [count(part) for part in text.split(",")]


def count(text):
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected at least 0, found {value}")
    return value


def positive(text):
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {value}")
    return value


def peer_names(text):
    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in engines.PEERS:
            raise argparse.ArgumentTypeError(
                f"expected some of {','.join(engines.PEERS)}, found '{name}'")
    return names


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("models", nargs="*", metavar="MODEL")
    add("--default-model", help="measured where no MODEL is given")
    add("--flow-run", required=True)
    add("--flow-bench", required=True)
    add("--peer-python", help="Python that has the peers")
    add("--peers", type=peer_names, default=["llama.cpp"],
        help=f"some of {','.join(engines.PEERS)}, or nothing (llama.cpp)")
    add("-p", "--prompts", type=numbers, default=[512])
    add("-n", "--generations", type=numbers, default=[128])
    add("-d", "--depths", type=numbers, default=[0])
    add("-r", "--repetitions", type=positive, default=5)
    add("-t", "--threads", type=positive, default=len(os.sched_getaffinity(0)))
    add("--numerics", default="auto")
    add("--top-k", type=count, default=0,
        help="our steps give so many of the best logits; 0 = all (0)")
    add("--json", metavar="FILE", help="write what was found there too")
    options = parser.parse_args()
    options.models = options.models or [options.default_model]
    if options.models == [None]:
        parser.error("there is no model to measure")
    options.tests = engines.tests_of(options.prompts, options.generations,
                                     options.depths)
    if not options.tests:
        parser.error("there is nothing to measure: -p and -n are 0")
    return options


def command_of(options):
    """The command that measures this again, without the folders of today."""
    def listed(values):
        return ",".join(map(str, values))

    def placed(model):
        path = pathlib.Path(model).resolve()
        return str(path.relative_to(ROOT) if ROOT in path.parents else path.name)

    return shlex.join([
        "./dev", "bench", *(["--peers", listed(options.peers)]
                            if options.peers != ["llama.cpp"] else []),
        "--", *map(placed, options.models),
        "-p", listed(options.prompts), "-n", listed(options.generations),
        "-d", listed(options.depths), "-r", str(options.repetitions),
        "-t", str(options.threads), "--numerics", options.numerics,
        *(["--top-k", str(options.top_k)] if options.top_k else [])])


def main():
    options = parse()
    for name in list(options.peers):
        if not engines.is_installed(name, options.peer_python):
            print(f"{name} is not installed: measuring without it", file=sys.stderr)
            options.peers.remove(name)
    result = {"machine": report.processor(), "threads": options.threads,
              "numerics": options.numerics, "repetitions": options.repetitions,
              "command": command_of(options), "versions": {}, "models": []}
    disagreements = []
    try:
        for model in options.models:
            found, others = measure(options, model, result["versions"])
            result["models"].append(found)
            disagreements += others
        if options.json:
            report.write_whole(options.json, json.dumps(result, indent=1) + "\n")
    except (engines.Failed, OSError, KeyError, json.JSONDecodeError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    print(report.markdown(result), end="")
    if disagreements:
        print(f"error: {'; '.join(disagreements)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
