// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What C++ asks of attributes: scales, block sizes, defaults, checked getters.

#include "flow/IR/FlowAttributes.h"
#include "flow/IR/FlowDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

#include <map>
#include <string>

using namespace flow;

namespace {

class AttributesTest : public testing::Test {
protected:
  AttributesTest() { context.loadDialect<FlowDialect>(); }

  AttentionSpecAttr attention(int64_t headDim, double scale) {
    return AttentionSpecAttr::get(&context, 4, 1, headDim, llvm::APFloat(scale),
                                  llvm::APFloat(0.0), false, false, false);
  }

  mlir::MLIRContext context;
};

// T1
TEST_F(AttributesTest, ScaleFollowsFromTheHead) {
  EXPECT_EQ(attention(256, 0.0).getEffectiveScale(), 1.0 / 16);
  EXPECT_EQ(attention(64, 0.0).getEffectiveScale(), 1.0 / 8);
  // 128^-1/2 = 2^-3.5, correctly rounded operations apart by one unit at most.
  EXPECT_NEAR(attention(128, 0.0).getEffectiveScale(), 0.08838834764831845,
              2e-17);
}

TEST_F(AttributesTest, WrittenScaleWins) {
  EXPECT_EQ(attention(256, 1.0).getEffectiveScale(), 1.0);
  EXPECT_EQ(attention(168, 0.0625).getEffectiveScale(), 0.0625);
}

TEST_F(AttributesTest, BlockSizesAreThoseOfGgml) {
  const std::map<std::string, int64_t> expected = {
      {"f32", 1},    {"f16", 1},     {"bf16", 1},    {"q4_0", 32},
      {"q4_1", 32},  {"q5_0", 32},   {"q5_1", 32},   {"q8_0", 32},
      {"q2_k", 256}, {"q3_k", 256},  {"q4_k", 256},  {"q5_k", 256},
      {"q6_k", 256}, {"iq4_nl", 32}, {"iq4_xs", 256}};
  size_t found = 0;
  for (uint64_t value = 0; value <= getMaxEnumValForStorage(); ++value) {
    std::optional<Storage> storage = symbolizeStorage(value);
    ASSERT_TRUE(storage) << value;
    std::string name = stringifyStorage(*storage).str();
    ASSERT_TRUE(expected.count(name)) << name;
    EXPECT_EQ(getBlockSize(*storage), expected.at(name)) << name;
    EXPECT_EQ(symbolizeStorage(name), storage) << name;
    ++found;
  }
  EXPECT_EQ(found, expected.size());
}

TEST_F(AttributesTest, EqualNumbersAreOneAttribute) {
  EXPECT_EQ(attention(256, 0.5), attention(256, 0.5));
  EXPECT_NE(attention(256, 0.5), attention(256, 0.25));
  // The sign of zero is a difference: -0.0 is not the default.
  EXPECT_NE(attention(256, 0.0), attention(256, -0.0));
}

// T2
TEST_F(AttributesTest, CheckedGetterSaysWhatIsWrong) {
  std::string message;
  mlir::ScopedDiagnosticHandler handler(&context,
                                        [&](mlir::Diagnostic &diagnostic) {
                                          message = diagnostic.str();
                                          return mlir::success();
                                        });
  auto emitError = [&] {
    return mlir::emitError(mlir::UnknownLoc::get(&context));
  };
  EXPECT_FALSE(
      MaskAttr::getChecked(emitError, &context, MaskPattern::Full, int64_t(4)));
  EXPECT_EQ(message, "#flow.mask (C2): a full pattern has no window, got 4");
  EXPECT_TRUE(MaskAttr::getChecked(emitError, &context, MaskPattern::Causal,
                                   int64_t(4)));
}

TEST_F(AttributesTest, ExtentsEndBelowTheirLimit) {
  EXPECT_FALSE(isExtent(-1));
  EXPECT_FALSE(isExtent(0));
  EXPECT_TRUE(isExtent(1));
  EXPECT_TRUE(isExtent(kExtentLimit - 1));
  EXPECT_FALSE(isExtent(kExtentLimit));
  // What the limit is for: no product of two extents overflows.
  int64_t product;
  EXPECT_FALSE(
      __builtin_mul_overflow(kExtentLimit - 1, kExtentLimit - 1, &product));
}

} // namespace
