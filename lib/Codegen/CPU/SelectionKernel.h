// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What other kernels use of the choice of the largest values.

#ifndef FLOW_LIB_CODEGEN_CPU_SELECTIONKERNEL_H
#define FLOW_LIB_CODEGEN_CPU_SELECTIONKERNEL_H

#include "KernelBuilder.h"

namespace flow::cpu {

/// The `count`th largest of `values [n] f32`, none of which is NaN; minus
/// infinity if fewer are above that.
Value emitLastOfBest(KernelBuilder &b, Value values, int64_t count);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_SELECTIONKERNEL_H
