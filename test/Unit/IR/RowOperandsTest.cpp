// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which operands of a stage hold its rows, and which the position of row 0.

#include "flow/IR/FlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <string>

using namespace flow;

namespace {

class RowOperandsTest : public testing::Test {
protected:
  RowOperandsTest() {
    context.loadDialect<FlowDialect, mlir::func::FuncDialect>();
  }

  /// The numbers of the row operands of the one stage in `statement`, then the
  /// number of the operand that holds its start: "0,1 at 2". A stage that is
  /// not by rows gives "none".
  std::string rows(const std::string &arguments, const std::string &statement) {
    auto module = mlir::parseSourceString<mlir::ModuleOp>(
        "func.func @f(" + arguments + ") {\n" + statement + "\nreturn\n}",
        &context);
    if (!module)
      return "does not parse";
    std::string result = "none";
    module->walk([&](RowwiseOpInterface stage) {
      result.clear();
      for (mlir::OpOperand *operand : stage.getRowOperands())
        result += (result.empty() ? "" : ",") +
                  std::to_string(operand->getOperandNumber());
      if (mlir::OpOperand *start = stage.getStartOperand())
        result += " at " + std::to_string(start->getOperandNumber());
    });
    return result;
  }

  mlir::MLIRContext context;
};

TEST_F(RowOperandsTest, NormsHaveOne) {
  EXPECT_EQ(rows("%x: tensor<?x8xf32>, %w: tensor<8xf32>",
                 "%y = flow.rms_norm %x scale %w : tensor<?x8xf32>, "
                 "tensor<8xf32>"),
            "0");
}

TEST_F(RowOperandsTest, ANormOfOneVectorHasNoRows) {
  EXPECT_EQ(rows("%x: tensor<8xf32>", "%y = flow.rms_norm %x : tensor<8xf32>"),
            "");
  EXPECT_EQ(rows("%x: tensor<8xf32>",
                 "%s, %n = flow.add_rms_norm %x, %x scale %x : tensor<8xf32>, "
                 "tensor<8xf32>"),
            "");
}

TEST_F(RowOperandsTest, SumsHaveTwo) {
  EXPECT_EQ(rows("%x: tensor<?x8xf32>, %b: tensor<?x8xf32>, %w: tensor<8xf32>",
                 "%s, %n = flow.add_rms_norm %x, %b branch_scale %w scale %w : "
                 "tensor<?x8xf32>, tensor<8xf32>"),
            "0,1");
  EXPECT_EQ(rows("%g: tensor<?x8xf32>, %u: tensor<?x8xf32>",
                 "%h = flow.geglu %g, %u : tensor<?x8xf32>"),
            "0,1");
}

TEST_F(RowOperandsTest, ProductsHaveTheirInput) {
  EXPECT_EQ(rows("%x: tensor<?x64xf32>, %w: tensor<32x64xf32>",
                 "%y = flow.linear %x, %w : tensor<?x64xf32>, "
                 "tensor<32x64xf32> -> tensor<?x32xf32>"),
            "0");
  EXPECT_EQ(rows("%x: tensor<?x64xf32>, %w: tensor<32x64xf32>",
                 "%y = flow.lm_head %x, %w : tensor<?x64xf32>, "
                 "tensor<32x64xf32> -> tensor<?x32xf32>"),
            "0");
  EXPECT_EQ(rows("%x: tensor<?x64xf32>, %w: tensor<32x64xf32>",
                 "%v, %i = flow.lm_head_top_k %x, %w : tensor<?x64xf32>, "
                 "tensor<32x64xf32> -> tensor<?x8xf32>"),
            "0");
  EXPECT_EQ(rows("%x: tensor<?x64xf32>, %u: tensor<64x64xf32>, "
                 "%d: tensor<64x32xf32>",
                 "%y = flow.gated_mlp %x, %u, %d : tensor<?x64xf32>, "
                 "tensor<64x64xf32>, tensor<64x32xf32> -> tensor<?x64xf32>"),
            "0");
  EXPECT_EQ(rows("%x: tensor<?x64xf32>",
                 "%y = flow.quantize_rows %x : tensor<?x64xf32> -> "
                 "tensor<?x64xf32, #flow.quantized_rows<block = 32>>"),
            "0");
}

TEST_F(RowOperandsTest, TheLargestAreThoseOfEachRow) {
  EXPECT_EQ(rows("%x: tensor<?x64xf32>",
                 "%v, %i = flow.top_k %x : tensor<?x64xf32> -> "
                 "tensor<?x8xf32>"),
            "0");
}

TEST_F(RowOperandsTest, RotationTurnsRowsByTheirOwnAngles) {
  EXPECT_EQ(rows("%q: tensor<?x2x32xf32>, %a: tensor<?x16x2xf32>",
                 "%r = flow.rope %q, %a : tensor<?x2x32xf32>, "
                 "tensor<?x16x2xf32>"),
            "0,1");
}

TEST_F(RowOperandsTest, AttentionKnowsItsStart) {
  EXPECT_EQ(rows("%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %i: index",
                 "%o = flow.attention %q at %i, %k, %k total %i mask <causal> "
                 "scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>"),
            "0 at 1");
}

TEST_F(RowOperandsTest, StagesThatWriteCachesAreNotByRows) {
  EXPECT_EQ(rows("%k: tensor<?x1x32xf32>, %i: index",
                 "%a, %b = flow.kv_append %k, %k into %k, %k at %i count %i : "
                 "tensor<?x1x32xf32>, tensor<?x1x32xf32>"),
            "none");
}

} // namespace
