# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""A vocabulary of a few hundred pieces with all the machinery of Gemma's."""

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
SPACE = "\u2581"

CONTROLS = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>",
            "<end_of_turn>"]
RUNS = ["\n" * n for n in (1, 2, 3)] + [" " * n for n in (2, 3, 4, 8)]

GEMMA4_CONTROLS = ["<pad>", "<bos>", "<unk>", "<mask>", "<|tool>", "<tool|>",
                   "<|think|>", "<|turn>", "<turn|>"]
# Stored as text, so that an answer shows them.
GEMMA4_VISIBLE = ["<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>",
                  "<|tool_response>", "<tool_response|>", '<|"|>']
# Real files store the first of these as plain text too, although it ends a
# sequence.
GEMMA4_PLAIN = ["<eos>", "</s>"]
# There is no run of four, which merging has to make of others.
GEMMA4_RUNS = ["\n" * n for n in (1, 2, 3, 5)] + [SPACE * n for n in (2, 3, 4)]
LETTERS = [SPACE] + [chr(c) for c in range(33, 127)] + list("\u00e4\u00f6\u00fc\u00df\u00e9")

# Merges are learnt from this text, so that common words get pieces.
CORPUS = """the small model reads the words and writes the next word after the
last one. it has seen the same few lines again and again, so that the pieces of
these words are the longest that it knows. the window slides over the text and
the other layers see all of it. a model that forgets the start of the text can
still tell what comes next, because the near words say more than the far ones.
the user asks and the model answers, one token after another, until the turn is
at its end. hello world, how are you today? i am well, thank you."""


class Vocabulary:
    """Pieces by id, with their scores, types and the merges behind them."""

    def __init__(self, size):
        self.pieces, self.scores, self.types = [], [], []
        for piece in CONTROLS:
            self._add(piece, -1000.0, CONTROL)
        self.types[3] = UNKNOWN
        for piece in RUNS:
            self._add(piece, -1000.0, USER_DEFINED)
        for byte in range(256):
            self._add("<0x%02X>" % byte, -1000.0, BYTE)
        least = len(self.pieces) + len(LETTERS)
        if size < least:
            raise ValueError("the vocabulary needs at least %d pieces, found "
                             "%d" % (least, size))
        self.merges = learn_merges(size - least)
        # The earlier a merge was learnt the higher its score, and every merge
        # goes before a letter.
        for rank, (left, right) in enumerate(self.merges):
            self._add(left + right, -float(rank), NORMAL)
        for letter in LETTERS:
            self._add(letter, -float(len(self.pieces)), NORMAL)
        for number in range(size - len(self.pieces)):
            self._add("<unused%d>" % number, -1000.0, CONTROL)

    def _add(self, piece, score, kind):
        self.pieces.append(piece)
        self.scores.append(score)
        self.types.append(kind)

    def id(self, piece):
        return self.pieces.index(piece)


class Gemma4Vocabulary(Vocabulary):
    """The same for `gemma4` tokenizers, with `merges` as a file writes them:
    "left right", by rank. The scores contradict the ranks."""

    def __init__(self, size):
        self.pieces, self.scores, self.types = [], [], []
        for piece in GEMMA4_CONTROLS:
            self._add(piece, -1000.0, CONTROL)
        for piece in GEMMA4_VISIBLE:
            self._add(piece, -1000.0, USER_DEFINED)
        for piece in GEMMA4_PLAIN + GEMMA4_RUNS:
            self._add(piece, 0.0, NORMAL)
        for byte in range(256):
            self._add("<0x%02X>" % byte, -1000.0, BYTE)
        least = len(self.pieces) + len(LETTERS)
        if size < least:
            raise ValueError("the vocabulary needs at least %d pieces, found "
                             "%d" % (least, size))
        learnt = learn_merges(size - least)
        for rank, (left, right) in enumerate(learnt):
            self._add(left + right, float(rank), NORMAL)
        for letter in LETTERS:
            self._add(letter, float(len(self.pieces)), NORMAL)
        for number in range(size - len(self.pieces)):
            self._add("<unused%d>" % number, -1000.0, CONTROL)
        self.merges = all_merges(learnt, self.pieces)


def all_merges(learnt, pieces):
    """Every way to put a piece together from two, like real files: the pieces
    in the order of `learnt`, then the runs, a piece's learnt merge first."""
    known, pairs = set(pieces), []
    for left, right in learnt:
        pairs.append((left, right))
        pairs += [pair for pair in splits(left + right, known)
                  if pair != (left, right)]
    for run in ["\n\n"] + [SPACE * n for n in (2, 3, 4)]:
        pairs += splits(run, known)
    return [left + " " + right for left, right in pairs]


def splits(piece, known):
    pairs = [(piece[:at], piece[at:]) for at in range(1, len(piece))]
    return [pair for pair in pairs if known.issuperset(pair)]


def learn_merges(count):
    """Up to `count` merges: of neighbours, the most frequent first. Merges that
    make a piece twice are left out."""
    words = {}
    for word in CORPUS.split():
        symbols = (SPACE,) + tuple(word)
        words[symbols] = words.get(symbols, 0) + 1
    merges, made = [], set()
    while len(merges) < count:
        pairs = {}
        for symbols, times in words.items():
            for pair in zip(symbols, symbols[1:]):
                pairs[pair] = pairs.get(pair, 0) + times
        if not pairs:
            break
        # By text where as frequent, so that every run learns the same.
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        words = {merged(symbols, best): times
                 for symbols, times in words.items()}
        if best[0] + best[1] not in made:
            made.add(best[0] + best[1])
            merges.append(best)
    return merges


def merged(symbols, pair):
    result, i = [], 0
    while i < len(symbols):
        if tuple(symbols[i:i + 2]) == pair:
            result.append(pair[0] + pair[1])
            i += 2
        else:
            result.append(symbols[i])
            i += 1
    return tuple(result)
