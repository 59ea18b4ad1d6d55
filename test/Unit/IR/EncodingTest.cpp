// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which tensor types the layouts of weights and rows accept.

#include "flow/IR/FlowAttributes.h"
#include "flow/IR/FlowDialect.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

#include <string>

using namespace flow;
using mlir::ShapedType;

namespace {

class EncodingTest : public testing::Test {
protected:
  EncodingTest() : handler(&context) { context.loadDialect<FlowDialect>(); }

  PanelsAttr f32Panels() { return PanelsAttr::get(&context, PanelKind::F32); }
  PanelsAttr i8Panels(int64_t block) {
    return PanelsAttr::get(&context, PanelKind::I8, block, ScaleKind::F16,
                           false);
  }
  QuantizedRowsAttr quantizedRows(int64_t block) {
    return QuantizedRowsAttr::get(&context, block);
  }

  /// True if a tensor of `shape` and `element` (f32) may have `encoding`.
  bool accepts(mlir::Attribute encoding, llvm::ArrayRef<int64_t> shape,
               mlir::Type element = {}) {
    if (!element)
      element = mlir::Float32Type::get(&context);
    return static_cast<bool>(mlir::RankedTensorType::getChecked(
        [&] { return mlir::emitError(mlir::UnknownLoc::get(&context)); }, shape,
        element, encoding));
  }

  /// Keeps the diagnostics out of the test's output.
  struct Silence : mlir::ScopedDiagnosticHandler {
    explicit Silence(mlir::MLIRContext *context)
        : ScopedDiagnosticHandler(context, [](mlir::Diagnostic &) { return; }) {
    }
  };

  mlir::MLIRContext context;
  Silence handler;
};

TEST_F(EncodingTest, F32PanelsTakeAnyDepth) {
  EXPECT_TRUE(accepts(f32Panels(), {32, 1}));
  EXPECT_TRUE(accepts(f32Panels(), {96, 63}));
  EXPECT_FALSE(accepts(f32Panels(), {31, 64}));
  EXPECT_FALSE(accepts(f32Panels(), {33, 64}));
  EXPECT_FALSE(accepts(f32Panels(), {16, 64}));
}

TEST_F(EncodingTest, I8PanelsTakeWholeBlocksOf32) {
  for (int64_t block : {16, 32}) {
    EXPECT_TRUE(accepts(i8Panels(block), {32, 32}));
    EXPECT_TRUE(accepts(i8Panels(block), {64, 96}));
    EXPECT_FALSE(accepts(i8Panels(block), {32, 16}));
    EXPECT_FALSE(accepts(i8Panels(block), {32, 33}));
    EXPECT_FALSE(accepts(i8Panels(block), {48, 32}));
  }
}

TEST_F(EncodingTest, Bf16TakesPairs) {
  auto panels = PanelsAttr::get(&context, PanelKind::BF16);
  EXPECT_TRUE(accepts(panels, {32, 34}));
  EXPECT_FALSE(accepts(panels, {32, 33}));
  EXPECT_FALSE(accepts(panels, {48, 32}));
  auto rows = Bf16RowsAttr::get(&context);
  EXPECT_TRUE(accepts(rows, {ShapedType::kDynamic, 34}));
  EXPECT_TRUE(accepts(rows, {0, 2}));
  EXPECT_FALSE(accepts(rows, {7, 33}));
  EXPECT_FALSE(accepts(rows, {7, 0}));
}

TEST_F(EncodingTest, PanelsAreStaticMatricesOfF32) {
  EXPECT_FALSE(accepts(f32Panels(), {ShapedType::kDynamic, 64}));
  EXPECT_FALSE(accepts(f32Panels(), {32, ShapedType::kDynamic}));
  EXPECT_FALSE(accepts(f32Panels(), {32}));
  EXPECT_FALSE(accepts(f32Panels(), {32, 32, 32}));
  EXPECT_FALSE(accepts(f32Panels(), {0, 64}));
  EXPECT_FALSE(accepts(f32Panels(), {32, 0}));
  EXPECT_FALSE(
      accepts(f32Panels(), {32, 64}, mlir::BFloat16Type::get(&context)));
}

TEST_F(EncodingTest, QuantizedRowsMayBeAnyNumber) {
  for (int64_t block : {16, 32}) {
    EXPECT_TRUE(accepts(quantizedRows(block), {ShapedType::kDynamic, 64}));
    EXPECT_TRUE(accepts(quantizedRows(block), {0, 32}));
    EXPECT_TRUE(accepts(quantizedRows(block), {7, 96}));
    EXPECT_FALSE(accepts(quantizedRows(block), {7, 48}));
    EXPECT_FALSE(accepts(quantizedRows(block), {7, 0}));
  }
}

TEST_F(EncodingTest, QuantizedRowsAreMatricesOfF32) {
  EXPECT_FALSE(accepts(quantizedRows(32), {7, ShapedType::kDynamic}));
  EXPECT_FALSE(accepts(quantizedRows(32), {64}));
  EXPECT_FALSE(accepts(quantizedRows(32), {1, 2, 32}));
  EXPECT_FALSE(
      accepts(quantizedRows(32), {7, 64}, mlir::BFloat16Type::get(&context)));
}

TEST_F(EncodingTest, LayoutsMakeDifferentTypes) {
  auto type = [&](mlir::Attribute encoding) {
    return mlir::RankedTensorType::get(
        {64, 64}, mlir::Float32Type::get(&context), encoding);
  };
  EXPECT_NE(type(f32Panels()), type({}));
  EXPECT_NE(type(i8Panels(16)), type(i8Panels(32)));
  EXPECT_EQ(type(i8Panels(32)), type(i8Panels(32)));
}

} // namespace
