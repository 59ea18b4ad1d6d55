// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of bytes as code, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

using ByteProducts = StageTest;
INSTANTIATE_TEST_SUITE_P(Targets, ByteProducts, testing::ValuesIn(kByteTargets),
                         targetName);

/// A weight and the rows that it meets.
struct ByteCase {
  int64_t rows, cols, weightBlock, rowBlock;
  bool halfScales, hasMinima;
  int64_t bits = 8, offset = 128;

  ByteWeight weight(uint32_t seed) const {
    return ByteWeight(rows, cols, weightBlock, hasMinima, seed, bits, offset);
  }
  std::string weightType() const {
    return substitute("tensor<$Nx$Kxf32, #flow.panels<i8, block = $B, scale = "
                      "$S, min = $M, bits = $Q, offset = $O>>",
                      {{"$N", std::to_string(rows)},
                       {"$K", std::to_string(cols)},
                       {"$B", std::to_string(weightBlock)},
                       {"$S", halfScales ? "f16" : "f32"},
                       {"$M", hasMinima ? "true" : "false"},
                       {"$Q", std::to_string(bits)},
                       {"$O", std::to_string(offset)}});
  }
  std::string rowsType(const std::string &extent) const {
    return substitute("tensor<$Tx$Kxf32, #flow.quantized_rows<block = $B>>",
                      {{"$T", extent},
                       {"$K", std::to_string(cols)},
                       {"$B", std::to_string(rowBlock)}});
  }
  std::string resultType(const std::string &extent) const {
    return "tensor<" + extent + "x" + std::to_string(rows) + "xf32>";
  }

  /// Roundings of one result, in u of the sum of magnitudes: of the addition
  /// of each block, twice with minima, of its product of scales, and of the
  /// interpreter's result. Integer products are exact.
  int64_t roundings() const {
    return (hasMinima ? 2 : 1) * (cols / rowBlock) + 2;
  }
};

const ByteCase kCases[] = {
    // One panel of one block; q8_0; the two forms of k-quants; q4_1.
    {32, 32, 32, 32, /*halfScales=*/false, /*hasMinima=*/false},
    {96, 160, 32, 32, /*halfScales=*/true, /*hasMinima=*/false},
    {96, 160, 16, 16, /*halfScales=*/false, /*hasMinima=*/false},
    {32, 96, 32, 16, /*halfScales=*/false, /*hasMinima=*/true},
    // q4_0; q4_k; q5_0; q5_1, q6_k.
    {64, 96, 32, 16, /*halfScales=*/true, /*hasMinima=*/false, 4, 8},
    {32, 96, 32, 16, /*halfScales=*/false, /*hasMinima=*/true, 4, 0},
    {32, 160, 32, 32, /*halfScales=*/true, /*hasMinima=*/false, 5, 16},
    {64, 96, 32, 16, /*halfScales=*/true, /*hasMinima=*/true, 5, 0},
    {64, 96, 16, 16, /*halfScales=*/false, /*hasMinima=*/false, 6, 32},
};

TEST_P(ByteProducts, Linear) {
  for (const ByteCase &c : kCases) {
    ByteWeight weight = c.weight(41);
    // A quant one off, where the first row of x is 127.
    ByteWeight wrong = weight;
    wrong.quants[c.cols - 1] ^= 1;
    for (const StepForm &form : kForms) {
      CompiledFunction function(substitute(R"(
func.func @f(%x: $X, %w: $W) -> $Y {
  %y = flow.linear %x, %w : $X, $W -> $Y
  return %y : $Y
})",
                                           {{"$X", c.rowsType(form.extent)},
                                            {"$W", c.weightType()},
                                            {"$Y", c.resultType(form.extent)}}),
                                GetParam());
      for (StepRows rows : form.steps) {
        SCOPED_TRACE(testing::Message()
                     << rows.count << " rows by " << c.weightType());
        ByteRows x(rows.padded, c.cols, c.rowBlock, 42);
        std::vector<double> errors =
            linear(Inexact(x.values()), weight.values(), weight.magnitudes(),
                   c.roundings())
                .errors;
        CodeArgument argument = x.argument();
        CallResults r =
            function.call({argument, weight.argument(c.halfScales)});
        ASSERT_EQ(r.computed.size(), 1u);
        EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.padded, errors),
                  1);
        std::vector<Tensor> control =
            function.interpret({argument, wrong.argument(c.halfScales)});
        EXPECT_GT(worstRatio(control[0], r.expected[0], rows.count, errors), 1);
      }
    }
  }
}

void expectRowsAlone(const ByteCase &c, const CodeTarget &target) {
  auto compile = [&](const char *extent, const char *phase = "prefill") {
    return std::make_unique<CompiledFunction>(
        substitute(R"(
func.func @f(%x: $X, %w: $W) -> $Y {
  %y = flow.linear %x, %w : $X, $W -> $Y
  return %y : $Y
})",
                   {{"$X", c.rowsType(extent)},
                    {"$W", c.weightType()},
                    {"$Y", c.resultType(extent)}}),
        target, phase);
  };
  std::unique_ptr<CompiledFunction> step = compile("?"), row = compile("1"),
                                    rows = compile("?", "batch_decode");
  CodeArgument weight = c.weight(45).argument(c.halfScales);
  ByteRows x(24, c.cols, c.rowBlock, 46);
  llvm::SmallVector<int64_t, 4> shape{24, c.rows};
  std::vector<Tensor> together = step->run({x.argument(), weight}, shape);
  ASSERT_EQ(together.size(), 1u);
  shape[0] = 1;
  int64_t blocks = c.cols / c.rowBlock;
  for (int64_t t = 0; t != 24; ++t) {
    ByteRows one(1, c.cols, c.rowBlock, 47);
    std::copy_n(x.quants.begin() + t * c.cols, c.cols, one.quants.begin());
    std::copy_n(x.scales.begin() + t * blocks, blocks, one.scales.begin());
    std::vector<Tensor> alone = row->run({one.argument(), weight}, shape);
    ASSERT_EQ(alone.size(), 1u);
    EXPECT_TRUE(std::equal(alone[0].values.begin(), alone[0].values.end(),
                           together[0].values.begin() + t * c.rows))
        << "row " << t;
  }
  for (int64_t count = 1; count != 10; ++count) {
    shape[0] = count;
    std::vector<Tensor> few =
        rows->run({firstRows(x.argument(), count), weight}, shape);
    ASSERT_EQ(few.size(), 1u);
    EXPECT_TRUE(std::equal(few[0].values.begin(), few[0].values.end(),
                           together[0].values.begin()))
        << count << " rows";
  }
}

// Integers are exact, and the blocks are added in one order in prefill and
// decode, of one row and of any number, which unpack narrow weights in
// different places.
TEST_P(ByteProducts, ARowDoesNotDependOnItsStep) {
  for (size_t i : {3, 4, 6, 8}) {
    SCOPED_TRACE(kCases[i].weightType());
    expectRowsAlone(kCases[i], GetParam());
  }
}

TEST_P(ByteProducts, LmHead) {
  ByteCase c{96, 64, 32, 32, /*halfScales=*/true, /*hasMinima=*/false};
  ByteWeight weight = c.weight(43);
  for (const StepForm &form : kForms) {
    // The scores are some thousands: the cap bends but does not flatten them.
    CompiledFunction function(substitute(R"(
func.func @f(%x: $X, %w: $W) -> ($Y, $Y) {
  %y = flow.lm_head %x, %w : $X, $W -> $Y
  %z = flow.lm_head %x, %w softcap 3.0e+04 : $X, $W -> $Y
  return %y, %z : $Y, $Y
})",
                                         {{"$X", c.rowsType(form.extent)},
                                          {"$W", c.weightType()},
                                          {"$Y", c.resultType(form.extent)}}),
                              GetParam());
    for (StepRows rows : form.steps) {
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      ByteRows x(rows.padded, c.cols, c.rowBlock, 44);
      std::vector<double> errors = linear(Inexact(x.values()), weight.values(),
                                          weight.magnitudes(), c.roundings())
                                       .errors;
      CallResults r =
          function.call({x.argument(), weight.argument(c.halfScales)});
      ASSERT_EQ(r.computed.size(), 2u);
      EXPECT_LE(worstRatio(r.computed[0], r.expected[0], rows.padded, errors),
                1);
      EXPECT_LE(worstRatio(r.computed[1], r.expected[1], rows.padded,
                           [&](size_t at) {
                             return errors[at] +
                                    softcapError(r.expected[1].values[at]);
                           }),
                1);
    }
  }
}

} // namespace
