#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Runs a script that compares engines, with fake_peer.py as its one peer.

  run_with_fake.py BENCHMARKS FLOW_RUN SCRIPT [option of the script...]
"""

import importlib
import os
import pathlib
import sys

benchmarks, flow_run, script, *options = sys.argv[1:]
sys.path.insert(0, benchmarks)
os.environ.update(FLOW_BENCHMARKS=benchmarks, FLOW_RUN=flow_run)

import engines

engines.PEERS = {"fake": (pathlib.Path(__file__).with_name("fake_peer.py"), "numpy")}
sys.argv = [f"{script}.py", "--flow-run", flow_run, "--peer-python", sys.executable,
            "--peers", "fake", *options]
sys.exit(importlib.import_module(script).main())
