#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Copies a right Gemma GGUF file and makes one thing in it wrong.

Needs nothing but Python. Without arguments lists the kinds of wrong.
"""

import os
import struct
import sys

# Bytes of a value by its type; strings and arrays hold their own lengths.
SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
HUGE = 1 << 60


def string(text):
    raw = text.encode()
    return struct.pack("<Q", len(raw)) + raw


class Gguf:
    """A file in parts; `bytes()` puts them together again."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0
        self.magic, self.version, tensors, keys = self.take("<4sIQQ")
        self.key_count = self.tensor_count = None
        # Name: (type, value bytes), in order; lists allow names twice.
        self.keys = [[self.text(), *self.value()] for _ in range(keys)]
        self.tensors = []
        for _ in range(tensors):
            name, (rank,) = self.text(), self.take("<I")
            ne = list(self.take("<%dQ" % rank))
            kind, offset = self.take("<IQ")
            self.tensors.append([name, ne, kind, offset])
        self.data = raw[-(-self.at // 32) * 32:]

    def take(self, layout):
        values = struct.unpack_from(layout, self.raw, self.at)
        self.at += struct.calcsize(layout)
        return values

    def text(self):
        (size,) = self.take("<Q")
        self.at += size
        return self.raw[self.at - size:self.at].decode()

    def value(self):
        (kind,) = self.take("<I")
        start = self.at
        element, count = (kind, 1) if kind != ARRAY else self.take("<IQ")
        for _ in range(count if element == STRING else 0):
            self.text()
        if element != STRING:
            self.at += SIZES[element] * count
        return kind, self.raw[start:self.at]

    def bytes(self):
        def count(given, parts):
            return len(parts) if given is None else given
        out = struct.pack("<4sIQQ", self.magic, self.version,
                          count(self.tensor_count, self.tensors),
                          count(self.key_count, self.keys))
        for name, kind, value in self.keys:
            out += string(name) + struct.pack("<I", kind) + value
        for name, ne, kind, offset in self.tensors:
            out += string(name) + struct.pack("<I%dQ" % len(ne), len(ne), *ne)
            out += struct.pack("<IQ", kind, offset)
        return out + bytes(-len(out) % 32) + self.data

    def key(self, name):
        return next(key for key in self.keys if key[0].endswith(name))

    def tensor(self, name):
        return next(t for t in self.tensors if t[0] == name)

    def set_key(self, name, kind, value):
        self.key(name)[1:] = [kind, value]

    def add_key(self, name, kind, value):
        self.keys.append([name, kind, value])


KINDS = {}


def kind(function):
    KINDS[function.__name__.replace("_", "-")] = function
    return function


# Each takes a Gguf and changes it, or returns the bytes to write.

@kind
def empty(gguf):
    return b""


@kind
def truncated(gguf):
    return gguf.bytes()[:-100]


@kind
def truncated_header(gguf):
    return gguf.bytes()[:1000]


@kind
def no_magic(gguf):
    gguf.magic = b"GGML"


@kind
def version_1(gguf):
    gguf.version = 1


@kind
def big_endian(gguf):
    gguf.version = 3 << 24


@kind
def huge_key_count(gguf):
    gguf.key_count = HUGE


@kind
def huge_tensor_count(gguf):
    gguf.tensor_count = HUGE


@kind
def huge_string(gguf):
    gguf.add_key("general.note", STRING, struct.pack("<Q", HUGE))


@kind
def huge_array(gguf):
    gguf.add_key("general.note", ARRAY, struct.pack("<IQ", U64, HUGE))


@kind
def bad_value_type(gguf):
    gguf.add_key("general.note", 13, b"")


@kind
def nested_array(gguf):
    gguf.add_key("general.note", ARRAY,
                 struct.pack("<IQIQ", ARRAY, 1, BOOL, 0))


@kind
def bad_bool(gguf):
    gguf.set_key("add_bos_token", BOOL, b"\x02")


@kind
def duplicate_key(gguf):
    gguf.keys.append(gguf.keys[1])


@kind
def key_type(gguf):
    gguf.set_key("block_count", STRING, string("7"))


@kind
def bad_alignment(gguf):
    gguf.add_key("general.alignment", U32, struct.pack("<I", 3))


@kind
def duplicate_tensor(gguf):
    gguf.tensors.append(gguf.tensors[1])


@kind
def unknown_tensor_type(gguf):
    gguf.tensor("blk.0.attn_q.weight")[2] = 4


@kind
def no_dimensions(gguf):
    gguf.tensor("output_norm.weight")[1] = []


@kind
def zero_dimension(gguf):
    gguf.tensor("output_norm.weight")[1] = [0]


@kind
def dimension_overflow(gguf):
    # The product is 0 modulo 2^64.
    gguf.tensor("token_embd.weight")[1] = [1 << 32, 1 << 32]


@kind
def misaligned_offset(gguf):
    gguf.tensors[1][3] += 1


@kind
def overlapping(gguf):
    gguf.tensors[1][3] = gguf.tensors[0][3]


@kind
def beyond_end(gguf):
    gguf.tensors[1][3] = HUGE


@kind
def wrong_shape(gguf):
    gguf.tensor("blk.0.attn_q.weight")[1][1] //= 2


@kind
def missing_tensor(gguf):
    gguf.tensors.remove(gguf.tensor("blk.0.ffn_norm.weight"))


@kind
def surplus_tensor(gguf):
    end = -(-len(gguf.data) // 32) * 32
    gguf.data += bytes(end - len(gguf.data) + 128)
    gguf.tensors.append(["blk.0.attn_q.bias", [32], 0, end])


@kind
def norm_type(gguf):
    # 32 elements of q8_0 need fewer bytes than the 32 of f32 that are there.
    gguf.tensor("output_norm.weight")[2] = 8


@kind
def foreign_architecture(gguf):
    gguf.set_key("general.architecture", STRING, string("llama"))


@kind
def foreign_tokenizer(gguf):
    gguf.set_key("tokenizer.ggml.model", STRING, string("gpt2"))


@kind
def missing_key(gguf):
    gguf.keys.remove(gguf.key("sliding_window"))


@kind
def zero_heads(gguf):
    gguf.set_key("attention.head_count", U32, struct.pack("<I", 0))


@kind
def heads_not_shared(gguf):
    gguf.set_key("attention.head_count_kv", U32, struct.pack("<I", 3))


@kind
def too_many_layers(gguf):
    gguf.set_key("block_count", U32, struct.pack("<I", 0x7fffffff))


@kind
def eps_not_finite(gguf):
    gguf.set_key("layer_norm_rms_epsilon", F32, struct.pack("<f", float("nan")))


@kind
def token_count(gguf):
    # One score fewer than there are tokens.
    key = gguf.key("tokenizer.ggml.scores")
    (count,) = struct.unpack_from("<Q", key[2], 4)
    key[2] = struct.pack("<IQ", F32, count - 1) + key[2][12:-4]


@kind
def token_type(gguf):
    key = gguf.key("tokenizer.ggml.token_type")
    key[2] = key[2][:-4] + struct.pack("<i", 77)


@kind
def duplicate_token(gguf):
    # The pieces begin with <pad> and <eos>, which are equally long.
    key = gguf.key("tokenizer.ggml.tokens")
    key[2] = key[2].replace(b"<eos>", b"<pad>", 1)


@kind
def bad_special_id(gguf):
    gguf.set_key("bos_token_id", U32, struct.pack("<I", 1 << 30))


def main():
    if len(sys.argv) == 1:
        print("\n".join(KINDS))
        return
    if len(sys.argv) != 4 or sys.argv[3] not in KINDS:
        sys.exit("usage: corrupt_gguf.py [IN.gguf OUT.gguf KIND]")
    with open(sys.argv[1], "rb") as file:
        raw = file.read()
    gguf = Gguf(raw)
    if gguf.bytes() != raw:
        sys.exit("error: %s is no file that this script can take apart" %
                 sys.argv[1])
    result = KINDS[sys.argv[3]](gguf)
    partial = "%s.%d.partial" % (sys.argv[2], os.getpid())
    with open(partial, "wb") as file:
        file.write(gguf.bytes() if result is None else result)
    os.replace(partial, sys.argv[2])


if __name__ == "__main__":
    main()
