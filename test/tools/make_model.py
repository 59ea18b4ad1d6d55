#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a small Gemma of any generation with random weights: a GGUF file, or a
Hugging Face folder with the same weights.

The same options and seed make the same bytes. Weights have the magnitudes of
a trained model: each stage keeps the scale of its input, and logits are of the
order of 1 to 10.
"""

import argparse
import os
import shutil
import sys

import gguf
import numpy as np

import random_blocks
from hf_layout import HfWriter
from tiny_vocabulary import Gemma4Vocabulary, Vocabulary

# Types that gguf's own quantisers write, and plain ones.
QUANTISED = ["bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1"]
TYPES = ["f32", "f16"] + QUANTISED + list(random_blocks.MAKERS) + ["mixed"]
# Types whose rows are multiples of 256.
WIDE = [name for name, (elements, _) in random_blocks.MAKERS.items()
        if elements == 256]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("output", metavar="OUT")
    parser.add_argument("--layout", choices=["gguf", "hf"], default="gguf")
    parser.add_argument("--shards", type=int, default=1,
                        help="weight files of a Hugging Face folder")
    parser.add_argument("--family", choices=["gemma", "gemma2", "gemma3", "gemma4"],
                        default="gemma3")
    parser.add_argument("--layers", type=int, default=7)
    parser.add_argument("--hidden", type=int)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--kv-heads", type=int, default=2)
    parser.add_argument("--head-dim", type=int)
    parser.add_argument("--dead-heads", type=int, default=0, help="first heads "
                        "of each layer whose weights are zero, with the "
                        "key/value heads that they alone read")
    parser.add_argument("--full-kv-heads", type=int, help="of the full layers "
                        "of a gemma4, whose values are their keys; 0: as the "
                        "others, with values of their own", default=1)
    parser.add_argument("--shared", type=int, default=0, help="last layers of "
                        "a gemma4 that read others' keys and values, twice as "
                        "wide inside")
    parser.add_argument("--per-layer", type=int, default=0, help="width of the "
                        "embeddings of layers of a gemma4")
    parser.add_argument("--experts", type=int, default=0, help="beside the MLP "
                        "of each layer of a gemma4")
    parser.add_argument("--experts-used", type=int, default=4)
    parser.add_argument("--expert-ffn", type=int)
    parser.add_argument("--split-experts", action="store_true",
                        help="gates of experts in a tensor of their own")
    parser.add_argument("--merge", action="append", default=[],
                        help="one more merge of a gemma4's tokenizer, as wrong "
                        "as it may be")
    parser.add_argument("--sentencepiece", action="store_true",
                        help="a tokenizer.model in a Hugging Face folder")
    parser.add_argument("--suppress", type=int, action="append", default=[],
                        help="a token that is never to be generated")
    parser.add_argument("--ffn", type=int)
    parser.add_argument("--vocab", type=int, default=512)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--rope-factor", type=float, default=1.0)
    parser.add_argument("--separate-head", action="store_true",
                        help="a head that is not the embedding")
    parser.add_argument("--type", choices=TYPES, default="q8_0",
                        help="of every matrix; mixed: of several types, as "
                        "quantisers mix them")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    wide = args.type in WIDE
    if args.layout == "hf" and args.type not in ("f32", "f16", "bf16"):
        parser.error("Hugging Face folders hold f32, f16 or bf16")
    args.hidden = args.hidden or (256 if wide else 64)
    args.head_dim = args.head_dim or (64 if wide else 32)
    args.ffn = args.ffn or (512 if wide else 128)
    args.expert_ffn = args.expert_ffn or (256 if wide else 32)
    step = 256 if wide else 32
    for name in ("hidden", "ffn", "expert_ffn"):
        if getattr(args, name) % step:
            parser.error("--%s must be a multiple of %d for %s, found %d" %
                         (name.replace("_", "-"), step, args.type,
                          getattr(args, name)))
    if args.heads * args.head_dim % step:
        parser.error("heads * head-dim must be a multiple of %d for %s" %
                     (step, args.type))
    if args.heads % args.kv_heads:
        parser.error("--heads must be a multiple of --kv-heads")
    return args


def mixed_type(role, layer, cols):
    """As K-quant mixes go: more bits for values, and for some layers' last
    matrices; other types where rows do not divide by 256."""
    more = role in ("attn_v", "token_embd", "output") or (
        role == "ffn_down" and layer % 2 == 0)
    if cols % 256 == 0:
        return "q6_k" if more else "q4_k"
    if role == "attn_output":
        return "q5_1"
    return "q8_0" if more else "q5_0"


class ModelWriter:

    def __init__(self, args, path):
        self.args = args
        self.is_fourth = args.family == "gemma4"
        self.has_head_norms = args.family in ("gemma3", "gemma4")
        self.rng = np.random.default_rng(args.seed)
        self.out = (HfWriter(path, args.family, args.shards, args.type)
                    if args.layout == "hf"
                    else gguf.GGUFWriter(path, args.family))

    def values(self, name, rows, cols, sigma, layer):
        """A matrix in the type that `name` has, and the type if it is none of
        numpy's."""
        kind = self.args.type
        if kind == "mixed":
            kind = mixed_type(name.split(".")[-1], layer, cols)
        if kind in random_blocks.MAKERS:
            raw = gguf.GGMLQuantizationType[kind.upper()]
            return random_blocks.random_matrix(self.rng, kind, rows, cols,
                                               sigma), raw
        values = self.rng.normal(0, sigma, (rows, cols)).astype(np.float32)
        if kind in QUANTISED:
            raw = gguf.GGMLQuantizationType[kind.upper()]
            return gguf.quants.quantize(values, raw), raw
        return values.astype(np.float16 if kind == "f16" else np.float32), None

    def matrix(self, name, rows, cols, sigma, layer=0, zeros=0):
        """Writes one whose first `zeros` rows are zero: a block of zero bytes
        is, in every type."""
        data, raw = self.values(name, rows, cols, sigma, layer)
        data[:zeros] = 0
        self.out.add_tensor(name + ".weight", data, raw_dtype=raw)

    def slides(self, i):
        """Whether layer i of a gemma4 does; the last is full always."""
        return (i + 1) % 6 != 0 and i + 1 != self.args.layers

    def heads(self, i):
        """Head dimension and key/value heads of layer i, and whether its
        values are its keys."""
        a = self.args
        if not self.is_fourth or self.slides(i):
            return a.head_dim, a.kv_heads, False
        return 2 * a.head_dim, a.full_kv_heads or a.kv_heads, a.full_kv_heads

    def ffn(self, i):
        is_shared = i >= self.args.layers - self.args.shared
        return 2 * self.args.ffn if is_shared else self.args.ffn

    def norm(self, name, size, mean=1.0):
        # GGUF holds 1 + w.
        values = mean * (1 + self.rng.normal(0, 0.1, size))
        self.out.add_tensor(name + ".weight", values.astype(np.float32))

    def write_keys(self):
        a, out = self.args, self.out
        out.add_name("tiny %s, seed %d" % (a.family, a.seed))
        out.add_context_length(a.context)
        out.add_embedding_length(a.hidden)
        out.add_block_count(a.layers)
        out.add_feed_forward_length([self.ffn(i) for i in range(a.layers)]
                                    if a.shared else a.ffn)
        out.add_head_count(a.heads)
        if self.is_fourth:
            self.write_fourth_keys()
        else:
            out.add_head_count_kv(a.kv_heads)
            out.add_key_length(a.head_dim)
            out.add_value_length(a.head_dim)
        out.add_layer_norm_rms_eps(1e-6)
        out.add_rope_freq_base(1e6 if self.has_head_norms else 1e4)
        if a.family != "gemma":
            out.add_sliding_window(a.window)
        if a.family == "gemma2":
            # Low, so that they bend what is of the order of 1 to 10.
            out.add_attn_logit_softcapping(5.0)
            out.add_final_logit_softcapping(8.0)
        if a.rope_factor != 1:
            out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            out.add_rope_scaling_factor(a.rope_factor)

    def write_fourth_keys(self):
        a, out = self.args, self.out
        layers = range(a.layers)
        out.add_head_count_kv([self.heads(i)[1] for i in layers])
        out.add_array("gemma4.attention.sliding_window_pattern",
                      [self.slides(i) for i in layers])
        for suffix, head_dim in (("", 2 * a.head_dim), ("_swa", a.head_dim)):
            for name in ("attention.key_length", "attention.value_length",
                         "rope.dimension_count"):
                out.add_uint32("gemma4.%s%s" % (name, suffix), head_dim)
        out.add_float32("gemma4.rope.freq_base_swa", 1e4)
        out.add_uint32("gemma4.attention.shared_kv_layers", a.shared)
        out.add_uint32("gemma4.embedding_length_per_layer_input", a.per_layer)
        if a.experts:
            out.add_expert_count(a.experts)
            out.add_expert_used_count(a.experts_used)
            out.add_expert_feed_forward_length(a.expert_ffn)
        # Low, so that it bends what is of the order of 1 to 10.
        out.add_final_logit_softcapping(8.0)

    def write_tokenizer(self):
        out = self.out
        if self.args.suppress:
            out.add_array("tokenizer.ggml.suppress_tokens", self.args.suppress)
        vocabulary = (Gemma4Vocabulary if self.is_fourth else Vocabulary)(
            self.args.vocab)
        if self.args.layout == "hf":
            out.add_vocabulary(vocabulary, self.args.sentencepiece)
            return
        if self.is_fourth:
            out.add_tokenizer_model("gemma4")
            out.add_token_merges(vocabulary.merges + self.args.merge)
        else:
            out.add_tokenizer_model("llama")
            out.add_tokenizer_pre("default")
        out.add_token_list(vocabulary.pieces)
        out.add_token_scores(vocabulary.scores)
        out.add_token_types(vocabulary.types)
        out.add_bos_token_id(vocabulary.id("<bos>"))
        out.add_eos_token_id(vocabulary.id("<eos>"))
        out.add_unk_token_id(vocabulary.id("<unk>"))
        out.add_pad_token_id(vocabulary.id("<pad>"))
        # Some published files of a Gemma 4 say no, against what it has learnt.
        out.add_add_bos_token(not self.is_fourth)
        out.add_add_eos_token(False)
        out.add_add_space_prefix(False)

    def write_tensors(self):
        a = self.args
        d = a.hidden
        # The head is the same matrix as the embedding, so that a token's own
        # logit grows with the share of its embedding in the stream, to which
        # every branch adds elements of 1. Embeddings of length 2 keep it from
        # being chosen again and again; the last norm brings logits to 3.
        self.matrix("token_embd", a.vocab, d, 2 / d)
        if a.separate_head:
            self.matrix("output", a.vocab, d, 2 / d)
        self.norm("output_norm", d, mean=1.5 * np.sqrt(d))
        if self.is_fourth:
            # A quarter of the pairs of a full layer turns.
            divisors = np.full(a.head_dim, 1e30, np.float32)
            divisors[:a.head_dim // 4] = 1
            self.out.add_tensor("rope_freqs.weight", divisors)
        if a.per_layer:
            width = a.layers * a.per_layer
            self.matrix("per_layer_token_embd", a.vocab, width,
                        1 / np.sqrt(a.per_layer))
            self.matrix("per_layer_model_proj", width, d, 1 / np.sqrt(d))
            self.norm("per_layer_proj_norm", a.per_layer)
        for i in range(a.layers):
            layer = "blk.%d." % i
            head_dim, kv_heads, k_eq_v = self.heads(i)
            q, kv = a.heads * head_dim, kv_heads * head_dim
            dead_q = a.dead_heads * head_dim
            dead_kv = a.dead_heads * kv_heads // a.heads * head_dim
            self.norm(layer + "attn_norm", d)
            self.matrix(layer + "attn_q", q, d, 1 / np.sqrt(d), i, dead_q)
            self.matrix(layer + "attn_k", kv, d, 1 / np.sqrt(d), i, dead_kv)
            if not k_eq_v:
                self.matrix(layer + "attn_v", kv, d, 1 / np.sqrt(d), i,
                            dead_kv)
            if self.has_head_norms:
                # Scores of the order of 1: the fourth has no other scale.
                mean = head_dim**-0.25 if self.is_fourth else 1.0
                self.norm(layer + "attn_q_norm", head_dim, mean)
                self.norm(layer + "attn_k_norm", head_dim, mean)
            self.matrix(layer + "attn_output", d, q, 1 / np.sqrt(q), i)
            if a.family != "gemma":
                self.norm(layer + "post_attention_norm", d)
            self.norm(layer + "ffn_norm", d)
            ffn = self.ffn(i)
            self.matrix(layer + "ffn_gate", ffn, d, 1 / np.sqrt(d), i)
            self.matrix(layer + "ffn_up", ffn, d, 1 / np.sqrt(d), i)
            self.matrix(layer + "ffn_down", d, ffn, 1 / np.sqrt(ffn), i)
            if a.family != "gemma":
                self.norm(layer + "post_ffw_norm", d)
            if a.experts:
                self.write_experts(layer, i)
            if a.per_layer:
                p = a.per_layer
                self.matrix(layer + "inp_gate", p, d, 1 / np.sqrt(d), i)
                self.matrix(layer + "proj", d, p, 1 / np.sqrt(p), i)
                self.norm(layer + "post_norm", d)
            if self.is_fourth:
                self.out.add_tensor(
                    layer + "layer_output_scale.weight",
                    self.rng.uniform(0.3, 0.9, 1).astype(np.float32))

    def write_experts(self, layer, i):
        a, d = self.args, self.args.hidden
        self.norm(layer + "post_ffw_norm_1", d)
        self.norm(layer + "post_ffw_norm_2", d)
        self.norm(layer + "pre_ffw_norm_2", d)
        # Logits of the order of 1, as what is routed has elements of 1 / sqrt(d)
        # in the end. Routers are floats in every file.
        router = self.rng.normal(0, 1, (a.experts, d)).astype(np.float32)
        self.out.add_tensor(layer + "ffn_gate_inp.weight", router)
        for name, size in (("gate_inp", d), ("down_exps", a.experts)):
            self.out.add_tensor(
                layer + "ffn_%s.scale" % name,
                self.rng.uniform(0.7, 1.4, size).astype(np.float32))
        width, experts = a.expert_ffn, a.experts
        name = layer + "ffn_gate_up_exps"
        data, raw = self.values(name, experts * 2 * width, d, 1 / np.sqrt(d), i)
        data = data.reshape(experts, 2 * width, -1)
        if a.split_experts:
            for part, rows in (("gate", data[:, :width]), ("up", data[:, width:])):
                self.out.add_tensor(layer + "ffn_%s_exps.weight" % part,
                                    np.ascontiguousarray(rows), raw_dtype=raw)
        else:
            self.out.add_tensor(name + ".weight", data, raw_dtype=raw)
        name = layer + "ffn_down_exps"
        data, raw = self.values(name, experts * d, width, 1 / np.sqrt(width), i)
        self.out.add_tensor(name + ".weight", data.reshape(experts, d, -1),
                            raw_dtype=raw)

    def write(self):
        self.write_keys()
        self.write_tokenizer()
        self.write_tensors()
        self.out.write_header_to_file()
        self.out.write_kv_data_to_file()
        self.out.write_tensors_to_file()
        self.out.close()


def main():
    args = parse_arguments()
    # Written beside and renamed, so that no half file bears the name.
    partial = "%s.%d.partial" % (args.output, os.getpid())
    try:
        ModelWriter(args, partial).write()
        if os.path.isdir(args.output):
            shutil.rmtree(args.output)
        os.replace(partial, args.output)
    except (OSError, ValueError) as problem:
        sys.exit("error: %s" % problem)
    finally:
        if os.path.isdir(partial):
            shutil.rmtree(partial)
        elif os.path.exists(partial):
            os.remove(partial)


if __name__ == "__main__":
    main()
