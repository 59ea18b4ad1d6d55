#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares the peak of a run's memory with what its weights and caches take.

  check_memory.py STATS

STATS is what flow-run --stats writes. Exit: 0 if the peak is at most 150 MB
above both together, 1 otherwise.
"""

import json
import pathlib
import sys

PROCESS = 150e6


def main(stats):
    numbers = json.loads(pathlib.Path(stats).read_text(encoding="utf-8"))
    known = numbers["weight_bytes"] + numbers["cache_bytes"]
    peak = numbers["peak_rss_bytes"]
    # Weights that were not loaded would make the comparison worth nothing.
    if not 35e6 < numbers["weight_bytes"] < 50e6:
        print(f"weights of {numbers['weight_bytes']} bytes, expected some 43 MB")
        return 1
    print(f"peak {peak}, weights and caches {known}, the rest {peak - known}")
    return int(peak > known + PROCESS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
