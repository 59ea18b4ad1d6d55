# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Finds the innermost loops of assembly and counts what they are made of.

Reads x86 in AT&T syntax and AArch64, as LLVM prints them. A loop is the natural
loop of a back edge; an innermost one has no other loop's header in it.
"""

import collections
import re

FUNCTION = re.compile(r"^(\S+):\s*((#|//).*)?$")
LABEL = re.compile(r"^(\.L\w+):")


class Instruction:
    """One instruction: mnemonic and operands as written. What a machine writes
    is for the classes derived from this."""

    def __init__(self, text, mnemonic, operands):
        self.text, self.mnemonic = text, mnemonic
        self.operands = split_operands(operands or "")

    def is_a(self, name):
        """Whether it has the mnemonic `name`, which `.zmm`, `.ymm` and `.xmm`
        restrict to that width and `.lane` to those that multiply by one number
        of a register."""
        mnemonic, _, form = name.partition(".")
        return self.mnemonic == mnemonic and (not form or self.has_form(form))

    @classmethod
    def read(cls, line):
        """The instruction of a line of code, or None."""
        match = cls.PATTERN.match(line)
        return cls(line.strip(), match[1], match[2]) if match else None


class X86Instruction(Instruction):
    """In AT&T syntax."""

    # Some have two encodings, and "{vex}" names the older one.
    PATTERN = re.compile(
        r"^\t(?:\{vex\}\s+)?([a-z]\w*)(?:\s+([^#]*?))?\s*(?:#.*)?$")
    MEMORY = re.compile(r"(?P<segment>%[cdefgs]s:)?(?P<displacement>[^,()%$\s]*)"
                        r"\((?P<base>%\w+)?(?:,\s*(?P<index>%\w+)"
                        r"(?:,\s*(?P<scale>\d))?)?\)")
    # Those that read a part of the vector that they write.
    PARTS = {"vcvtph2ps": 2, "vcvtph2psx": 2, "vpmovsxbw": 2, "vpmovzxbw": 2,
             "vpmovsxbd": 4, "vpmovzxbd": 4, "vpmovsxwd": 2, "vpmovzxwd": 2}
    # Written without a destination in memory, whatever stands last.
    NO_STORE = re.compile(
        r"^(cmp|test|vcomis|vucomis|prefetch|lea|vptest|bt[lqw]?$)")
    # Instructions on vector registers that read a single number.
    SCALAR = {"vmovd", "vmovq", "vmovss", "vmovsd"} | {
        f"v{op}{kind}" for op in ("add", "sub", "mul", "div", "max", "min", "sqrt")
        for kind in ("ss", "sd")} | {"vcvtsi2ss", "vcvtsi2sd"}

    def __init__(self, text, mnemonic, operands):
        super().__init__(text, mnemonic, operands)
        memory = [(i, self.MEMORY.search(o)) for i, o in enumerate(self.operands)]
        memory = [(i, m) for i, m in memory if m and not mnemonic.startswith("lea")]
        self.place, self.memory = memory[0] if memory else (None, None)

    @property
    def width(self):
        """Bytes of the widest vector register or tile that is named; 0 without
        one."""
        return max((WIDTHS[w] for w in re.findall(r"%([xyzt])mm\d", self.text)),
                   default=0)

    def has_form(self, form):
        """Whether it is of a width, such as zmm."""
        return self.width == WIDTHS.get(form[0])

    def of_registers(self):
        """Its text with three vector registers in place of its operands."""
        name = next(name for name, width in WIDTHS.items() if width == self.width)
        return f"{self.mnemonic} %{name}mm1, %{name}mm2, %{name}mm3"

    @property
    def is_jump(self):
        return self.mnemonic.startswith("j")

    @property
    def ends(self):
        """Whether what stands behind it does not follow it."""
        return self.mnemonic == "jmp" or self.mnemonic.startswith("ret")

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
        if is_last and len(self.operands) > 1 and not self.NO_STORE.match(self.mnemonic):
            return ["store"]
        if "broadcast" in self.mnemonic or "{1to" in self.text:
            return ["broadcast"]
        if self.width == 0 or self.mnemonic in self.SCALAR:
            return ["scalar"]
        return ["load"]

    def loaded(self):
        """Of a load: the registers of its address, and the place and width of
        each vector beside them."""
        m = self.memory
        return ((m["base"], m["index"], m["scale"]),
                [(int(m["displacement"] or "0", 0),
                  self.width // self.PARTS.get(self.mnemonic, 1))])

    def moves(self):
        """The register of its address and the number it adds to it, if it
        does."""
        return None, 0


class AArch64Instruction(Instruction):
    """As LLVM prints it for ELF."""

    PATTERN = re.compile(r"^\t([a-z][\w.]*)(?:\s+([^/]*?))?\s*(?://.*)?$")
    MEMORY = re.compile(r"^\[(?P<base>\w+)(?:, (?P<index>[xw]\d+)"
                        r"(?:, (?P<scale>\w+(?: #\d+)?))?)?"
                        r"(?:, (?P<displacement>#-?\w+|:lo12:\S+))?\](?P<pre>!?)$")
    # What the stack is addressed by; x29 is a register like any other in a
    # function that does not make it its frame.
    FRAME = re.compile(r"^\t(mov|add)\tx29, sp\b", re.M)
    frame = ("sp",)
    VECTOR = re.compile(r"\b(?:q\d+\b|v\d+\.(?:16b|8h|4s|2d)\b)")

    def __init__(self, text, mnemonic, operands):
        super().__init__(text, mnemonic, operands)
        memory = [(i, self.MEMORY.match(o)) for i, o in enumerate(self.operands)]
        memory = [(i, m) for i, m in memory if m]
        self.place, self.memory = memory[0] if memory else (None, None)

    @property
    def width(self):
        """Bytes of the widest vector register that is named; 0 without one."""
        return 16 if self.VECTOR.search(self.text) else 0

    def has_form(self, form):
        """Whether its last operand is one number of a register: lane."""
        return form == "lane" and bool(re.match(r"^v.*\]$", self.operands[-1]))

    def of_registers(self):
        """Its text: operations have no operands in memory."""
        return self.text

    @property
    def is_jump(self):
        return bool(re.match(r"^(b|b\.\w+|cbn?z|tbn?z)$", self.mnemonic))

    @property
    def ends(self):
        """Whether what stands behind it does not follow it."""
        return self.mnemonic in ("b", "br", "ret")

    @property
    def target(self):
        """The label that a jump names, or None."""
        name = self.operands[-1] if self.operands else ""
        return name if self.is_jump and name.startswith(".L") else None

    def classes(self):
        """What kinds it counts as, besides its mnemonic; see `KINDS`."""
        if self.mnemonic in ("bl", "blr"):
            return ["call"]
        if self.mnemonic == "dup":
            return ["register-broadcast"]
        if not self.memory:
            return []
        if self.mnemonic.startswith("prf"):
            return ["prefetch"]
        # A pair of registers is two.
        count = sum(1 for part in self.operands[:self.place]
                    for _ in re.findall(r"[a-z][\w.]*", part))
        return [self.memory_class()] * count

    def memory_class(self):
        base, index = self.memory["base"], self.memory["index"]
        if (self.memory["displacement"] or "").startswith(":lo12:"):
            return "constant"
        if base in self.frame and index is None:
            return "stack"
        if self.mnemonic.startswith("st"):
            return "store"
        if re.match(r"^ld[1-4]r$", self.mnemonic):
            return "broadcast"
        return "load" if self.width else "scalar"

    def loaded(self):
        """Of a load: the registers of its address, and the place and width of
        each vector beside them."""
        m = self.memory
        place = int((m["displacement"] or "#0")[1:], 0)
        return ((m["base"], m["index"], m["scale"]),
                [(place + self.width * i, self.width)
                 for i in range(len(self.classes()))])

    def moves(self):
        """The register of its address and the number it adds to it, if it
        does."""
        if self.memory and self.place + 1 < len(self.operands):
            return self.memory["base"], int(self.operands[-1].lstrip("#"), 0)
        if self.memory and self.memory["pre"]:
            return self.memory["base"], int(self.memory["displacement"][1:], 0)
        return None, 0


WIDTHS = {"x": 16, "y": 32, "z": 64, "t": 1024}

KINDS = {
    "load": "reads a vector or a tile",
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
    """Operands at the commas that are in no brackets."""
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(text):
        depth += (letter in "([{") - (letter in ")]}")
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
        """How many are of a kind of `KINDS` or are a `name`."""
        if name == "instructions":
            return len(self.instructions)
        if name in KINDS:
            return sum(i.classes().count(name) for i in self.instructions)
        return sum(i.is_a(name) for i in self.instructions)

    def is_sequential(self):
        """Whether the loads of vectors are unbroken runs: those with the same
        registers in their address, and there are vectors beside each other,
        leave no gap; an address of one vector is a run."""
        runs, moved = collections.defaultdict(set), collections.Counter()
        for i in self.instructions:
            base, by = i.moves()
            if "load" in i.classes():
                registers, places = i.loaded()
                # What is added before the access is a part of the address.
                start = moved[registers[0]]
                runs[registers].update((start + place, width)
                                       for place, width in places)
            moved[base] += by
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


def machine_of(text):
    """The class of instructions of a text, by how its functions return."""
    return X86Instruction if re.search(r"^\tretq", text, re.M) else AArch64Instruction


def read_blocks(lines, machine):
    """Basic blocks as (label or None, instructions), in the order of the code."""
    blocks = [(None, [])]
    framed = machine is AArch64Instruction and machine.FRAME.search("\n".join(lines))
    for line in lines:
        label = LABEL.match(line)
        if label:
            blocks.append((label[1], []))
            continue
        instruction = machine.read(line)
        if not instruction:
            continue
        if framed:
            instruction.frame = ("sp", "x29")
        blocks[-1][1].append(instruction)
        if instruction.is_jump or instruction.ends:
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
        if not (last is not None and last.ends) and at + 1 < len(blocks):
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


def innermost_loops(function, lines, machine):
    """The innermost loops of a function."""
    blocks = read_blocks(lines, machine)
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
    machine = machine_of(text)
    return [loop for name, lines in read_functions(text).items()
            for loop in innermost_loops(name, lines, machine)]
