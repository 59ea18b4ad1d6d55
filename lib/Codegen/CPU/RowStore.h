// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where a kernel puts the rows that it makes, in the layout of their readers.

#ifndef FLOW_LIB_CODEGEN_CPU_ROWSTORE_H
#define FLOW_LIB_CODEGEN_CPU_ROWSTORE_H

#include "KernelBuilder.h"
#include "flow/Codegen/CPU/Kernels.h"

namespace flow::cpu {

/// Rows of `width` values in a layout, filled piece by piece.
class RowStore {
public:
  /// `preferred` values come at once where the layout does not say how many.
  RowStore(const RowLayout &layout, int64_t width, int64_t preferred)
      : layout(layout), width(width),
        lanes(layout.kind == RowLayout::Kind::Quantized ? layout.block
                                                        : preferred) {}

  /// Uninitialised tensors of as many rows as `like` has.
  RowParts empty(KernelBuilder &b, Value like) const;
  /// What belongs to row `t` of each of them.
  llvm::SmallVector<KernelBuilder::Slice> slices(KernelBuilder &b,
                                                 Value t) const;
  /// Fills a row, `outs`, with what `make` returns for a first column and a
  /// number of values.
  llvm::SmallVector<Value>
  fill(KernelBuilder &b, ValueRange outs,
       llvm::function_ref<Value(KernelBuilder &, Value, int64_t)> make) const;

private:
  /// Elements of a row of each part, and their type.
  llvm::SmallVector<std::pair<int64_t, mlir::Type>, 3>
  extents(KernelBuilder &b) const;

  RowLayout layout;
  int64_t width, lanes;
};

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_ROWSTORE_H
