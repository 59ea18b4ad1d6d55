// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a product multiplies with, whichever stage it is part of.

#ifndef FLOW_LIB_TRANSFORMS_PRODUCTWEIGHTS_H
#define FLOW_LIB_TRANSFORMS_PRODUCTWEIGHTS_H

#include "flow/IR/FlowOps.h"

namespace flow {

/// A weight operand of a stage, the rows that it meets (null for the inner rows
/// of a stage of two products), and the attribute that marks its arithmetic.
struct Product {
  mlir::OpOperand *weight;
  mlir::OpOperand *rows;
  llvm::StringRef mark;
};

constexpr llvm::StringLiteral kArithmetic = "flow.arithmetic";
constexpr llvm::StringLiteral kHiddenArithmetic = "flow.hidden_arithmetic";

/// The products in `op`: none, one or two.
llvm::SmallVector<Product> getProducts(mlir::Operation *op);

/// True if all of `products` are marked with one arithmetic, or none is marked.
bool agreeInArithmetic(llvm::ArrayRef<LinearOp> products);

/// Marks `fused` as `part` is marked, if it is.
void carryArithmetic(mlir::Operation *part, mlir::Operation *fused,
                     llvm::StringRef mark = kArithmetic);

/// True if a file stores integers in blocks of one scale (and perhaps one
/// minimum), which can be multiplied as they are.
bool hasIntegerBlocks(Storage storage);

} // namespace flow

#endif // FLOW_LIB_TRANSFORMS_PRODUCTWEIGHTS_H
