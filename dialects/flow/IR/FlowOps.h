// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Op classes of the flow dialect.

#ifndef FLOW_IR_FLOWOPS_H
#define FLOW_IR_FLOWOPS_H

#include "flow/IR/FlowAttributes.h"
#include "flow/IR/FlowDialect.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "flow/IR/FlowInterfaces.h.inc"

#define GET_OP_CLASSES
#include "flow/IR/FlowOps.h.inc"

namespace flow {
/// A weight that a recipe needs: its symbol in the layer or model and shape.
struct WeightRole {
  llvm::StringRef name;
  llvm::SmallVector<int64_t, 2> shape;
};

/// The weights that `layer` must hold, in the order of the stages. The layer
/// must stand in a model.
llvm::SmallVector<WeightRole> getWeightRoles(LayerOp layer);
} // namespace flow

#endif // FLOW_IR_FLOWOPS_H
