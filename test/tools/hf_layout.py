# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Takes a model as a writer of GGUF files does and writes a Hugging Face folder."""

import json
import os
import struct

import gguf
import numpy as np

from tiny_vocabulary import CONTROL, NORMAL, SPACE, UNKNOWN, USER_DEFINED

LAYER_NAMES = {
    "attn_norm.weight": "input_layernorm.weight",
    "attn_q.weight": "self_attn.q_proj.weight",
    "attn_k.weight": "self_attn.k_proj.weight",
    "attn_v.weight": "self_attn.v_proj.weight",
    "attn_q_norm.weight": "self_attn.q_norm.weight",
    "attn_k_norm.weight": "self_attn.k_norm.weight",
    "attn_output.weight": "self_attn.o_proj.weight",
    "post_attention_norm.weight": "post_attention_layernorm.weight",
    "ffn_norm.weight": "pre_feedforward_layernorm.weight",
    "ffn_gate.weight": "mlp.gate_proj.weight",
    "ffn_up.weight": "mlp.up_proj.weight",
    "ffn_down.weight": "mlp.down_proj.weight",
    "post_ffw_norm.weight": "post_feedforward_layernorm.weight",
    "inp_gate.weight": "per_layer_input_gate.weight",
    "proj.weight": "per_layer_projection.weight",
    "post_norm.weight": "post_per_layer_input_norm.weight",
    "layer_output_scale.weight": "layer_scalar",
    "ffn_gate_inp.weight": "router.proj.weight",
    "ffn_gate_inp.scale": "router.scale",
    "ffn_down_exps.scale": "router.per_expert_scale",
    "ffn_gate_up_exps.weight": "experts.gate_up_proj",
    "ffn_down_exps.weight": "experts.down_proj",
    "pre_ffw_norm_2.weight": "pre_feedforward_layernorm_2.weight",
    "post_ffw_norm_1.weight": "post_feedforward_layernorm_1.weight",
    "post_ffw_norm_2.weight": "post_feedforward_layernorm_2.weight",
}
MODEL_NAMES = {"token_embd.weight": "embed_tokens.weight",
               "output_norm.weight": "norm.weight",
               "per_layer_token_embd.weight": "embed_tokens_per_layer.weight",
               "per_layer_model_proj.weight": "per_layer_model_projection.weight",
               "per_layer_proj_norm.weight": "per_layer_projection_norm.weight"}
MODEL_TYPES = {"gemma": "gemma", "gemma2": "gemma2", "gemma3": "gemma3_text",
               "gemma4": "gemma4"}


class HfWriter:
    """The methods of gguf.GGUFWriter that a model is made with."""

    def __init__(self, path, family, shards, kind):
        self.path, self.family, self.shards = path, family, shards
        self.kind = kind
        self.tensors = {}
        self.rope = {"full_attention": {"rope_type": "default"},
                     "sliding_attention": {"rope_type": "default",
                                           "rope_theta": 1e4}}
        self.text = {"hidden_activation": "gelu_pytorch_tanh",
                     "attention_bias": False,
                     "query_pre_attn_scalar": None}
        self.generation = {}
        self.vocabulary = None

    # Keys.

    def add_name(self, name):
        self.text["_name_or_path"] = name

    def add_context_length(self, length):
        self.text["max_position_embeddings"] = length

    def add_embedding_length(self, length):
        self.text["hidden_size"] = length

    def add_block_count(self, count):
        self.text["num_hidden_layers"] = count

    def add_feed_forward_length(self, length):
        # The last layers of a list are twice as wide as the first.
        self.text["use_double_wide_mlp"] = not isinstance(length, int)
        self.text["intermediate_size"] = (length if isinstance(length, int)
                                          else length[0])

    def add_head_count(self, count):
        self.text["num_attention_heads"] = count

    def add_head_count_kv(self, count):
        if isinstance(count, int):
            self.text["num_key_value_heads"] = count
        else:
            self.text["num_key_value_heads"] = count[0]
            self.text["num_global_key_value_heads"] = count[-1]

    def add_key_length(self, length):
        self.text["head_dim"] = length
        if self.family in ("gemma2", "gemma3"):
            self.text["query_pre_attn_scalar"] = length

    def add_value_length(self, length):
        pass

    def add_expert_count(self, count):
        self.text["enable_moe_block"] = True
        self.text["num_experts"] = count

    def add_expert_used_count(self, count):
        self.text["top_k_experts"] = count

    def add_expert_feed_forward_length(self, length):
        self.text["moe_intermediate_size"] = length

    def add_layer_norm_rms_eps(self, eps):
        self.text["rms_norm_eps"] = eps

    def add_rope_freq_base(self, base):
        self.text["rope_theta"] = base
        self.rope["full_attention"]["rope_theta"] = base

    def add_sliding_window(self, window):
        self.text["sliding_window"] = window

    def add_attn_logit_softcapping(self, cap):
        self.text["attn_logit_softcapping"] = cap

    def add_final_logit_softcapping(self, cap):
        self.text["final_logit_softcapping"] = cap

    def add_rope_scaling_type(self, kind):
        pass

    def add_rope_scaling_factor(self, factor):
        self.text["rope_scaling"] = {"rope_type": "linear", "factor": factor}

    def add_array(self, key, values):
        if key.endswith("sliding_window_pattern"):
            self.text["layer_types"] = [
                "sliding_attention" if slides else "full_attention"
                for slides in values]
        elif key.endswith("suppress_tokens"):
            self.generation["suppress_tokens"] = values

    def add_uint32(self, key, value):
        if key.endswith("key_length"):
            self.text["global_head_dim"] = value
        elif key.endswith("key_length_swa"):
            self.text["head_dim"] = value
        elif key.endswith("per_layer_input"):
            self.text["hidden_size_per_layer_input"] = value
        elif key.endswith("shared_kv_layers"):
            self.text["num_kv_shared_layers"] = value

    def add_float32(self, key, value):
        pass

    def add_vocabulary(self, vocabulary, as_pieces):
        self.vocabulary, self.as_pieces = vocabulary, as_pieces
        for name in ("bos", "eos", "pad"):
            self.text[name + "_token_id"] = vocabulary.id("<%s>" % name)

    # Tensors.

    def add_tensor(self, name, data, raw_dtype=None):
        if name == "rope_freqs.weight":
            self.rope["full_attention"].update(
                rope_type="proportional",
                partial_rotary_factor=float(np.mean(data == 1)))
            return
        if name.endswith("norm.weight") and self.family != "gemma4":
            data = data - np.float32(1)
        # Checkpoints have one type for all that they hold, norms included.
        if self.kind == "f16":
            data = data.astype(np.float16)
        if raw_dtype is None and self.kind == "bf16":
            raw_dtype = gguf.GGMLQuantizationType.BF16
            data = gguf.quants.quantize(data.astype(np.float32), raw_dtype)
        if raw_dtype == gguf.GGMLQuantizationType.BF16:
            shape, dtype = [*data.shape[:-1], data.shape[-1] // 2], "BF16"
        else:
            shape = list(data.shape)
            dtype = {np.float32: "F32", np.float16: "F16"}[data.dtype.type]
        if name == "token_embd.weight":
            self.text["vocab_size"] = shape[0]
            if self.family == "gemma4":
                self.text["vocab_size_per_layer_input"] = shape[0]
        self.tensors[self.name_of(name)] = (dtype, shape, data.tobytes())

    def name_of(self, name):
        prefix = "model.language_model." if self.family == "gemma4" else "model."
        if name == "output.weight":
            return "lm_head.weight"
        if not name.startswith("blk."):
            return prefix + MODEL_NAMES[name]
        _, number, rest = name.split(".", 2)
        if self.family == "gemma" and rest == "ffn_norm.weight":
            rest = "post_attention_norm.weight"
        return "%slayers.%s.%s" % (prefix, number, LAYER_NAMES[rest])

    # Files.

    def write_header_to_file(self):
        os.mkdir(self.path)

    def write_kv_data_to_file(self):
        text = self.text
        text["tie_word_embeddings"] = "lm_head.weight" not in self.tensors
        if self.family == "gemma4":
            text["rope_parameters"] = self.rope
            text["attention_k_eq_v"] = any(
                name.replace("k_proj", "v_proj") not in self.tensors
                for name in self.tensors)
            text["model_type"] = "gemma4_text"
            del text["rope_theta"]
            text = {"text_config": text}
        text["model_type"] = MODEL_TYPES[self.family]
        self.write_json("config.json", text)
        if self.generation:
            self.write_json("generation_config.json", self.generation)
        if not self.as_pieces:
            self.write_json("tokenizer.json", tokenizer_of(self.vocabulary))
            return
        with open(os.path.join(self.path, "tokenizer.model"), "wb") as file:
            file.write(sentencepiece_of(self.vocabulary))

    def write_tensors_to_file(self):
        if self.shards == 1:
            self.write_safetensors("model.safetensors", self.tensors)
            return
        names = sorted(self.tensors)
        files = ["model-%05d-of-%05d.safetensors" % (i + 1, self.shards)
                 for i in range(self.shards)]
        for i, file in enumerate(files):
            self.write_safetensors(file, names[i::self.shards])
        self.write_json("model.safetensors.index.json", {
            "metadata": {"total_size": 0},
            "weight_map": {name: files[i % self.shards]
                           for i, name in enumerate(names)}})

    def write_json(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)

    def write_safetensors(self, file, names):
        header, offset = {"__metadata__": {"format": "pt"}}, 0
        for name in names:
            dtype, shape, data = self.tensors[name]
            header[name] = {"dtype": dtype, "shape": shape,
                            "data_offsets": [offset, offset + len(data)]}
            offset += len(data)
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(self.path, file), "wb") as out:
            out.write(struct.pack("<Q", len(text)) + text)
            for name in names:
                out.write(self.tensors[name][2])

    def close(self):
        pass


def varint(value):
    result = bytearray()
    while value >= 128:
        result.append(value & 127 | 128)
        value >>= 7
    return bytes(result) + bytes([value])


def field(number, value):
    """A field of a message of Protocol Buffers."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece_of(vocabulary):
    """As SentencePiece writes it: markers that are text have its spaces, and
    turns are such markers."""
    result = b""
    for piece, score, kind in zip(vocabulary.pieces, vocabulary.scores,
                                  vocabulary.types):
        if piece.endswith("_of_turn>") or piece.startswith("<unused"):
            kind = USER_DEFINED
        if kind == USER_DEFINED:
            piece = piece.replace(" ", SPACE)
        result += field(1, field(1, piece) + field(2, float(score)) +
                        (b"" if kind == NORMAL else field(3, kind)))
    ids = [vocabulary.id(name) for name in ("<unk>", "<bos>", "<eos>", "<pad>")]
    trainer = field(3, 2) + field(35, 1) + b"".join(
        field(40 + i, number) for i, number in enumerate(ids))
    normalizer = field(1, "identity") + field(3, 0) + field(4, 0) + field(5, 1)
    return result + field(2, trainer) + field(3, normalizer)


def tokenizer_of(vocabulary):
    """As converters from SentencePiece write it: all merges of a piece, whose
    order is that of its score."""
    ids = {piece: i for i, piece in enumerate(vocabulary.pieces)}
    merges = []
    for merge in vocabulary.merges:
        # Those of a Gemma 4 are written out already.
        if isinstance(merge, str):
            merges.append(merge.split(" "))
            continue
        piece = "".join(merge)
        merges += [[piece[:i], piece[i:]] for i in range(1, len(piece))
                   if piece[:i] in ids and piece[i:] in ids]
    # Markers that are text are written like pieces, spaces and all.
    stored = [piece.replace(" ", SPACE) if kind == USER_DEFINED else piece
              for piece, kind in zip(vocabulary.pieces, vocabulary.types)]
    added = [{"id": i, "content": piece, "single_word": False, "lstrip": False,
              "rstrip": False, "normalized": False,
              "special": kind in (CONTROL, UNKNOWN)}
             for i, (piece, kind) in enumerate(zip(stored, vocabulary.types))
             if kind in (CONTROL, UNKNOWN, USER_DEFINED)]
    return {
        "version": "1.0", "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "},
                       "content": SPACE},
        "pre_tokenizer": {"type": "Split", "pattern": {"String": " "},
                          "behavior": "MergedWithPrevious", "invert": False},
        "model": {"type": "BPE", "byte_fallback": True, "fuse_unk": True,
                  "unk_token": "<unk>", "vocab": {p: i for i, p in enumerate(stored)},
                  "merges": merges}}
