#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares f32 logits of Hugging Face folders with those of transformers.

  compare_transformers.py FLOW_RUN MAKE_MODEL FOLDER

For each kind of Gemma a folder is made and run by both: by flow-run with
--numerics f32, and by transformers in f32 with eager attention, once without a
cache and once with one, in steps. Compared are the logits of every position of
a prompt and of 24 tokens that flow-run generates. The control: logits of a
prompt with one token changed must differ by more than the bound.

Then transformers saves the model as it writes folders today, with the keys of
its own configuration, and flow-run must compute the same bits from that.

Weights of bf16 are widened by both. transformers rounds the factors of
embeddings to the type of the weights it computes with, so a folder of bf16 has
them rounded to bf16 there: a run in f32 is given the factors so rounded.
Exit: 0 if all is as it should be, 1 otherwise.
"""

import os
import pathlib
import subprocess
import sys

# Nothing is asked of a hub, nor a GPU looked for.
os.environ.update(HF_HUB_OFFLINE="1", CUDA_VISIBLE_DEVICES="",
                  TRANSFORMERS_VERBOSITY="error", PYTHONWARNINGS="ignore")

import numpy
import torch
import transformers

BOUND = 2e-4
GENERATED = 24
PROMPT = 45  # no multiple of a window, a chunk or a vector

TYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}

# Name and options of MAKE_MODEL, the type of the weights last; transformers wants hidden sizes that are
# multiples of the number of heads. The windows of 16 lie inside the prompt, so
# that caches wrap in it and in what is generated; numbers of layers are no
# multiples of the patterns.
KINDS = [
    ("gemma-mqa", "--family gemma --layers 3 --kv-heads 1 --type f32"),
    ("gemma-wide-heads", "--family gemma --layers 2 --heads 3 --kv-heads 3 "
     "--head-dim 64 --hidden 96 --type bf16"),
    ("gemma2", "--family gemma2 --layers 5 --heads 6 --kv-heads 3 --hidden 96 "
     "--type f32"),
    ("gemma2-bf16", "--family gemma2 --layers 4 --hidden 96 --shards 2 "
     "--type bf16"),
    ("gemma3", "--family gemma3 --layers 8 --rope-factor 8 --separate-head "
     "--type f32"),
    ("gemma3-bf16", "--family gemma3 --layers 7 --heads 5 --kv-heads 1 "
     "--hidden 160 --type bf16"),
    ("gemma3-wide-window", "--family gemma3 --layers 7 --window 128 --type f16"),
    ("gemma4", "--family gemma4 --layers 8 --type f32"),
    ("gemma4-bf16", "--family gemma4 --layers 7 --full-kv-heads 2 --heads 6 "
     "--kv-heads 3 --hidden 96 --type bf16"),
    ("gemma4-sharing", "--family gemma4 --layers 10 --shared 4 --per-layer 32 "
     "--full-kv-heads 0 --kv-heads 1 --type f32"),
    ("gemma4-sharing-bf16", "--family gemma4 --layers 9 --shared 3 "
     "--per-layer 32 --full-kv-heads 0 --hidden 96 --type bf16"),
    ("gemma4-experts", "--family gemma4 --layers 7 --experts 32 --experts-used 3 "
     "--type f32"),
    ("gemma4-experts-bf16", "--family gemma4 --layers 4 --experts 64 "
     "--experts-used 8 --expert-ffn 64 --hidden 96 --type bf16"),
]


def run_ours(flow_run, model, tokens, count):
    """The logits [positions, vocab] of `tokens` and of the tokens that follow
    them, and those."""
    out = pathlib.Path(f"{model}.logits")
    done = subprocess.run(
        [flow_run, model, "--numerics", "f32", "--print-tokens", "--tokens",
         ",".join(map(str, tokens)), "--max-tokens", str(count), "--logits-out",
         out], check=True, stdout=subprocess.PIPE, text=True)
    generated = [int(token) for token in done.stdout.split(",") if token.strip()]
    logits = numpy.fromfile(out, numpy.float32)
    return logits.reshape(len(tokens) + len(generated), -1), generated


def load(folder):
    """The text decoder of `folder` in f32: of a Gemma 4 not the whole model,
    whose other parts the folder does not have."""
    config = transformers.AutoConfig.from_pretrained(folder).get_text_config()
    model, report = transformers.AutoModelForCausalLM.from_pretrained(
        folder, config=config, dtype=torch.float32, attn_implementation="eager",
        key_mapping={r"^model\.language_model\.": "model."},
        output_loading_info=True)
    for what, names in report.items():
        if names:
            raise ValueError(f"{folder}: transformers reports {len(names)} "
                             f"{what}, as {sorted(names)[0]}")
    return model.eval()


def round_factors(model):
    for module in model.modules():
        if hasattr(module, "embed_scale"):
            module.embed_scale = module.embed_scale.to(torch.bfloat16).float()


def run_whole(model, tokens):
    return model(torch.tensor([tokens]), use_cache=False).logits[0].numpy()


def run_cached(model, tokens):
    """The prompt in steps of 20, then token by token."""
    rows, cache, at = [], None, 0
    while at < len(tokens):
        end = min(at + 20, PROMPT) if at < PROMPT else at + 1
        done = model(torch.tensor([tokens[at:end]]), past_key_values=cache,
                     use_cache=True)
        rows.append(done.logits[0].numpy())
        cache, at = done.past_key_values, end
    return numpy.concatenate(rows)


def compare(flow_run, make_model, folder, name, options):
    model_folder = folder / name
    subprocess.run([*make_model.split(), "--layout", "hf", "--seed", "11",
                    *options.split(), model_folder], check=True)
    model = load(model_folder)
    if "bf16" in options:
        round_factors(model)
    tokens = [2 + 37 * i % 500 for i in range(PROMPT)]
    ours, generated = run_ours(flow_run, model_folder, tokens, GENERATED)
    everything = tokens + generated
    whole, cached = run_whole(model, everything), run_cached(model, everything)
    tokens[3] += 1
    changed, _ = run_ours(flow_run, model_folder, tokens, 0)

    saved_folder = folder / f"{name}-saved"
    model.to(getattr(torch, TYPES[options.split()[-1]])).save_pretrained(saved_folder)
    saved, _ = run_ours(flow_run, saved_folder, everything, 0)

    scale = numpy.abs(whole).max()
    errors = [numpy.abs(ours - theirs).max() / scale for theirs in (whole, cached)]
    control = numpy.abs(changed - whole[:PROMPT]).max() / scale
    good = (max(errors) <= BOUND < control and len(generated) == GENERATED
            and numpy.isfinite(whole).all() and numpy.array_equal(saved, ours))
    print(f"{name}: {len(everything)} positions, error {errors[0]:.2g}, with a "
          f"cache {errors[1]:.2g}, control {control:.2g} of {scale:.3g}, saved "
          f"{'the same' if numpy.array_equal(saved, ours) else 'otherwise'}"
          f"{'' if good else ': FAILED'}", flush=True)
    return good


def main(flow_run, make_model, folder):
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    failed = sum(not compare(flow_run, make_model, folder, *kind) for kind in KINDS)
    print(f"{len(KINDS)} kinds, {failed} differ from transformers "
          f"{transformers.__version__}")
    return int(failed != 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
