# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""How compare.py speaks with the process that an engine lives in.

The process is started with the model, threads and positions to make room for.
It writes one line of JSON once the model is loaded, and then one for each line
that it reads:

  {"version": TEXT, "logits": whether it gives logits}
  {"time": [prompt, generate, depth]}   -> {"seconds": S}
  {"logits": [ids], "file": PATH}       -> {}, with the logits of every position
                                           in PATH, little-endian f32
  {"tokenize": TEXT}                    -> {"tokens": [ids]}, the one that begins
                                           texts in front
  {"greedy": COUNT}                     -> {"prompt": [ids], "tokens": [ids]} of
                                           an engine that gives no logits
  anything that fails                   -> {"error": TEXT}

An engine is an object with `version` and `time`, and with `logits` or `greedy`;
compare_perplexity.py needs `logits` and `tokenize`.
"""

import argparse
import json
import os
import random
import sys

BEGIN_OF_TEXT = 2  # in every Gemma vocabulary
# Any ids do: no engine's speed depends on them. These are below the vocabulary
# size of seeded models too, and special in none.
TOKEN_RANGE = (300, 500)


def some_tokens(count):
    """The same ids each time, after the one that begins texts."""
    ids = random.Random(1).choices(range(*TOKEN_RANGE), k=count)
    return [BEGIN_OF_TEXT, *ids[1:]]


def answer(engine, request):
    """What `request` is answered with."""
    if "time" in request:
        return {"seconds": engine.time(*request["time"])}
    if "logits" in request:
        engine.logits(request["logits"]).astype("<f4").tofile(request["file"])
        return {}
    if "tokenize" in request:
        return {"tokens": engine.tokenize(request["tokenize"])}
    if "greedy" in request:
        prompt, tokens = engine.greedy(request["greedy"])
        return {"prompt": prompt, "tokens": tokens}
    raise ValueError(f"unknown request {sorted(request)}")


def serve(make, description):
    """Makes an engine by make(model, threads, context) and answers for it."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, required=True)
    options = parser.parse_args()
    # Libraries that print go to stderr; the answers have stdout for themselves.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(message):
        print(json.dumps(message), file=out, flush=True)

    def describe(problem):
        return " ".join(str(problem).split()) or type(problem).__name__

    # Engines raise whatever they like; the other side shows what it was.
    try:
        engine = make(options.model, options.threads, options.context)
    except Exception as problem:
        reply({"error": describe(problem)})
        return 1
    reply({"version": engine.version, "logits": hasattr(engine, "logits")})
    for line in sys.stdin:
        try:
            reply(answer(engine, json.loads(line)))
        except Exception as problem:
            reply({"error": describe(problem)})
    return 0
