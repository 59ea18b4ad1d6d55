// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Integer and bit instructions, at the edges that the PTX ISA names.

#include "EmulatorTesting.h"

#include "llvm/ADT/bit.h"

#include <algorithm>

using namespace flow::emulator::testing;

namespace {

using Words = std::vector<uint32_t>;
constexpr uint32_t kMin = 0x80000000, kMax = 0x7fffffff;

/// Pairs of values at the edges of the type.
const Words kA = {0, 1, 5, kMax, kMin, ~0u, 7, 100, kMin, 0x12345678};
const Words kB = {0, 2, ~0u, 1, ~0u, ~0u, 3, 33, kMin, 0x0fedcba9};

/// Compares `%r0` of each lane with `expected` of the operands.
template <typename Function>
void expectEach(const std::string &body, Function expected) {
  Words found = compute(body, kA, kB);
  for (size_t i = 0; i < kA.size(); ++i)
    EXPECT_EQ(found[i], uint32_t(expected(kA[i], kB[i])))
        << body << " of " << kA[i] << ", " << kB[i];
}

TEST(Integers, addAndSubtractWrap) {
  expectEach("add.s32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return a + b; });
  expectEach("sub.u32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return a - b; });
  expectEach("add.u64 %rd2, 0xffffffff, 1; shr.u64 %rd2, %rd2, 32;"
             "cvt.u32.u64 %r0, %rd2;",
             [](uint32_t, uint32_t) { return 1; });
}

TEST(Integers, multiplyKeepsTheHalfThatIsAskedFor) {
  expectEach("mul.lo.s32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return a * b; });
  expectEach("mul.hi.u32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return uint64_t(a) * b >> 32; });
  expectEach("mul.hi.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) {
    return int64_t(int32_t(a)) * int32_t(b) >> 32;
  });
  expectEach("mul.wide.s32 %rd2, %r1, %r2; shr.u64 %rd2, %rd2, 20;"
             "cvt.u32.u64 %r0, %rd2;",
             [](uint32_t a, uint32_t b) {
               return uint64_t(int64_t(int32_t(a)) * int32_t(b)) >> 20;
             });
}

TEST(Integers, multiplyAddAddsToTheProduct) {
  expectEach("mad.lo.s32 %r0, %r1, %r2, %r1;",
             [](uint32_t a, uint32_t b) { return a * b + a; });
  expectEach("cvt.u64.u32 %rd3, %r2; mad.wide.u32 %rd2, %r1, %r2, %rd3;"
             "shr.u64 %rd2, %rd2, 9; cvt.u32.u64 %r0, %rd2;",
             [](uint32_t a, uint32_t b) { return (uint64_t(a) * b + b) >> 9; });
}

TEST(Integers, divisionTruncatesAndSurvivesZeroAndOverflow) {
  expectEach("div.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) -> uint32_t {
    if (b == 0)
      return ~0u; // as GPUs do; PTX leaves it open
    return b == ~0u ? -a : uint32_t(int32_t(a) / int32_t(b));
  });
  expectEach("div.u32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return b ? a / b : ~0u; });
  expectEach("rem.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) -> uint32_t {
    if (b == 0)
      return a;
    return b == ~0u ? 0 : uint32_t(int32_t(a) % int32_t(b));
  });
  // A quotient that all lanes share.
  expectEach("mov.u32 %r4, %nctaid.x; add.u32 %r4, %r4, 99;"
             "div.u32 %r5, %r4, 7; rem.u32 %r6, %r4, 7;"
             "mad.lo.u32 %r0, %r5, 256, %r6;",
             [](uint32_t, uint32_t) { return 14 * 256 + 2; });
}

TEST(Integers, minAndMaxFollowTheSign) {
  expectEach("min.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) {
    return std::min(int32_t(a), int32_t(b));
  });
  expectEach("min.relu.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) {
    return uint32_t(std::max(std::min(int32_t(a), int32_t(b)), 0));
  });
  expectEach("max.relu.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) {
    return uint32_t(std::max({int32_t(a), int32_t(b), 0}));
  });
  expectEach("max.u32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return std::max(a, b); });
}

TEST(Integers, shiftsClampTheirAmount) {
  Words amounts = {0, 1, 31, 32, 33, ~0u, 8, 40};
  Words values(amounts.size(), 0x87654321);
  Words left = compute("shl.b32 %r0, %r1, %r2;", values, amounts);
  Words logical = compute("shr.u32 %r0, %r1, %r2;", values, amounts);
  Words arithmetic = compute("shr.s32 %r0, %r1, %r2;", values, amounts);
  for (size_t i = 0; i < amounts.size(); ++i) {
    bool isBeyond = amounts[i] > 31;
    uint32_t within = std::min(amounts[i], 31u);
    EXPECT_EQ(left[i], isBeyond ? 0 : values[i] << within);
    EXPECT_EQ(logical[i], isBeyond ? 0 : values[i] >> within);
    EXPECT_EQ(arithmetic[i], uint32_t(int32_t(values[i]) >> within));
  }
}

TEST(Integers, funnelShiftTakesTwoWords) {
  EXPECT_EQ(compute("shf.l.wrap.b32 %r0, %r1, %r2, 8;", {0x11223344},
                    {0xaabbccdd})[0],
            0xbbccdd11u);
  EXPECT_EQ(compute("shf.r.clamp.b32 %r0, %r1, %r2, 32;", {0x11223344},
                    {0xaabbccdd})[0],
            0xaabbccddu);
  EXPECT_EQ(compute("shf.r.wrap.b32 %r0, %r1, %r2, 36;", {0x11223344},
                    {0xaabbccdd})[0],
            0xd1122334u);
}

TEST(Integers, bitwise) {
  expectEach("and.b32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return a & b; });
  expectEach("or.b32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return a | b; });
  expectEach("xor.b32 %r0, %r1, %r2;",
             [](uint32_t a, uint32_t b) { return a ^ b; });
  expectEach("not.b32 %r0, %r1;", [](uint32_t a, uint32_t) { return ~a; });
  expectEach("lop3.b32 %r0, %r1, %r2, %r1, 0x96;",
             [](uint32_t a, uint32_t b) { return a ^ b ^ a; });
  // (a & b) | (~a & c): 0xca
  expectEach(
      "mov.b32 %r3, 0x0f0f0f0f; lop3.b32 %r0, %r1, %r2, %r3, 0xca;",
      [](uint32_t a, uint32_t b) { return (a & b) | (~a & 0x0f0f0f0f); });
}

TEST(Integers, countsAndReversals) {
  expectEach("popc.b32 %r0, %r1;",
             [](uint32_t a, uint32_t) { return llvm::popcount(a); });
  expectEach("clz.b32 %r0, %r1;",
             [](uint32_t a, uint32_t) { return llvm::countl_zero(a); });
  expectEach(
      "cvt.u64.u32 %rd2, %r1; clz.b64 %r0, %rd2;",
      [](uint32_t a, uint32_t) { return llvm::countl_zero(uint64_t(a)); });
  expectEach("bfind.u32 %r0, %r1;",
             [](uint32_t a, uint32_t) { return 31 - llvm::countl_zero(a); });
  expectEach("bfind.shiftamt.u32 %r0, %r1;", [](uint32_t a, uint32_t) {
    return a ? llvm::countl_zero(a) : -1;
  });
  EXPECT_EQ(compute("brev.b32 %r0, %r1;", {0x00000003})[0], 0xc0000000u);
  EXPECT_EQ(compute("abs.s32 %r0, %r1;", {uint32_t(-5)})[0], 5u);
  EXPECT_EQ(compute("abs.s32 %r0, %r1;", {kMin})[0], kMin);
  EXPECT_EQ(compute("neg.s32 %r0, %r1;", {7})[0], uint32_t(-7));
}

TEST(Integers, bitFieldsAreExtracted) {
  // Value, place, length.
  auto extract = [](const char *type, uint32_t a, uint32_t place,
                    uint32_t length) {
    return compute(std::string("bfe.") + type + " %r0, %r1, %r2, %r3;", {a},
                   {place}, {length})[0];
  };
  EXPECT_EQ(extract("u32", 0x12345678, 8, 12), 0x456u);
  EXPECT_EQ(extract("u32", 0xffffffff, 28, 8), 0xfu);
  EXPECT_EQ(extract("u32", 0xffffffff, 32, 8), 0u);
  EXPECT_EQ(extract("u32", 0xffffffff, 4, 0), 0u);
  EXPECT_EQ(extract("s32", 0x00000f00, 8, 4), 0xffffffffu);
  EXPECT_EQ(extract("s32", 0x00000700, 8, 4), 7u);
  // Beyond the value its sign goes on.
  EXPECT_EQ(extract("s32", 0x80000000, 28, 8), 0xfffffff8u);
  EXPECT_EQ(extract("s32", 0x80000000, 40, 8), 0xffffffffu);
  EXPECT_EQ(extract("s32", 0xffffffff, 3, 0), 0u);
}

TEST(Integers, bitFieldsAreInserted) {
  EXPECT_EQ(compute("bfi.b32 %r0, %r1, %r2, 8, 12;", {0xabc}, {~0u})[0],
            0xfffabcffu);
  EXPECT_EQ(compute("bfi.b32 %r0, %r1, %r2, 32, 4;", {0xabc}, {0x55})[0],
            0x55u);
  EXPECT_EQ(compute("bfi.b32 %r0, %r1, %r2, 0, 32;", {0xabc}, {0x55})[0],
            0xabcu);
}

TEST(Integers, permuteSelectsBytes) {
  EXPECT_EQ(
      compute("prmt.b32 %r0, %r1, %r2, 0x7531;", {0x33221100}, {0x77665544})[0],
      0x77553311u);
  // The highest bit of a selector spreads a sign.
  EXPECT_EQ(compute("prmt.b32 %r0, %r1, %r2, 0x98ba;", {0x7f8000ff}, {0})[0],
            0x00ff00ffu);
}

TEST(Integers, dotProductOfBytes) {
  uint32_t a = 0xff02807f, b = 0x7f80ff01;
  auto dot = [](uint32_t a, uint32_t b, bool aSigned, bool bSigned) {
    int32_t sum = 10;
    for (int i = 0; i < 4; ++i) {
      int x = a >> 8 * i & 255, y = b >> 8 * i & 255;
      sum += (aSigned ? int8_t(x) : x) * (bSigned ? int8_t(y) : y);
    }
    return uint32_t(sum);
  };
  EXPECT_EQ(compute("dp4a.s32.s32 %r0, %r1, %r2, 10;", {a}, {b})[0],
            dot(a, b, true, true));
  EXPECT_EQ(compute("dp4a.u32.s32 %r0, %r1, %r2, 10;", {a}, {b})[0],
            dot(a, b, false, true));
}

TEST(Integers, sixteenBitsWrapAtSixteen) {
  EXPECT_EQ(compute("cvt.u16.u32 %h1, %r1; add.s16 %h1, %h1, 1;"
                    "cvt.u32.u16 %r0, %h1;",
                    {0xffff})[0],
            0u);
  EXPECT_EQ(compute("cvt.u16.u32 %h1, %r1; cvt.s32.s16 %r0, %h1;", {0x8000})[0],
            0xffff8000u);
  EXPECT_EQ(compute("cvt.u16.u32 %h1, %r1; div.s16 %h1, %h1, 3;"
                    "cvt.s32.s16 %r0, %h1;",
                    {uint32_t(-10)})[0],
            uint32_t(-3));
}

TEST(Integers, predicatesCombine) {
  expectEach("setp.lt.s32 %p1, %r1, %r2; setp.eq.b32 %p2, %r1, 5;"
             "or.pred %p3, %p1, %p2; not.pred %p4, %p3; xor.pred %p5, %p4, %p2;"
             "selp.b32 %r0, 1, 0, %p5;",
             [](uint32_t a, uint32_t b) {
               bool p1 = int32_t(a) < int32_t(b), p2 = a == 5;
               return !(p1 || p2) != p2;
             });
  // The second result is the opposite, combined in the same way.
  expectEach("setp.ne.b32 %p1, %r2, 0; setp.gt.and.u32 %p2|%p3, %r1, %r2, %p1;"
             "selp.u32 %r4, 1, 0, %p2; selp.u32 %r5, 2, 0, %p3;"
             "or.b32 %r0, %r4, %r5;",
             [](uint32_t a, uint32_t b) {
               return (a > b && b ? 1 : 0) | (!(a > b) && b ? 2 : 0);
             });
  expectEach("set.le.u32.s32 %r0, %r1, %r2;", [](uint32_t a, uint32_t b) {
    return int32_t(a) <= int32_t(b) ? ~0u : 0;
  });
}

TEST(Integers, registersPackAndUnpack) {
  expectEach("mov.b64 %rd2, {%r1, %r2}; mov.b64 {%r4, %r5}, %rd2;"
             "mov.b32 {%h1, %h2}, %r5; mov.b32 %r6, {%h2, %h1};"
             "xor.b32 %r0, %r4, %r6;",
             [](uint32_t a, uint32_t b) { return a ^ (b << 16 | b >> 16); });
}

TEST(Integers, conversionsExtendAndSaturate) {
  EXPECT_EQ(compute("cvt.s32.s8 %r0, %r1;", {0x180})[0], 0xffffff80u);
  EXPECT_EQ(compute("cvt.u32.u8 %r0, %r1;", {0x180})[0], 0x80u);
  EXPECT_EQ(compute("cvt.sat.s8.s32 %r0, %r1;", {1000})[0], 127u);
  EXPECT_EQ(compute("cvt.sat.u8.s32 %r0, %r1;", {uint32_t(-3)})[0], 0u);
  EXPECT_EQ(compute("cvt.s64.s32 %rd2, %r1; shr.s64 %rd2, %rd2, 36;"
                    "cvt.u32.u64 %r0, %rd2;",
                    {kMin})[0],
            ~0u);
}

TEST(Integers, specialRegisters) {
  Environment environment;
  environment.threads = 40;
  Outcome outcome = run("mov.u32 %r1, %laneid; mov.u32 %r2, %warpid;"
                        "mov.u32 %r3, %ntid.x; mov.u32 %r4, %lanemask_lt;"
                        "popc.b32 %r4, %r4; mad.lo.u32 %r1, %r2, 100, %r1;"
                        "mad.lo.u32 %r1, %r3, 1000, %r1;"
                        "mad.lo.u32 %r1, %r4, 100000, %r1;" +
                            storeWord("%r1") + "ret;",
                        environment);
  ASSERT_EQ(outcome.error, "");
  for (uint32_t i = 0; i < 40; ++i)
    EXPECT_EQ(outcome.words[i],
              i % 32 + 100 * (i / 32) + 40 * 1000 + i % 32 * 100000);
  EXPECT_EQ(outcome.words[40], 0u);
}

} // namespace
