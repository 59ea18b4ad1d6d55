#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Compares our tokenizer with llama.cpp, id for id, on random strings.

    compare_tokenizer.py --model MODEL.gguf
        with llama.cpp itself, in a Python that has llama-cpp-python: that of
        build/venv-bench, which `./dev bench` makes
    compare_tokenizer.py --model MODEL.gguf --record CASES.jsonl --count 8
        writes what llama.cpp gives, for a test to compare with
    compare_tokenizer.py --model MODEL.gguf --golden CASES.jsonl
        with such a file: llama.cpp is not needed

After `--` may follow the command of another tokenizer than our own
build/test/tools/flow-test-tokenize. It reads strings from its standard input,
each ended by a NUL byte, and prints the ids of each on a line of its own,
separated by spaces or commas. It is run once for each of four modes; in its
arguments `{add_special}` and `{parse_special}` become 0 or 1: whether the
vocabulary's BOS is added, and whether the spelling of a control token is that
token.

The strings go to the C function llama_tokenize as bytes, broken UTF-8 included.
A string cannot hold a NUL byte. A line of a file of cases is a JSON object: a
string, in which a byte that is no UTF-8 is a lone surrogate (Python's
surrogateescape), and its ids in each mode.
Exit status: 0 no difference, 1 some, 2 the comparison could not be made.
"""

import argparse
import ctypes
import json
import pathlib
import random
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / "build/test/tools/flow-test-tokenize"
# add_special and parse_special
MODES = [(False, False), (False, True), (True, False), (True, True)]

# Characters beyond the last one and spaces spelt too long end llama.cpp where it
# merges by rank.
FATAL = re.compile(rb"(?:\xF4[\x90-\xBF]|[\xF5-\xF7][\x80-\xBF])[\x80-\xBF]{2}"
                   rb"|\xC0\xA0|\xE0\x80\xA0|\xF0\x80\x80\xA0")

EXAMPLES = ["", " ", "  two  spaces ", "Hello, world!", "Grüße aus Köln", "日本語のテキスト",
            "👩‍👩‍👧‍👦", "def f(x):\n\treturn x ** 2\n", "3.14159", "\u2581under",
            "<start_of_turn>user\nHi<end_of_turn>\n", "<bos><bos>", "</s><s>", "<0x41>",
            "<unused7>[multimodal]<h1>", "<end_of_<end_of_turn>"]
GEMMA4_EXAMPLES = ["<|turn>user\nHi<turn|>\n", "<eos><|tool_response>", "<|channel>thought<channel|>",
                   "a\n\n\n\nb\n", "\n" * 7, " \n  \n", "<|tool_<|tool_call>", "<|\"|>x<|\"|>"]
BROKEN_EXAMPLES = [b"\xff\xfe", b"\xe2\x96", b"a\xe2b"]


class Oracle:
    """llama.cpp's tokenizer of a model file, its weights not loaded."""

    def __init__(self, path):
        import llama_cpp

        self.api = llama_cpp
        # The callback must live as long as the library may call it.
        self.silence = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.silence, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        params = llama_cpp.llama_model_default_params()
        params.vocab_only = True
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), params)
        if not self.model:
            raise RuntimeError(f"llama.cpp cannot load {path}")
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)

    def encode(self, text, add_special, parse_special):
        room = len(text) + 8
        while True:
            ids = (ctypes.c_int32 * room)()
            count = self.api.llama_tokenize(
                self.vocab, text, len(text), ids, room, add_special, parse_special
            )
            if count >= 0:
                return list(ids[:count])
            # Too little room: the result is minus what it needs. A space after
            # a broken byte, for one, is three tokens.
            if -count <= room:
                raise RuntimeError(f"llama_tokenize returned {count} for {text!r}")
            room = -count

    def pieces(self):
        """All pieces, and those that are not plain text."""
        everything, special = [], []
        plain = self.api.LLAMA_TOKEN_ATTR_NORMAL | self.api.LLAMA_TOKEN_ATTR_BYTE
        for token in range(self.api.llama_vocab_n_tokens(self.vocab)):
            piece = self.api.llama_vocab_get_text(self.vocab, token)
            everything.append(piece)
            if not self.api.llama_vocab_get_attr(self.vocab, token) & plain:
                special.append(piece)
        return everything, special


class Strings:
    """Random strings of many kinds, the same for the same seed."""

    EMOJI = ["😀", "👩‍👩‍👧‍👦", "🇩🇪", "👍🏽", "❤️", "🏴‍☠️", "𝔘", "\u2581", "\ufeff", "\ufffd"]
    RANGES = [(0x20, 0x7E), (0xA0, 0x24F), (0x370, 0x3FF), (0x400, 0x4FF),
              (0x590, 0x6FF), (0x900, 0x97F), (0x3040, 0x30FF), (0x4E00, 0x9FFF),
              (0xAC00, 0xD7A3), (0x1F300, 0x1F6FF), (0x20000, 0x2A6DF)]
    WORDS = ("the of and to in Gemma tokenizer 1234567890 3.14159 don't I'm "
             "naïve Straße façade http://example.org/a?b=c&d=%20 foo_bar() "
             "if(x==1){return;} <div class=\"a\"> </div> </s> <s> <0x41> <0xE2> "
             "[PAD] \t\t \r\n").split(" ")

    def __init__(self, seed, pieces, special):
        self.random = random.Random(seed)
        self.pieces = pieces
        # The holes of a vocabulary would otherwise crowd out its few markers.
        self.special = [p for p in special if b"unused" not in p]
        self.holes = [p for p in special if b"unused" in p] or self.special
        self.kinds = [self.anything, self.characters, self.words, self.emoji,
                      self.white_space, self.marker, self.hole, self.piece,
                      self.broken, self.near_marker]

    def anything(self):
        count = self.random.randint(1, 12)
        return bytes(self.random.randint(1, 255) for _ in range(count))

    def characters(self):
        low, high = self.random.choice(self.RANGES)
        count = self.random.randint(1, 12)
        return "".join(chr(self.random.randint(low, high)) for _ in range(count)).encode()

    def words(self):
        count = self.random.randint(1, 8)
        return " ".join(self.random.choice(self.WORDS) for _ in range(count)).encode()

    def emoji(self):
        return self.random.choice(self.EMOJI).encode()

    def white_space(self):
        return self.random.choice([b" ", b"\n", b"\t", b"\r\n", b" \n"]) * self.random.randint(1, 40)

    def marker(self):
        return self.random.choice(self.special)

    def hole(self):
        return self.random.choice(self.holes)

    def piece(self):
        return b"".join(self.random.choice(self.pieces) for _ in range(self.random.randint(1, 5)))

    def broken(self):
        """UTF-8 with a byte lost, added or changed."""
        text = bytearray(self.characters() + self.emoji())
        at = self.random.randrange(len(text))
        if self.random.random() < 0.4:
            del text[at]
        elif self.random.random() < 0.5:
            text.insert(at, self.random.randint(0x80, 0xFF))
        else:
            text[at] = self.random.randint(1, 255)
        return bytes(text)

    def near_marker(self):
        """A marker cut short, or two that overlap."""
        one, two = self.marker(), self.marker()
        return one[: self.random.randint(0, len(one))] + two[self.random.randint(0, len(two)) :]

    def one(self):
        if self.random.random() < 0.01:
            return b""
        parts = [self.random.choice(self.kinds)() for _ in range(self.random.randint(1, 8))]
        glue = self.random.choice([b"", b"", b" ", b"\n"])
        return FATAL.sub(b"?", glue.join(parts).replace(b"\0", b""))


def run_command(command, strings, add_special, parse_special):
    arguments = [
        a.replace("{add_special}", str(int(add_special)))
        .replace("{parse_special}", str(int(parse_special)))
        for a in command
    ]
    data = b"".join(s + b"\0" for s in strings)
    done = subprocess.run(arguments, input=data, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the command ended with status {done.returncode}")
    lines = done.stdout.decode().split("\n")[:-1]
    if len(lines) != len(strings):
        raise RuntimeError(f"expected {len(strings)} lines from the command, found {len(lines)}")
    return [[int(i) for i in line.replace(",", " ").split()] for line in lines]


def ask_llama(options):
    """(string, mode -> ids) of examples, random strings and, unless they are
    recorded, all special pieces."""
    oracle = Oracle(options.model)
    pieces, special = oracle.pieces()
    source = Strings(options.seed, pieces, special)
    examples = EXAMPLES + (GEMMA4_EXAMPLES if b"<|turn>" in special else [])
    strings = [text.encode() for text in examples] + BROKEN_EXAMPLES
    strings += [source.one() for _ in range(options.count)]
    if not options.record:
        strings += special
    return [(text, {mode: oracle.encode(text, *mode) for mode in MODES}) for text in strings]


def write_cases(path, cases):
    with open(path, "w", encoding="ascii") as file:
        for text, ids in cases:
            record = {"text": text.decode(errors="surrogateescape"),
                      "ids": [ids[mode] for mode in MODES]}
            print(json.dumps(record), file=file)


def read_cases(path):
    with open(path, encoding="ascii") as file:
        records = [json.loads(line) for line in file]
    return [(record["text"].encode(errors="surrogateescape"), dict(zip(MODES, record["ids"])))
            for record in records]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a GGUF file")
    parser.add_argument("--count", type=int, default=5000, help="strings in each mode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--record", metavar="FILE", help="write the cases, compare nothing")
    parser.add_argument("--golden", metavar="FILE", help="compare with recorded cases")
    parser.add_argument("command", nargs="*")
    options = parser.parse_args()
    command = options.command or [str(TOKENIZER), options.model, "{add_special}", "{parse_special}"]

    if options.golden:
        cases = read_cases(options.golden)
    else:
        cases = ask_llama(options)
    if options.record:
        write_cases(options.record, cases)
        return 0
    differences = 0
    for mode in MODES:
        found = run_command(command, [text for text, _ in cases], *mode)
        here = 0
        for (text, expected), ids in zip(cases, found):
            if ids == expected[mode]:
                continue
            here += 1
            if here <= 5:
                print(f"differs: {text!r}\n  expected {expected[mode]}\n  found    {ids}")
        print(f"add_special={int(mode[0])} parse_special={int(mode[1])}: "
              f"{len(cases)} strings, {here} differences")
        differences += here
    print(f"{differences} differences")
    return 1 if differences else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
