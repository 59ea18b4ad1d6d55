// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What becomes of a product's sums, whoever made them.

#ifndef FLOW_LIB_CODEGEN_GPU_PRODUCTEPILOGUE_H
#define FLOW_LIB_CODEGEN_GPU_PRODUCTEPILOGUE_H

#include "KernelBuilder.h"
#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// Gates, and after them as many ups, that follow each other in the columns of
/// a gated product.
constexpr int64_t kGateColumns = 16;

/// The part of a kernel's name that says which product it is.
std::string nameOf(const Product &product);

/// Columns of the result, and bytes of one of its rows.
int64_t resultColumns(const Product &product);
int64_t resultRowBytes(const Product &product);

/// Two neighbouring sums of a row.
struct ColumnPair {
  Val first, second;
};

/// Stores the sums of one row, whose result begins at `row`. Pair i begins at
/// column `column + 8 i`, and `column % 8` is even; a gated product has whole
/// groups of gates and ups. Columns beyond the last one are left out if
/// `checkColumns` is set.
void storePairs(KernelBuilder &k, const Product &product, Val row, Val column,
                llvm::ArrayRef<ColumnPair> pairs, bool checkColumns);

/// Stores the sum of `column` of the result, which of a gated product are the
/// sums of its gate and of its up.
void storeSingle(KernelBuilder &k, const Product &product, Val result,
                 Val column, Val sum, Val up);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_PRODUCTEPILOGUE_H
