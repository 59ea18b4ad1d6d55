#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Adds up the results of test runs and prints `N passed, N failed` last.

Each argument is one suite as NAME:STATUS:FILE, where STATUS is the exit status
of the runner and FILE is lit's JSON (`lit --output`) or ctest's JUnit XML
(`ctest --output-junit`). lit's own JUnit file will not do: it shows a test that
passes against its XFAIL as passed.

A suite fails as one test of its own where its results cannot be trusted: no
file, no test that ran, or a runner that failed although every test passed.

  summarise_tests.py lit:0:lit.json unit:8:ctest.xml
  summarise_tests.py --self-test

Exit: 0 everything passed, 1 something failed, 2 wrong usage.
"""

import json
import pathlib
import sys
import tempfile
import xml.etree.ElementTree

LIT_PASSED = {"PASS", "FLAKYPASS", "XFAIL"}
LIT_SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}
# What GoogleTest's GTEST_SKIP becomes; ctest calls a test whose program is
# missing "skipped" too, and that one must count as failed.
CTEST_SKIPPED = {"SKIP_REGULAR_EXPRESSION_MATCHED", "SKIP_RETURN_CODE"}


def read_lit(path):
    """Yields (name, "passed" | "failed" | "skipped") of lit's JSON."""
    for test in json.loads(path.read_text(encoding="utf-8"))["tests"]:
        code = test["code"]
        yield test["name"], ("passed" if code in LIT_PASSED else
                             "skipped" if code in LIT_SKIPPED else "failed")


def read_ctest(path):
    """Yields (name, "passed" | "failed" | "skipped") of ctest's JUnit file."""
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        status, skipped = case.get("status"), case.find("skipped")
        reason = skipped.get("message") if skipped is not None else None
        if status == "run":
            yield case.get("name"), "passed"
        elif status == "disabled" or reason in CTEST_SKIPPED:
            yield case.get("name"), "skipped"
        else:
            yield case.get("name"), "failed"


def read_suite(name, status, path):
    """The outcomes of one suite, with one more failure if it cannot be trusted."""
    try:
        reader = read_lit if path.suffix == ".json" else read_ctest
        outcomes = list(reader(path))
    except (OSError, ValueError, KeyError, TypeError,
            xml.etree.ElementTree.ParseError) as problem:
        return [(f"{name}: no results in {path}: {problem}", "failed")]
    if all(outcome == "skipped" for _, outcome in outcomes):
        return [*outcomes, (f"{name}: no test ran", "failed")]
    if status and all(outcome != "failed" for _, outcome in outcomes):
        outcomes.append((f"{name}: the runner exited with {status}", "failed"))
    return outcomes


def summarise(suites, out):
    """Prints the tables of `suites`; returns how many tests failed."""
    total = dict(passed=0, failed=0, skipped=0)
    for name, status, path in suites:
        count = dict(passed=0, failed=0, skipped=0)
        for test, outcome in read_suite(name, status, path):
            count[outcome] += 1
            if outcome == "failed":
                print(f"failed: {test}", file=out)
        print("{}: {passed} passed, {failed} failed, {skipped} skipped".format(
            name, **count), file=out)
        for key in total:
            total[key] += count[key]
    print("{passed} passed, {failed} failed".format(**total), file=out)
    return total["failed"]


SELF_TEST_LIT = json.dumps({"tests": [
    {"name": f"s :: {code}", "code": code} for code in
    ("PASS", "FLAKYPASS", "XFAIL", "XPASS", "FAIL", "UNRESOLVED", "TIMEOUT",
     "UNSUPPORTED", "SKIPPED", "EXCLUDED")]})
SELF_TEST_SKIPPED = '{"tests": [{"name": "a", "code": "UNSUPPORTED"}]}'
SELF_TEST_CTEST = """<testsuite>
<testcase name="a" status="run"/>
<testcase name="b" status="fail"><failure message=""/></testcase>
<testcase name="c" status="notrun">
  <skipped message="SKIP_REGULAR_EXPRESSION_MATCHED"/></testcase>
<testcase name="d" status="disabled"/>
<testcase name="e" status="notrun">
  <skipped message="Unable to find executable"/></testcase>
</testsuite>"""


def self_test():
    """Sees each kind of result counted as what it is; 0 when all agree."""
    with tempfile.TemporaryDirectory() as folder:
        def counts(status, file, text):
            path = pathlib.Path(folder, file)
            path.write_text(text, encoding="utf-8")
            outcomes = [outcome for _, outcome in read_suite("s", status, path)]
            return tuple(outcomes.count(k) for k in ("passed", "failed", "skipped"))

        passing = '<testsuite><testcase name="a" status="run"/></testsuite>'
        got = [counts(1, "all.json", SELF_TEST_LIT),
               counts(8, "all.xml", SELF_TEST_CTEST),
               counts(0, "passing.xml", passing),
               counts(7, "crashed-runner.xml", passing),
               counts(0, "skipped.json", SELF_TEST_SKIPPED),
               counts(0, "empty.json", '{"tests": []}'),
               counts(0, "empty.xml", "<testsuite/>"),
               counts(0, "cut.xml", "<testsuite><testc"),
               counts(0, "foreign.json", "[]")]
    expected = [(3, 4, 3), (1, 2, 2), (1, 0, 0), (1, 1, 0),
                (0, 1, 1), (0, 1, 0), (0, 1, 0), (0, 1, 0), (0, 1, 0)]
    for have, want in zip(got, expected):
        if have != want:
            print(f"self-test: expected {want}, found {have}")
    print(f"self-test: {sum(h == w for h, w in zip(got, expected))} of "
          f"{len(expected)} suites as expected")
    return int(got != expected)


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    suites = []
    for argument in sys.argv[1:]:
        name, _, rest = argument.partition(":")
        status, _, path = rest.partition(":")
        if not status.isdigit() or not path:
            print(f"error: expected NAME:STATUS:FILE, found {argument}", file=sys.stderr)
            return 2
        suites.append((name, int(status), pathlib.Path(path)))
    if not suites:
        print("error: no suite given", file=sys.stderr)
        return 2
    return int(summarise(suites, sys.stdout) > 0)


if __name__ == "__main__":
    sys.exit(main())
