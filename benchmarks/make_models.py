#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes files of the shapes and types that the benchmarks are about.

  make_models.py --tokenizer MODEL OUT_FOLDER [--shapes 270m,1b]
                 [--types bf16,q8_0,q4_0,q4_k_m]

Weights are random, sizes and everything else are those of Gemma 3: the
tokenizer and all other metadata that no size is in are copied from MODEL, a
GGUF file of any Gemma 3. Tensors are written as BF16; the other types are made
from that by llama.cpp's own quantiser, which chooses types tensor by tensor as
it does for everybody. A file is OUT_FOLDER/synthetic-SHAPE-TYPE.gguf. Files
that are there are left as they are: the same seed makes the same weights.

The memory it takes is that of the embedding as BF16, 0.6 GB of a 1B, and of the
quantiser.

Exit: 0 done, 1 failed (one line "error: ..." on stderr; no file is left in
part), 2 usage.
"""

import argparse
import os
import pathlib
import sys

import gguf
import numpy

from quantiser import Failed, QUANTISED, quantise

BF16 = gguf.GGMLQuantizationType.BF16
BLOCK_ELEMENTS = 1 << 24  # made at a time, so that f32 values stay few
VOCABULARY = 262144
# What is the same in all shapes is below, in `add_sizes`.
SHAPES = {
    "270m": {"hidden": 640, "layers": 18, "ffn": 2048},
    "1b": {"hidden": 1152, "layers": 26, "ffn": 6912},
}
HEADS, HEAD_DIM, WINDOW, CONTEXT = 4, 256, 512, 32768
TYPES = ["bf16", *QUANTISED]
# Keys of MODEL that describe its sizes or its making.
OWN_KEYS = ("gemma3.", "general.", "GGUF.", "split.", "quantize.")


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def tensors(shape):
    """Yields (name, rows, columns, what the values are like) of every tensor in
    the order of the file; vectors have no rows."""
    d, ffn = shape["hidden"], shape["ffn"]
    q, kv = HEADS * HEAD_DIM, HEAD_DIM
    # The head is the embedding again. Its rows are short, so that what a token
    # brings along does not decide for the same token once more; the last norm
    # gives the logits a deviation of 3.
    yield "token_embd", VOCABULARY, d, 2 / d
    for i in range(shape["layers"]):
        layer = f"blk.{i}."
        yield layer + "attn_norm", None, d, 1
        yield layer + "attn_q", q, d, d**-0.5
        yield layer + "attn_k", kv, d, d**-0.5
        yield layer + "attn_v", kv, d, d**-0.5
        yield layer + "attn_q_norm", None, HEAD_DIM, 1
        yield layer + "attn_k_norm", None, HEAD_DIM, 1
        yield layer + "attn_output", d, q, q**-0.5
        yield layer + "post_attention_norm", None, d, 1
        yield layer + "ffn_norm", None, d, 1
        yield layer + "ffn_gate", ffn, d, d**-0.5
        yield layer + "ffn_up", ffn, d, d**-0.5
        yield layer + "ffn_down", d, ffn, ffn**-0.5
        yield layer + "post_ffw_norm", None, d, 1
    yield "output_norm", None, d, 1.5 * d**0.5


def vector(random, columns, mean):
    values = mean * (1 + 0.1 * random.standard_normal(columns, numpy.float32))
    return values.astype(numpy.float32)


def matrix(random, rows, columns, deviation):
    """BF16 as bytes, a row for each row."""
    data = numpy.empty((rows, 2 * columns), numpy.uint8)
    step = max(1, BLOCK_ELEMENTS // columns)
    for first in range(0, rows, step):
        part = data[first:first + step]
        values = random.standard_normal((len(part), columns), numpy.float32)
        part[:] = gguf.quants.quantize(values * numpy.float32(deviation), BF16)
    return data


def add_sizes(writer, shape):
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(shape["hidden"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["ffn"])
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(HEAD_DIM)
    writer.add_value_length(HEAD_DIM)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    writer.add_sliding_window(WINDOW)


def copy_metadata(reader, writer):
    """The tokenizer and whatever else no shape decides."""
    for key, field in reader.fields.items():
        if key.startswith(OWN_KEYS):
            continue
        kind = field.types[0]
        element = field.types[1] if kind == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(key, field.contents(), kind, element)


def write_bf16(reader, shape_name, seed, path):
    """Writes the file that the others are made of."""
    shape, random = SHAPES[shape_name], numpy.random.default_rng(seed)
    writer = gguf.GGUFWriter(path, "gemma3")
    try:
        writer.add_name(f"Synthetic Gemma 3 {shape_name}, seed {seed}")
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        add_sizes(writer, shape)
        copy_metadata(reader, writer)
        planned = list(tensors(shape))
        for name, rows, columns, _ in planned:
            if rows is None:
                writer.add_tensor_info(f"{name}.weight", [columns],
                                       numpy.dtype(numpy.float32), 4 * columns)
            else:
                writer.add_tensor_info(
                    f"{name}.weight", [rows, 2 * columns], numpy.dtype(numpy.uint8),
                    2 * rows * columns, raw_dtype=BF16)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, (name, rows, columns, size) in enumerate(planned):
            progress(f"{shape_name}: {name}, {number + 1} of {len(planned)}")
            writer.write_tensor_data(
                vector(random, columns, size) if rows is None
                else matrix(random, rows, columns, size))
    finally:
        writer.close()


def make_whole(path, make):
    """Calls make(partial) and renames what it made; leaves nothing in part."""
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    try:
        make(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_tokenizer(path):
    try:
        reader = gguf.GGUFReader(path)
    except ValueError as problem:
        raise Failed(f"{path}: no GGUF file: {problem}") from problem
    tokens = reader.fields.get("tokenizer.ggml.tokens")
    found = len(tokens.data) if tokens else 0
    if found != VOCABULARY:
        raise Failed(f"{path}: expected a tokenizer of {VOCABULARY} tokens, as "
                     f"every Gemma 3 has, found {found}")
    return reader


def make_all(options):
    reader = read_tokenizer(options.tokenizer)
    options.folder.mkdir(parents=True, exist_ok=True)
    for shape in options.shapes:
        paths = {kind: options.folder / f"synthetic-{shape}-{kind}.gguf"
                 for kind in TYPES}
        missing = [kind for kind in options.types if not paths[kind].exists()]
        if not missing:
            continue
        is_kept = "bf16" in options.types or paths["bf16"].exists()
        if not paths["bf16"].exists():
            make_whole(paths["bf16"], lambda partial, shape=shape: write_bf16(
                reader, shape, options.seed, partial))
        try:
            for kind in missing:
                if kind == "bf16":
                    continue
                progress(f"{shape}: {kind}")
                make_whole(paths[kind], lambda partial, kind=kind: quantise(
                    paths["bf16"], partial, kind, options.threads))
        finally:
            if not is_kept:
                paths["bf16"].unlink()
        progress("")


def names_of(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(
                    f"expected some of {','.join(known)}, found '{name}'")
        return names
    return parse


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("folder", metavar="OUT_FOLDER", type=pathlib.Path)
    add("--tokenizer", metavar="MODEL", type=pathlib.Path, required=True)
    add("--shapes", type=names_of(SHAPES), default=list(SHAPES))
    add("--types", type=names_of(TYPES), default=TYPES)
    add("--seed", type=int, default=1)
    add("-t", "--threads", type=int, default=len(os.sched_getaffinity(0)),
        help="of the quantiser")
    try:
        make_all(parser.parse_args())
    except (Failed, OSError, MemoryError) as problem:
        progress("")
        print(f"error: {problem or 'out of memory'}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
