#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times llama.cpp; compare.py drives it.

The calls and their options are those of llama.cpp's own llama-bench, through
the C interface that the package llama-cpp-python carries: no sampling, no text,
steps of 512 tokens, caches of windowed layers no longer than their window. What
lies in front of a test is computed once and then restored.
"""

import ctypes
import sys
import time

import llama_cpp
import numpy

from peer_protocol import serve, some_tokens

BATCH, MICRO_BATCH = 2048, 512  # llama-bench's


class Llama:

    version = f"llama-cpp-python {llama_cpp.__version__}"

    def __init__(self, model, threads, context):
        # Its log has nothing that an error does not say.
        self.quiet = llama_cpp.llama_log_callback(lambda level, text, data: None)
        llama_cpp.llama_log_set(self.quiet, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(
            model.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {model}")
        options = llama_cpp.llama_context_default_params()
        options.n_ctx = context
        options.n_batch, options.n_ubatch = BATCH, MICRO_BATCH
        options.n_threads = options.n_threads_batch = threads
        options.swa_full = False
        self.context = llama_cpp.llama_init_from_model(self.model, options)
        if not self.context:
            raise RuntimeError("llama.cpp cannot make a context")
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)
        self.memory = llama_cpp.llama_get_memory(self.context)
        self.tokens = some_tokens(context)
        self.in_front = {}  # by depth: a state as bytes

    def check(self, status):
        if status:
            raise RuntimeError(f"llama_decode failed with {status}")

    def decode(self, tokens):
        """Appends tokens; the last one gets logits."""
        for first in range(0, len(tokens), BATCH):
            part = tokens[first:first + BATCH]
            array = (llama_cpp.llama_token * len(part))(*part)
            self.check(llama_cpp.llama_decode(
                self.context, llama_cpp.llama_batch_get_one(array, len(part))))
        llama_cpp.llama_synchronize(self.context)

    def restore(self, depth):
        """Makes the sequence the first `depth` tokens."""
        llama_cpp.llama_memory_clear(self.memory, True)
        if depth == 0:
            return
        if depth not in self.in_front:
            self.decode(self.tokens[:depth])
            size = llama_cpp.llama_state_seq_get_size(self.context, 0)
            state = (ctypes.c_uint8 * size)()
            if llama_cpp.llama_state_seq_get_data(self.context, state, size, 0) != size:
                raise RuntimeError("llama.cpp cannot save its state")
            self.in_front = {depth: state}
            return
        state = self.in_front[depth]
        if not llama_cpp.llama_state_seq_set_data(self.context, state, len(state), 0):
            raise RuntimeError("llama.cpp cannot restore its state")

    def time(self, prompt, generate, depth):
        self.restore(depth)
        tokens = self.tokens[depth:depth + prompt + generate]
        begin = time.perf_counter()
        if prompt:
            self.decode(tokens)
        else:
            for token in tokens:
                self.decode([token])
        return time.perf_counter() - begin

    def tokenize(self, text):
        raw = text.encode()
        # As many tokens as bytes, and what is put in front.
        ids = (llama_cpp.llama_token * (len(raw) + 2))()
        count = llama_cpp.llama_tokenize(self.vocabulary, raw, len(raw), ids,
                                         len(ids), True, False)
        if count < 0:
            raise RuntimeError(f"llama.cpp needs room for {-count} tokens")
        return list(ids[:count])

    def logits(self, tokens):
        self.restore(0)
        size = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        batch = llama_cpp.llama_batch_init(len(tokens), 0, 1)
        try:
            batch.n_tokens = len(tokens)
            for i, token in enumerate(tokens):
                batch.token[i], batch.pos[i] = token, i
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
                batch.logits[i] = 1
            self.check(llama_cpp.llama_decode(self.context, batch))
            return numpy.stack([
                numpy.ctypeslib.as_array(
                    llama_cpp.llama_get_logits_ith(self.context, i), (size,)).copy()
                for i in range(len(tokens))])
        finally:
            llama_cpp.llama_batch_free(batch)


if __name__ == "__main__":
    sys.exit(serve(Llama, __doc__))
