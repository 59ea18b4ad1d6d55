# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds the innermost loops of x86 assembly and counts what they are made of.

Reads AT&T syntax as LLVM prints it. A loop is the natural loop of a back edge;
an innermost one has no other loop's header in it.
"""

import collections
import re

FUNCTION = re.compile(r"^(\S+):\s*(#.*)?$")
LABEL = re.compile(r"^(\.L\w+):")
INSTRUCTION = re.compile(r"^\t([a-z]\w*)(?:\s+([^#]*?))?\s*(?:#.*)?$")
MEMORY = re.compile(r"(?P<segment>%[cdefgs]s:)?(?P<displacement>[^,()%$\s]*)"
                    r"\((?P<base>%\w+)?(?:,\s*(?P<index>%\w+)"
                    r"(?:,\s*(?P<scale>\d))?)?\)")
WIDTHS = {"x": 16, "y": 32, "z": 64}
# Those that read a part of the vector that they write.
PARTS = {"vcvtph2ps": 2, "vcvtph2psx": 2, "vpmovsxbw": 2, "vpmovzxbw": 2, "vpmovsxbd": 4,
         "vpmovzxbd": 4, "vpmovsxwd": 2, "vpmovzxwd": 2}
# Written without a destination in memory, whatever stands last.
NO_STORE = re.compile(r"^(cmp|test|vcomis|vucomis|prefetch|lea|vptest|bt[lqw]?$)")


class Instruction:
    """One instruction: mnemonic, operands as written, and its classes."""

    def __init__(self, text, mnemonic, operands):
        self.text, self.mnemonic = text, mnemonic
        self.operands = split_operands(operands or "")
        memory = [(i, MEMORY.search(o)) for i, o in enumerate(self.operands)]
        memory = [(i, m) for i, m in memory if m and not mnemonic.startswith("lea")]
        self.place, self.memory = memory[0] if memory else (None, None)

    @property
    def width(self):
        """Bytes of the widest vector register that is named; 0 without one."""
        return max((WIDTHS[w] for w in re.findall(r"%([xyz])mm\d", self.text)),
                   default=0)

    @property
    def is_jump(self):
        return self.mnemonic.startswith("j")

    @property
    def target(self):
        """The label that a jump names, or None."""
        name = self.operands[0] if self.operands else ""
        return name if self.is_jump and name.startswith(".L") else None

    def classes(self):
        """What kinds it counts as, besides its mnemonic; see `KINDS`."""
        kinds = []
        if self.mnemonic.startswith("call"):
            kinds.append("call")
        if self.memory:
            kinds += self.memory_classes()
        elif self.mnemonic.startswith(("vpbroadcast", "vbroadcast")):
            kinds.append("register-broadcast")
        return kinds

    def memory_classes(self):
        base, index = self.memory["base"], self.memory["index"]
        if "gather" in self.mnemonic or "scatter" in self.mnemonic:
            return ["gather"]
        if self.mnemonic.startswith("prefetch"):
            return ["prefetch"]
        if base == "%rip":
            return ["constant"]
        if base in ("%rsp", "%rbp") and index is None:
            return ["stack"]
        is_last = self.place == len(self.operands) - 1
        if is_last and len(self.operands) > 1 and not NO_STORE.match(self.mnemonic):
            return ["store"]
        if "broadcast" in self.mnemonic or "{1to" in self.text:
            return ["broadcast"]
        if self.width == 0 or self.mnemonic in SCALAR:
            return ["scalar"]
        return ["load"]


# Instructions on vector registers that read a single number.
SCALAR = {"vmovd", "vmovq", "vmovss", "vmovsd"} | {
    f"v{op}{kind}" for op in ("add", "sub", "mul", "div", "max", "min", "sqrt")
    for kind in ("ss", "sd")} | {"vcvtsi2ss", "vcvtsi2sd"}

KINDS = {
    "load": "reads a vector",
    "broadcast": "reads one number into all lanes",
    "scalar": "reads one number",
    "store": "writes memory",
    "prefetch": "asks for a line of memory that is read later",
    "stack": "reads or writes a fixed place of the stack: a spill",
    "constant": "reads a constant beside the code",
    "register-broadcast": "copies one number of a register into all lanes",
    "gather": "reads or writes lanes at addresses of their own",
    "call": "calls a function",
    "instructions": "any",
}


def split_operands(text):
    """Operands at the commas that are in no parentheses."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    parts.append(text[start:].strip())
    return [part for part in parts if part]


class Loop:
    """The instructions of an innermost loop, in the order of the code."""

    def __init__(self, function, label, instructions):
        self.function, self.label = function, label
        self.instructions = instructions

    def count(self, name):
        """How many are of a kind of `KINDS` or have the mnemonic `name`, which
        `.zmm`, `.ymm` and `.xmm` restrict to that width."""
        if name == "instructions":
            return len(self.instructions)
        if name in KINDS:
            return sum(name in i.classes() for i in self.instructions)
        mnemonic, _, register = name.partition(".")
        width = WIDTHS[register[0]] if register else None
        return sum(i.mnemonic == mnemonic and width in (None, i.width)
                   for i in self.instructions)

    def is_sequential(self):
        """Whether the loads of vectors are unbroken runs: those with the same
        registers in their address, and there are vectors beside each other,
        leave no gap; an address of one vector is a run."""
        runs = collections.defaultdict(set)
        for i in self.instructions:
            if "load" in i.classes():
                m = i.memory
                runs[m["base"], m["index"], m["scale"]].add(
                    (int(m["displacement"] or "0", 0),
                     i.width // PARTS.get(i.mnemonic, 1)))
        for run in runs.values():
            places = sorted(run)
            for (first, width), (second, _) in zip(places, places[1:]):
                if second != first + width:
                    return False
        return True


def read_functions(text):
    """Name -> lines, of each function of the text."""
    functions, name, lines = {}, None, []
    declared = set(re.findall(r"\.type\s+(\S+),@function", text))
    for line in text.splitlines():
        match = FUNCTION.match(line)
        if match and match[1] in declared:
            name, lines = match[1], []
            functions[name] = lines
        elif line.startswith(".Lfunc_end"):
            name = None
        elif name is not None:
            lines.append(line)
    return functions


def read_blocks(lines):
    """Basic blocks as (label or None, instructions), in the order of the code."""
    blocks = [(None, [])]
    for line in lines:
        label = LABEL.match(line)
        if label:
            blocks.append((label[1], []))
            continue
        match = INSTRUCTION.match(line)
        if not match:
            continue
        instruction = Instruction(line.strip(), match[1], match[2])
        blocks[-1][1].append(instruction)
        if instruction.is_jump or instruction.mnemonic.startswith("ret"):
            blocks.append((None, []))
    return [block for block in blocks if block[0] or block[1]]


def successors_of(blocks):
    """For each block the numbers of those that may follow it."""
    place = {label: at for at, (label, _) in enumerate(blocks) if label}
    result = []
    for at, (_, instructions) in enumerate(blocks):
        last = instructions[-1] if instructions else None
        follow = []
        if last is not None and last.target in place:
            follow.append(place[last.target])
        ends = last is not None and (last.mnemonic == "jmp" or
                                     last.mnemonic.startswith("ret"))
        if not ends and at + 1 < len(blocks):
            follow.append(at + 1)
        result.append(follow)
    return result


def dominators_of(successors):
    """For each block the set of those on every way to it; None if there is no
    way."""
    predecessors = [[] for _ in successors]
    for at, follow in enumerate(successors):
        for next_block in follow:
            predecessors[next_block].append(at)
    dominators = [None] * len(successors)
    dominators[0] = {0}
    changed = True
    while changed:
        changed = False
        for at in range(1, len(successors)):
            known = [dominators[p] for p in predecessors[at]
                     if dominators[p] is not None]
            if not known:
                continue
            new = set.intersection(*known) | {at}
            if new != dominators[at]:
                dominators[at], changed = new, True
    return dominators, predecessors


def innermost_loops(function, lines):
    """The innermost loops of a function."""
    blocks = read_blocks(lines)
    if not blocks:
        return []
    successors = successors_of(blocks)
    dominators, predecessors = dominators_of(successors)
    bodies = collections.defaultdict(set)
    for tail, follow in enumerate(successors):
        for header in follow:
            if dominators[tail] is None or header not in dominators[tail]:
                continue
            body, pending = {header}, [tail]
            while pending:
                at = pending.pop()
                if at not in body:
                    body.add(at)
                    pending += predecessors[at]
            bodies[header] |= body
    loops = []
    for header, body in sorted(bodies.items()):
        if any(other in body for other in bodies if other != header):
            continue
        instructions = [i for at in sorted(body) for i in blocks[at][1]]
        loops.append(Loop(function, blocks[header][0], instructions))
    return loops


def loops_of(text):
    """The innermost loops of all functions of the text."""
    return [loop for name, lines in read_functions(text).items()
            for loop in innermost_loops(name, lines)]
