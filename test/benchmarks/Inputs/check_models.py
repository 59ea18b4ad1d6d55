#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a synthetic model of a small shape and compares it with its plan.

  check_models.py BENCHMARKS MODEL FOLDER

MODEL is a file whose tokenizer is taken. Exit: 0 if all is as it should be, else
the assertion says what is not.
"""

import pathlib
import sys

import gguf
import numpy

benchmarks, template, folder = sys.argv[1:]
sys.path.insert(0, benchmarks)

import make_models

make_models.SHAPES = {"small": {"hidden": 256, "layers": 2, "ffn": 512}}
make_models.VOCABULARY = 512


def make(*options):
    sys.argv = ["make_models.py", "--tokenizer", template, folder,
                "--shapes", "small", *options]
    return make_models.main()


assert make("--types", "bf16") == 0
path = pathlib.Path(folder, "synthetic-small-bf16.gguf")
reader, source = gguf.GGUFReader(path), gguf.GGUFReader(template)
for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.scores",
            "tokenizer.ggml.token_type", "tokenizer.ggml.bos_token_id"):
    assert reader.fields[key].contents() == source.fields[key].contents(), key
assert reader.fields["gemma3.embedding_length"].contents() == 256
tensors = {tensor.name: tensor for tensor in reader.tensors}
assert len(tensors) == 2 + 2 * 13, sorted(tensors)
for name, deviation in (("token_embd", 2 / 256), ("blk.1.ffn_down", 512**-0.5)):
    tensor = tensors[f"{name}.weight"]
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    # Of 2^17 values the deviation is known to 0.2 %; the bound is ten times that.
    assert abs(values.std() / deviation - 1) < 0.02, values.std()
    assert tensor.tensor_type == gguf.GGMLQuantizationType.BF16
norm = tensors["output_norm.weight"].data
assert norm.dtype == numpy.float32 and abs(norm.mean() / 24 - 1) < 0.05

# What is there stays, and the same seed makes the same bytes.
before = path.read_bytes()
path.write_bytes(b"mine")
assert make("--types", "bf16") == 0 and path.read_bytes() == b"mine"
path.unlink()
assert make("--types", "bf16") == 0 and path.read_bytes() == before

# A quantiser that fails leaves nothing, not even the file it would have read.
path.unlink()


def fail(source, target, kind, threads):
    pathlib.Path(target).write_bytes(b"half")
    raise make_models.Failed("no quantiser")


make_models.quantise = fail
assert make("--types", "q8_0") == 1
assert list(pathlib.Path(folder).iterdir()) == []
