#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Holds the inner loops of assembly against what a test says of them.

An expectation is one line of the test:

  PREFIX: FUNCTION per COUNT MNEMONIC: WORD WORD ...

FUNCTION is a pattern that function names are searched for, MNEMONIC an
instruction, perhaps with the width of its registers, vpdpbusd.zmm, or of those
that multiply by one number of a register: fmla.lane. All innermost loops of
those functions that have COUNT of it or more are meant, and there must be one.
They must have a multiple of COUNT, as a loop may be unrolled; what follows is
of the part of a loop that has COUNT:

  NAME=N NAME<=N NAME>=N   how many there are of an instruction or of a kind
  sequential               loads of vectors lie side by side

Kinds are those of asm_loops.py: {kinds}. Unless a line says otherwise, there
is no stack, gather or call.

  check_asm.py CODE.s TEST --prefix PREFIX | --self-test

Exit: 0 as expected, 1 not (each difference "error: ..." on stderr, and the
loop), 2 if the test cannot be read.
"""

import argparse
import pathlib
import re
import sys

import asm_loops

WORD = re.compile(r"^([\w.-]+)(<=|>=|=)(\d+)$")
NEVER = ("stack", "gather", "call")
HOLDS = {"=": lambda a, b: a == b, "<=": lambda a, b: a <= b,
         ">=": lambda a, b: a >= b}


class BadTest(Exception):
    """An expectation cannot be read."""


class Expectation:
    """One line of a test."""

    def __init__(self, line, text):
        self.line = line
        match = re.match(r"^(\S+) per (\d+) ([\w.]+):(.*)$", text)
        if not match:
            raise BadTest(f"{line}: expected 'FUNCTION per COUNT MNEMONIC: WORDS', "
                          f"found '{text}'")
        self.function, self.per, self.mnemonic = match[1], int(match[2]), match[3]
        self.sequential, self.limits = False, []
        for word in match[4].split():
            limit = WORD.match(word)
            if limit:
                self.limits.append((limit[1], limit[2], int(limit[3])))
            elif word == "sequential":
                self.sequential = True
            else:
                raise BadTest(f"{line}: unknown word '{word}'")
        named = {name for name, _, _ in self.limits}
        self.limits += [(kind, "=", 0) for kind in NEVER if kind not in named]

    def differences(self, loops):
        """(text, loop or None) for whatever is not as expected."""
        meant = [loop for loop in loops
                 if re.search(self.function, loop.function)
                 and loop.count(self.mnemonic) >= self.per]
        if not meant:
            yield (f"no inner loop of {self.function} has {self.per} "
                   f"{self.mnemonic}"), None
        for loop in meant:
            total = loop.count(self.mnemonic)
            if total % self.per:
                yield (f"expected a multiple of {self.per} {self.mnemonic}, "
                       f"found {total}"), loop
                continue
            parts = total // self.per
            for name, relation, wanted in self.limits:
                found = loop.count(name)
                if not HOLDS[relation](found, wanted * parts):
                    yield (f"expected {name}{relation}{wanted * parts} in a loop "
                           f"of {total} {self.mnemonic}, found {found}"), loop
            if self.sequential and not loop.is_sequential():
                yield "expected sequential loads", loop


def read_expectations(text, prefix):
    """The expectations of a test under `prefix`."""
    found = [Expectation(number, match[1].strip())
             for number, line in enumerate(text.splitlines(), 1)
             if (match := re.match(rf"^\W*{re.escape(prefix)}: (.*)$", line))]
    if not found:
        raise BadTest(f"no line '{prefix}: ...'")
    return found


def check(code, expectations, name, out):
    """Number of differences, which are written to `out`."""
    loops = asm_loops.loops_of(code)
    count = 0
    for expectation in expectations:
        for text, loop in expectation.differences(loops):
            count += 1
            place = f" in {loop.function} at {loop.label}" if loop else ""
            print(f"error: {name}:{expectation.line}: {text}{place}", file=out)
            for instruction in loop.instructions if loop else []:
                print(f"    {instruction.text}", file=out)
    return count


SELF_TEST_CODE = """
	.type	f,@function
f:
	pushq	%rbx
	movq	%rdi, -8(%rsp)
.LBB0_1:
	xorl	%eax, %eax
	vmovups	16(%rsi), %xmm9
.LBB0_2:
	vmovdqu64	(%rsi,%rax), %zmm2
	vpbroadcastd	(%rdx,%rax), %zmm3
	vpdpbusd	%zmm3, %zmm2, %zmm0
	vpdpbusd	64(%rsi,%rax), %zmm3, %zmm1
	addq	$64, %rax
	cmpq	%rax, 8(%rcx)
	jne	.LBB0_2
	vmovups	%zmm0, (%rdi)
	decq	%rbx
	jne	.LBB0_1
	retq
.Lfunc_end0:
"""
# A line of the loop, what stands in its place, and what an expectation that
# held before then says.
SELF_TEST_EXPECTED = ("f per 2 vpdpbusd.zmm: load=2 broadcast=1 store=0 scalar=1 "
                      "register-broadcast=0 constant=0 instructions<=7 sequential")
SELF_TEST_CHANGES = [
    ("", "", ""),
    ("\tvpbroadcastd\t(%rdx,%rax), %zmm3", "\tvpbroadcastd\t%ebx, %zmm3",
     "expected broadcast=1"),
    ("\taddq\t$64, %rax", "\tvmovups\t%zmm0, 64(%rsp)", "expected stack=0"),
    ("\taddq\t$64, %rax", "\tvmovups\t%zmm0, 64(%rsp,%rax)", "expected store=0"),
    ("\taddq\t$64, %rax", "\tcallq\texpf@PLT", "expected call=0"),
    ("\taddq\t$64, %rax", "\tvpgatherdd\t(%rsi,%zmm5), %zmm6 {%k1}",
     "expected gather=0"),
    ("\taddq\t$64, %rax", "\tvpaddd\t.LC(%rip), %zmm2, %zmm2", "expected constant=0"),
    ("\taddq\t$64, %rax", "\tnop\n\taddq\t$64, %rax", "expected instructions<=7"),
    ("64(%rsi,%rax), %zmm3", "128(%rsi,%rax), %zmm3", "expected sequential"),
    ("%zmm3, %zmm2, %zmm0", "%ymm3, %ymm2, %ymm0", "no inner loop"),
    ("\taddq\t$64, %rax", "\tvpdpbusd\t%zmm5, %zmm6, %zmm7",
     "expected a multiple of 2"),
    ("vpdpbusd", "vpdpwssd", "no inner loop"),
]

SELF_TEST_AARCH64 = """
	.type	f,@function
f:
	stp	x29, x30, [sp, #-16]!
	mov	x29, sp
	adrp	x9, .LCPI0_0
.LBB0_1:
	mov	x8, xzr
	ldr	q9, [x1, #16]
.LBB0_2:
	ldp	q2, q3, [x1], #32
	ldr	q4, [x2, x8]
	ldr	q5, [x1], #16
	ld1r	{ v6.4s }, [x3]
	ldr	s7, [x4, x8, lsl #2]
	usdot	v0.4s, v2.16b, v4.4b[0]
	usdot	v1.4s, v3.16b, v4.4b[1]
	add	x8, x8, #16
	cmp	x8, x5
	b.ne	.LBB0_2
	str	q0, [x0]
	subs	x6, x6, #1
	b.ne	.LBB0_1
	ldp	x29, x30, [sp], #16
	ret
.Lfunc_end0:
"""
SELF_TEST_AARCH64_EXPECTED = (
    "f per 2 usdot.lane: load=4 broadcast=1 scalar=1 store=0 constant=0 "
    "register-broadcast=0 instructions<=10 sequential")
SELF_TEST_AARCH64_CHANGES = [
    ("", "", ""),
    ("[x1], #32", "[x1], #64", "expected sequential"),
    ("ldr	q5, [x1], #16", "ldr	q5, [x1, #16]!", "expected sequential"),
    ("	ld1r	{ v6.4s }, [x3]", "	dup	v6.4s, w9", "expected broadcast=1"),
    ("	add	x8, x8, #16", "	dup	v6.4s, w9", "expected register-broadcast=0"),
    ("	add	x8, x8, #16", "	str	q0, [sp, #32]", "expected stack=0"),
    ("	add	x8, x8, #16", "	ldur	q9, [x29, #-32]", "expected stack=0"),
    ("	mov	x29, sp", "	mov	x29, x7", ""),
    ("	add	x8, x8, #16", "	str	q0, [sp, x8]", "expected store=0"),
    ("	add	x8, x8, #16", "	stp	q0, q1, [x0]", "expected store=0"),
    ("	add	x8, x8, #16", "	bl	expf", "expected call=0"),
    ("	add	x8, x8, #16", "	ldr	q9, [x9, :lo12:.LCPI0_0]", "expected constant=0"),
    ("	add	x8, x8, #16", "	nop\n	nop", "expected instructions<=10"),
    ("ldr	s7", "ldr	q7", "expected load=4"),
    ("v4.4b[1]", "v4.16b", "no inner loop"),
    ("usdot", "sdot", "no inner loop"),
]


def self_test():
    """Sees every rule pass and fail; 0 when all agree."""
    class Lines:
        def __init__(self):
            self.text = ""

        def write(self, text):
            self.text += text

    wrong = 0
    cases = [(SELF_TEST_CODE, SELF_TEST_EXPECTED, *change)
             for change in SELF_TEST_CHANGES]
    cases += [(SELF_TEST_AARCH64, SELF_TEST_AARCH64_EXPECTED, *change)
              for change in SELF_TEST_AARCH64_CHANGES]
    for code, expectation, old, new, expected in cases:
        out = Lines()
        check(code.replace(old, new) if old else code,
              [Expectation(1, expectation)], "test", out)
        if (expected not in out.text) if expected else out.text:
            wrong += 1
            print(f"self-test: '{new}': expected '{expected}', found '{out.text}'")
    for bad in ("f: load=1", "f per 2 vpdpbusd: load", "f per 2 vpdpbusd load=1"):
        try:
            Expectation(1, bad)
            wrong += 1
            print(f"self-test: '{bad}' is read")
        except BadTest:
            pass
    total = len(cases) + 3
    print(f"self-test: {total - wrong} of {total} cases as expected")
    return int(wrong > 0)


def main():
    kinds = ", ".join(asm_loops.KINDS)
    parser = argparse.ArgumentParser(
        description=__doc__.replace("{kinds}", kinds),
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("code", nargs="?", type=pathlib.Path)
    parser.add_argument("test", nargs="?", type=pathlib.Path)
    parser.add_argument("--prefix", default="SHAPE")
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    if arguments.test is None:
        parser.error("expected CODE.s TEST")
    try:
        expectations = read_expectations(arguments.test.read_text(), arguments.prefix)
        code = arguments.code.read_text()
    except (BadTest, OSError) as problem:
        print(f"error: {arguments.test}: {problem}", file=sys.stderr)
        return 2
    return int(check(code, expectations, arguments.test.name, sys.stderr) > 0)


if __name__ == "__main__":
    sys.exit(main())
