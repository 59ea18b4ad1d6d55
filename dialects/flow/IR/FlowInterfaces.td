// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Interfaces that let passes treat stages alike.

#ifndef FLOW_IR_FLOWINTERFACES_TD
#define FLOW_IR_FLOWINTERFACES_TD

include "mlir/IR/OpBase.td"

def Flow_RowwiseOpInterface : OpInterface<"RowwiseOpInterface"> {
  let cppNamespace = "::flow";
  let description = [{
    A stage whose result row `t` depends on row `t` of its row operands alone
    (and on operands that have no rows: weights, caches, scalars). Computing a
    subset of rows is then computing that subset of the row operands.
  }];
  let methods = [
    InterfaceMethod<[{
      The operands whose leading dimension is the row; none when the leading
      dimension is no row, as in a norm of one vector, or when a table says
      whose rows they are.
    }],
      "::llvm::SmallVector<::mlir::OpOperand *>", "getRowOperands">,
    InterfaceMethod<[{
      The operand that holds the absolute position of row 0, or null when rows
      do not know their position.
    }], "::mlir::OpOperand *", "getStartOperand", (ins), "", "return nullptr;">,
  ];
}

#endif // FLOW_IR_FLOWINTERFACES_TD
