// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes from recipes to fused stages.

#ifndef FLOW_TRANSFORMS_PASSES_H
#define FLOW_TRANSFORMS_PASSES_H

#include "flow/IR/FlowDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Pass/Pass.h"

namespace flow {

#define GEN_PASS_DECL
#include "flow/Transforms/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "flow/Transforms/Passes.h.inc"

} // namespace flow

#endif // FLOW_TRANSFORMS_PASSES_H
