# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Checks that two engines compute the same model before they are timed.

flow-run continues a short prompt greedily. A peer then reads that prompt with
that continuation and gives the logits of every position: where the best token
is the same, its own greedy text would be the same. Positions are compared one by
one, so that a near tie, of which random weights have many, costs one position
and not the rest of a text. Of an engine without logits the greedy tokens are
compared up to the first that differs.
"""

import pathlib
import subprocess
import tempfile

from engines import Failed
from peer_protocol import some_tokens

PROMPT, CONTINUATION = 16, 32
# Engines that round activations to bytes in different places still correlate
# well above this, and random weights have near ties at a fifth of the positions;
# other weights correlate by less than 0.5 and share next to no best token.
LEAST_CORRELATION = 0.95
LEAST_SAME = 0.5


class Disagreement(Failed):
    """A peer computes something else."""


def run_flow(options, model, prompt, count, logits=None):
    """The ids that flow-run generates greedily; writes `logits` if asked."""
    command = [options.flow_run, model, "--tokens", ",".join(map(str, prompt)),
               "--max-tokens", str(count), "--temperature", "0", "--print-tokens",
               "--threads", str(options.threads), "--context",
               str(len(prompt) + count), "--numerics", options.numerics]
    if logits:
        command += ["--logits-out", logits]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode:
        raise Failed(f"flow-run exited with {run.returncode}: {run.stderr.strip()}")
    return [int(token) for token in run.stdout.split(",")]


def compare_logits(ours, theirs):
    """What two arrays [positions, vocabulary] have in common."""
    import numpy

    correlations, differences = [], []
    for a, b in zip(ours, theirs):
        a, b = a.astype(numpy.float64), b.astype(numpy.float64)
        if not (numpy.isfinite(a).all() and numpy.isfinite(b).all()):
            return {"positions": len(ours), "same": 0, "correlation": 0.0,
                    "difference": float("inf")}
        correlations.append(numpy.corrcoef(a, b)[0, 1])
        differences.append(numpy.abs(a - b).max() / numpy.abs(a).max())
    return {"positions": len(ours),
            "same": int((ours.argmax(axis=1) == theirs.argmax(axis=1)).sum()),
            "correlation": float(min(correlations)),
            "difference": float(max(differences))}


def check_logits(options, model, peer):
    import numpy

    with tempfile.TemporaryDirectory() as folder:
        paths = [str(pathlib.Path(folder, name)) for name in ("ours", "theirs")]
        prompt = some_tokens(PROMPT)
        tokens = prompt + run_flow(options, model, prompt, CONTINUATION, paths[0])
        peer.ask(logits=tokens, file=paths[1])
        ours, theirs = (numpy.fromfile(path, "<f4") for path in paths)
    # A peer may have logits for rows that no token has, and drop them.
    if ours.size != theirs.size or ours.size % len(tokens):
        raise Disagreement(f"{peer.name}: expected {ours.size} logits of "
                           f"{len(tokens)} positions, found {theirs.size}")
    return compare_logits(ours.reshape(len(tokens), -1),
                          theirs.reshape(len(tokens), -1))


def check_greedy(options, model, peer):
    answer = peer.ask(greedy=CONTINUATION)
    theirs = answer["tokens"]
    ours = run_flow(options, model, answer["prompt"], len(theirs))
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b),
                len(theirs))
    return {"positions": len(theirs), "same": same, "correlation": None,
            "difference": None}


def check(options, model, peer):
    """How far `peer` agrees with flow-run; raises Disagreement if it is not the
    same model. Of greedy tokens the first few are enough: one near tie changes
    all that follow."""
    if not peer.gives_logits:
        found = check_greedy(options, model, peer)
        agrees = found["same"] >= 1
    else:
        found = check_logits(options, model, peer)
        agrees = (found["correlation"] >= LEAST_CORRELATION
                  and found["same"] >= LEAST_SAME * found["positions"])
    if not agrees:
        correlation = found["correlation"]
        raise Disagreement(
            f"{pathlib.Path(model).name}: {peer.name} computes another model: the "
            f"best token is the same at {found['same']} of {found['positions']} "
            "positions" + (f", the least correlation of logits is {correlation:.3f}"
                           if correlation is not None else ""))
    return found
