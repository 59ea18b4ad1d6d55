#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times llama.cpp on request; compare.py drives it through stdin and stdout.

Says `ready VERSION` once the model is loaded and both tests ran untimed. Then
each line `pp` (process the whole prompt as one batch, logits of its last token)
or `tg` (generate tokens one by one from an empty context) is answered by the
seconds it took. The calls are those of llama.cpp's own llama-bench, through the
C interface that the package llama-cpp-python carries: no sampling, no text.
"""

import argparse
import ctypes
import sys
import time

import llama_cpp

BEGIN_OF_TEXT = 2  # in every Gemma vocabulary


class Peer:
    """A loaded model with a context for `prompt` and `generate` tokens."""

    def __init__(self, arguments):
        # Its log would mix with our table.
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            arguments.model.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {arguments.model}")
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = len(arguments.tokens) + arguments.generate
        options.n_batch = options.n_ubatch = max(len(arguments.tokens), 1)
        options.n_threads = options.n_threads_batch = arguments.threads
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        if not self.context:
            raise RuntimeError("llama.cpp cannot make a context")
        self.tokens, self.generate = arguments.tokens, arguments.generate

    def decode(self, tokens):
        array = (llama_cpp.llama_token * len(tokens))(*tokens)
        batch = llama_cpp.llama_batch_get_one(array, len(tokens))
        status = llama_cpp.llama_decode(self.context, batch)
        if status:
            raise RuntimeError(f"llama_decode failed with {status}")
        llama_cpp.llama_synchronize(self.context)

    def run(self, test):
        """Seconds of one test from an empty context."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        begin = time.perf_counter()
        if test == "pp":
            self.decode(self.tokens)
        else:
            for step in range(self.generate):
                self.decode([BEGIN_OF_TEXT if step == 0 else
                             self.tokens[step % len(self.tokens)]])
        return time.perf_counter() - begin


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tokens", required=True,
                        type=lambda text: [int(token) for token in text.split(",")])
    parser.add_argument("--generate", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    try:
        peer = Peer(arguments)
        for test in ("pp", "tg"):
            peer.run(test)
        print("ready", llama_cpp.__version__, flush=True)
        for line in sys.stdin:
            print(peer.run(line.strip()), flush=True)
    except RuntimeError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
