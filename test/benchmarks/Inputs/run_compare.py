#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs compare.py with fake_peer.py as its one peer.

  run_compare.py BENCHMARKS FLOW_RUN FLOW_BENCH [option of compare.py...]
"""

import os
import pathlib
import sys

benchmarks, flow_run, flow_bench, *options = sys.argv[1:]
sys.path.insert(0, benchmarks)
os.environ.update(FLOW_BENCHMARKS=benchmarks, FLOW_RUN=flow_run)

import compare
import engines

engines.PEERS = {"fake": (pathlib.Path(__file__).with_name("fake_peer.py"), "numpy")}
sys.argv = ["compare.py", "--flow-run", flow_run, "--flow-bench", flow_bench,
            "--peer-python", sys.executable, "--peers", "fake", *options]
sys.exit(compare.main())
