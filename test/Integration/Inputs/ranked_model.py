#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Makes a small model with the tokenizer of Gemma 4.

    ranked_model.py [--merge MERGE] [options of make_model.py] OUT.gguf

MERGE, one that is not allowed, is added to those of the vocabulary.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

import make_model
from tiny_vocabulary import Gemma4Vocabulary

parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
parser.add_argument("--merge", action="append", default=[])
options, rest = parser.parse_known_args()


class RankedModelWriter(make_model.ModelWriter):

    def write_tokenizer(self):
        out, vocabulary = self.out, Gemma4Vocabulary(self.args.vocab)
        out.add_tokenizer_model("gemma4")
        out.add_token_list(vocabulary.pieces)
        out.add_token_scores(vocabulary.scores)
        out.add_token_types(vocabulary.types)
        out.add_token_merges(vocabulary.merges + options.merge)
        out.add_bos_token_id(vocabulary.id("<bos>"))
        out.add_eos_token_id(vocabulary.id("<turn|>"))
        out.add_pad_token_id(vocabulary.id("<pad>"))
        # As some published files say, against what the model has learnt.
        out.add_add_bos_token(False)


make_model.ModelWriter = RankedModelWriter
sys.argv[1:] = rest
make_model.main()
