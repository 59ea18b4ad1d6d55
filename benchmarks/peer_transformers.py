#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times transformers with torch; compare.py drives it.

Weights are read from the GGUF file and widened to f32, the type that torch
multiplies fastest on processors without products of bf16 or bytes. What lies in
front of a test is computed once and then copied.
"""

import copy
import os
import pathlib
import sys
import time

import torch
import transformers

from peer_protocol import serve, some_tokens


class Transformers:

    version = (f"transformers {transformers.__version__} with torch "
               f"{torch.__version__}")

    def __init__(self, model, threads, context):
        torch.set_num_threads(threads)
        transformers.logging.set_verbosity_error()
        path = pathlib.Path(model)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(
            os.fspath(path.parent), gguf_file=path.name, dtype=torch.float32,
            local_files_only=True).eval()
        self.tokens = some_tokens(context)
        self.in_front = (0, None)  # a depth and its cache

    @torch.inference_mode()
    def step(self, tokens, cache, keep=1):
        """Logits of the last `keep` tokens (all for 0), and the cache."""
        found = self.model(input_ids=torch.tensor([tokens]), past_key_values=cache,
                           use_cache=True, logits_to_keep=keep)
        return found.logits[0], found.past_key_values

    def cache(self, depth):
        if depth == 0:
            return None
        if self.in_front[0] != depth:
            self.in_front = (depth, self.step(self.tokens[:depth], None)[1])
        return copy.deepcopy(self.in_front[1])

    def time(self, prompt, generate, depth):
        cache = self.cache(depth)
        tokens = self.tokens[depth:depth + prompt + generate]
        begin = time.perf_counter()
        if prompt:
            self.step(tokens, cache)
        else:
            for token in tokens:
                _, cache = self.step([token], cache)
        return time.perf_counter() - begin

    def logits(self, tokens):
        return self.step(tokens, None, keep=0)[0].float().numpy()


if __name__ == "__main__":
    sys.exit(serve(Transformers, __doc__))
