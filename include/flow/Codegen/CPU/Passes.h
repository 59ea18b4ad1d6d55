// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes of the CPU strategy.

#ifndef FLOW_CODEGEN_CPU_PASSES_H
#define FLOW_CODEGEN_CPU_PASSES_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace flow {

#define GEN_PASS_DECL
#include "flow/Codegen/CPU/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "flow/Codegen/CPU/Passes.h.inc"

} // namespace flow

#endif // FLOW_CODEGEN_CPU_PASSES_H
