// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The buffers that rows occupy between functions.

#include "flow/Conversion/BufferTypes.h"

#include "flow/IR/FlowOps.h"

using namespace mlir;

SmallVector<RankedTensorType, 3>
flow::getRowBufferTypes(RankedTensorType rows) {
  if (!rows.getEncoding())
    return {rows};
  MLIRContext *context = rows.getContext();
  ArrayRef<int64_t> shape = rows.getShape();
  if (isa<Bf16RowsAttr>(rows.getEncoding()))
    return {RankedTensorType::get(shape, BFloat16Type::get(context))};
  int64_t block = cast<QuantizedRowsAttr>(rows.getEncoding()).getBlock();
  auto blocks = [&](Type element) {
    return RankedTensorType::get({shape[0], shape[1] / block}, element);
  };
  return {RankedTensorType::get(shape, IntegerType::get(context, 8)),
          blocks(Float32Type::get(context)),
          blocks(IntegerType::get(context, 32))};
}
