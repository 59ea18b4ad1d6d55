#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs flow-bench with lists of everything and reads each form of its report.

  check_reports.py FLOW_BENCH MODEL

Times are another matter each run; what does not depend on them is compared.
Exit: 0 if all is as it should be, else the assertion says what is not.
"""

import csv
import io
import json
import math
import statistics
import subprocess
import sys

TESTS = [(threads, test + depth) for threads in (1, 2) for depth in ("", " @ d20")
         for test in ("pp8", "pp13", "tg3")]
PROMPTS = ("-p", "8,0,13")
SHORT = [(1, "pp8"), (1, "pp13"), (1, "tg3")]
# llama-bench has these too.
KEYS = """cpu_info backends model_filename model_type model_size model_n_params
n_batch n_ubatch n_threads type_k type_v n_prompt n_gen n_depth test_time avg_ns
stddev_ns avg_ts stddev_ts""".split()
TOGETHER = ["tg3", "tg3 x2", "tg3 x5", "tg3 @ d20", "tg3 x2 @ d20", "tg3 x5 @ d20"]


def report(flow_bench, model, form, *options):
    run = subprocess.run(
        [flow_bench, model, *options, "-n", "3", "--prefill-chunk", "12",
         "--numerics", "f32", "-o", form],
        check=True, capture_output=True, text=True)
    assert run.stderr == "", run.stderr
    return run.stdout


def check_object(test, model):
    assert set(KEYS) <= set(test), test.keys()
    assert test["model_filename"] == model
    assert test["model_type"] == f"gemma3 {test['model_n_params'] / 1e6:.0f}M Q8_0"
    assert test["n_batch"] == test["n_ubatch"] == 12
    assert test["type_k"] == test["type_v"] == "f32"
    tokens = test["n_prompt"] + test["n_gen"] * test["n_parallel"]
    assert (test["n_prompt"] == 0) != (test["n_gen"] == 0)
    rates, times = test["samples_ts"], test["samples_ns"]
    assert len(rates) == len(times) == 2
    for rate, time in zip(rates, times):
        assert math.isclose(rate, 1e9 * tokens / time, rel_tol=1e-3)
    assert math.isclose(test["avg_ts"], statistics.mean(rates), rel_tol=1e-9)
    assert math.isclose(test["stddev_ts"], statistics.stdev(rates),
                        rel_tol=1e-6, abs_tol=1e-6)
    assert test["ops_f32"] > 0 and test["ops_int8"] == test["ops_bf16"] == 0
    seconds = statistics.mean(times) / 1e9
    for share, work, peak in (("share_of_peak", "ops_f32", "peak_f32"),
                              ("share_of_read", "read_bytes", "peak_read")):
        assert math.isclose(test[share], test[work] / test[peak] / seconds,
                            rel_tol=1e-3), share


def check_together(flow_bench, model):
    tests = json.loads(report(flow_bench, model, "json", "-p", "0", "--parallel",
                              "1,2,5", "-d", "0,20", "-r", "2", "-t", "2"))
    assert [test["test"] for test in tests] == TOGETHER, tests
    for test, alone in zip(tests, 3 * tests[:1] + 3 * tests[3:4]):
        check_object(test, model)
        assert test["ops_f32"] == test["n_parallel"] * alone["ops_f32"]
    # The weights are read once, keys and values of each sequence.
    assert tests[3]["read_bytes"] < tests[5]["read_bytes"] < 2 * tests[3]["read_bytes"]


def check_stages(flow_bench, model):
    run = subprocess.run(
        [flow_bench, model, "-p", "8", "-n", "3", "--parallel", "1,5", "-d", "20",
         "-r", "1", "-t", "2", "--stages", "-o", "json"],
        check=True, capture_output=True, text=True)
    for test, phase, runs in zip(json.loads(run.stdout),
                                 ("prefill", "decode", "batch_decode"), (1, 3, 3)):
        functions, kernels = test["functions"], test["kernels"]
        by_name = {function["name"]: function for function in functions}
        assert by_name["embed"]["runs"] == by_name[f"{phase}_head"]["runs"] == runs
        for key in ("ops_f32", "ops_int8", "read_bytes"):
            assert math.isclose(sum(function[key] for function in functions),
                                test[key], rel_tol=1e-9), key
        # The tokens in front of the test are no part of it, and every moment
        # is one of a kernel or outside of them.
        assert math.isclose(sum(function["seconds"] for function in functions),
                            sum(kernel["seconds"] for kernel in kernels),
                            rel_tol=1e-6)
        assert [kernel["seconds"] for kernel in kernels] == sorted(
            (kernel["seconds"] for kernel in kernels), reverse=True)
        for kernel in kernels:
            assert (kernel["name"] == "serial" or
                    kernel["name"].startswith(f"{phase}_")), kernel


def names(objects):
    return [(int(test["n_threads"]), test["test"]) for test in objects]


def main(flow_bench, model):
    objects = json.loads(
        report(flow_bench, model, "json", *PROMPTS, "-d", "0,20", "-r", "2", "-t",
               "1,2"))
    assert names(objects) == TESTS, names(objects)
    for test in objects:
        check_object(test, model)
    once = (*PROMPTS, "-r", "1", "-t", "1")
    lines = [json.loads(line)
             for line in report(flow_bench, model, "jsonl", *once).splitlines()]
    assert names(lines) == SHORT and [list(line) for line in lines] == [
        list(test) for test in objects[:3]]
    rows = list(csv.DictReader(io.StringIO(report(flow_bench, model, "csv", *once))))
    assert names(rows) == SHORT
    single = [key for key in objects[0] if not key.startswith("samples_")]
    assert list(rows[0]) == single
    for row, test in zip(rows, objects):
        for key in ("model_size", "ops_f32", "read_bytes", "n_depth"):
            assert float(row[key]) == test[key], key
    table = report(flow_bench, model, "md", *once).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")]
             for line in table[2:] if line.startswith("|")]
    assert [(int(row[4]), row[5]) for row in cells] == SHORT, cells
    assert all("±" in row[6] and row[8].endswith(" %") for row in cells)
    assert sum(line.startswith("machine: ") for line in table) == 1
    check_together(flow_bench, model)
    check_stages(flow_bench, model)


if __name__ == "__main__":
    main(*sys.argv[1:])
