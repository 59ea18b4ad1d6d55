// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What kernels read of the table of a step with rows of several sequences.

#ifndef FLOW_LIB_CODEGEN_CPU_SEQUENCETABLE_H
#define FLOW_LIB_CODEGEN_CPU_SEQUENCETABLE_H

#include "KernelBuilder.h"
#include "flow/Codegen/CPU/Kernels.h"

namespace flow::cpu {

/// A row of the table, as indices.
struct SequencePlace {
  Value slot, first, count, start;
};

/// Row `i` of `sequences [S, 4] i32`.
SequencePlace placeOf(KernelBuilder &b, Value sequences, Value i);

/// A piece of a tensor: `size` entries of the leading dimension from `first`
/// on.
struct LeadingSlice {
  llvm::SmallVector<mlir::OpFoldResult> offsets, sizes, strides;

  LeadingSlice(KernelBuilder &b, Value tensor, Value first,
               mlir::OpFoldResult size);
};

/// The caches of one slot, without the dimension of slots.
KvTensors takeSlot(KernelBuilder &b, const KvTensors &slots, Value slot);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_SEQUENCETABLE_H
