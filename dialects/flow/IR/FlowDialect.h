// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The class of the flow dialect.

#ifndef FLOW_IR_FLOWDIALECT_H
#define FLOW_IR_FLOWDIALECT_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"

#include "flow/IR/FlowDialect.h.inc"

namespace flow {
/// `tensor<?x4xi32>`, the type of the table of a step that holds rows of
/// several sequences: (slot, first row, rows, position of the first) of each.
mlir::RankedTensorType getSequencesType(mlir::MLIRContext *context);
} // namespace flow

#endif // FLOW_IR_FLOWDIALECT_H
