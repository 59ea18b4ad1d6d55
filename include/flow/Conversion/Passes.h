// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The passes that leave the flow dialect.

#ifndef FLOW_CONVERSION_PASSES_H
#define FLOW_CONVERSION_PASSES_H

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Pass/Pass.h"

namespace flow {

#define GEN_PASS_DECL
#include "flow/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "flow/Conversion/Passes.h.inc"

} // namespace flow

#endif // FLOW_CONVERSION_PASSES_H
