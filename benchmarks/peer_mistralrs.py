#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Times mistral.rs; compare.py drives it.

The package takes text and gives text and times of its own. A test's prompt is a
word as often as it takes to be the right number of tokens by the engine's count;
its times hold the choice of the best token. It gives no logits, so its greedy
tokens are what can be compared.
"""

import importlib.metadata
import pathlib
import sys
import tempfile

import mistralrs

from peer_protocol import serve

WORD = " a"
TEXT = "The quick brown fox jumps over the lazy dog, and the dog sleeps on."
# Requests that answer with tokens must have the form of a chat, which this
# leaves as it is.
TEMPLATE = "{{ messages[0]['content'] }}"


class MistralRs:

    version = f"mistralrs {importlib.metadata.version('mistralrs')}"

    def __init__(self, model, threads, context):
        del threads, context  # threads: RAYON_NUM_THREADS
        path = pathlib.Path(model).resolve()
        with tempfile.NamedTemporaryFile("w", suffix=".jinja") as template:
            template.write(TEMPLATE)
            template.flush()
            self.runner = mistralrs.Runner(
                which=mistralrs.Which.GGUF(quantized_model_id=str(path.parent),
                                           quantized_filename=path.name),
                prefix_cache_n=0, token_source="none", jinja_explicit=template.name)
        # What a text of no words is: a token that begins it, or none.
        self.extra = self.complete(WORD * 8, 1).prompt_tokens - 8

    def complete(self, prompt, count):
        """What a completion of `count` tokens took."""
        return self.runner.send_completion_request(mistralrs.CompletionRequest(
            prompt=prompt, model="default", max_tokens=count, temperature=0.0,
            ignore_eos=True)).usage

    def time(self, prompt, generate, depth):
        if prompt and depth:
            raise RuntimeError("mistralrs cannot time a prompt behind others")
        # The first token generated comes out of the prompt.
        tokens, count = (prompt, 1) if prompt else (max(depth, 8), generate + 1)
        usage = self.complete(WORD * (tokens - self.extra), count)
        if usage.prompt_tokens != tokens or usage.completion_tokens != count:
            raise RuntimeError(
                f"expected {tokens} tokens and {count} more, found "
                f"{usage.prompt_tokens} and {usage.completion_tokens}")
        return usage.total_prompt_time_sec if prompt else usage.total_completion_time_sec

    def greedy(self, count):
        prompt = self.runner.tokenize_text(TEXT, True, None)
        request = mistralrs.ChatCompletionRequest(
            messages=[{"role": "user", "content": TEXT}], model="default",
            max_tokens=count, temperature=0.0, logprobs=True, top_logprobs=1,
            ignore_eos=True)
        found = self.runner.send_chat_completion_request(request)
        if found.usage.prompt_tokens != len(prompt):
            raise RuntimeError(f"expected a prompt of {len(prompt)} tokens, found "
                               f"{found.usage.prompt_tokens}")
        return prompt, [each.top_logprobs[0].token
                        for each in found.choices[0].logprobs.content]


if __name__ == "__main__":
    sys.exit(serve(MistralRs, __doc__))
