#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares two files of logits that flow-run --logits-out wrote.

  compare_logits.py EXACT OTHER --vocab N

Prints the number of positions, the largest difference as a part of the largest
|logit| of EXACT, the mean Kullback-Leibler divergence of OTHER's distributions
from EXACT's in nats, and the share of positions with the same best token. Needs
numpy (build/venv has it after ./dev test).
"""

import argparse
import sys

import numpy


def log_softmax(logits):
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("exact")
    parser.add_argument("other")
    parser.add_argument("--vocab", type=int, required=True,
                        help="logits of a position")
    options = parser.parse_args()
    files = [numpy.memmap(path, numpy.float32, "r")
             for path in (options.exact, options.other)]
    if files[0].size != files[1].size or files[0].size % options.vocab:
        sys.exit(f"error: {files[0].size} and {files[1].size} logits are not "
                 f"the same number of positions of {options.vocab}")
    exact, other = (file.reshape(-1, options.vocab) for file in files)
    largest = difference = 0.0
    divergence, same = 0.0, 0
    for begin in range(0, len(exact), 64):
        a, b = (x[begin:begin + 64].astype(numpy.float64)
                for x in (exact, other))
        largest = max(largest, numpy.abs(a).max())
        # numpy.maximum, unlike max, keeps a NaN.
        difference = numpy.maximum(difference, numpy.abs(a - b).max())
        log_a, log_b = log_softmax(a), log_softmax(b)
        divergence += (numpy.exp(log_a) * (log_a - log_b)).sum()
        same += int((a.argmax(axis=1) == b.argmax(axis=1)).sum())
    print(f"positions {len(exact)}, difference {difference / largest:.3g} of "
          f"max|logit| {largest:.4g}, mean divergence "
          f"{divergence / len(exact):.3g}, same best token "
          f"{100 * same / len(exact):.1f} %")


if __name__ == "__main__":
    main()
