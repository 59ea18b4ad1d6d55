# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""An engine for tests: flow-run on the model that FAKE_MODEL names.

It computes what flow-run computes, if need be of another model than the one it
was asked to load, and takes as long as FAKE_SECONDS says.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

import numpy

sys.path.insert(0, os.environ["FLOW_BENCHMARKS"])

from peer_protocol import serve


class Fake:

    version = "fake 1.0"

    def __init__(self, model, threads, context):
        del threads, context
        if "FAKE_REFUSAL" in os.environ:
            raise RuntimeError(os.environ["FAKE_REFUSAL"])
        self.model = os.environ.get("FAKE_MODEL", model)

    def time(self, prompt, generate, depth):
        return float(os.environ.get("FAKE_SECONDS", "0.5"))

    def tokenize(self, text):
        ids = subprocess.run([os.environ["FLOW_TOKENIZE"], self.model, "1", "0"],
                             input=text + "\0", check=True, capture_output=True,
                             text=True).stdout
        return [int(token) for token in ids.split(",")]

    def logits(self, tokens):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "logits")
            subprocess.run(
                [os.environ["FLOW_RUN"], self.model, "--tokens",
                 ",".join(map(str, tokens)), "--max-tokens", "0", "--print-tokens",
                 "--logits-out", path], check=True, capture_output=True)
            return numpy.fromfile(path, "<f4").reshape(len(tokens), -1)


if __name__ == "__main__":
    sys.exit(serve(Fake, __doc__))
