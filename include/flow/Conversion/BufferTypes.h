// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The buffers that rows occupy between functions.

#ifndef FLOW_CONVERSION_BUFFERTYPES_H
#define FLOW_CONVERSION_BUFFERTYPES_H

#include "mlir/IR/BuiltinTypes.h"

namespace flow {

/// The types of the buffers of `rows`, in the order of arguments: `rows` itself
/// without encoding, `[T, K]` of bf16 for `#flow.bf16_rows`, and quants `[T,
/// K]` of i8, scales `[T, K/block]` of f32 and sums `[T, K/block]` of i32 for
/// `#flow.quantized_rows`. It must have no other encoding.
llvm::SmallVector<mlir::RankedTensorType, 3>
getRowBufferTypes(mlir::RankedTensorType rows);

} // namespace flow

#endif // FLOW_CONVERSION_BUFFERTYPES_H
