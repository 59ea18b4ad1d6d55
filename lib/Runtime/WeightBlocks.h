// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of integer blocks as kernels of a GPU stream them.

#ifndef FLOW_LIB_RUNTIME_WEIGHTBLOCKS_H
#define FLOW_LIB_RUNTIME_WEIGHTBLOCKS_H

#include "flow/Ggml/Types.h"
#include "flow/Runtime/Plan.h"

#include <cstddef>
#include <vector>

namespace flow::runtime {

/// Bytes of a row of `WeightBlocks`: of its quants, and of its scales with what
/// fills them up. The scales of all rows are behind the quants of all.
struct WeightBlocksLayout {
  explicit WeightBlocksLayout(const PackedWeight &weight);

  int64_t quantBytes, scaleBytes;
};

/// Whether the quants of `weight` are signed bytes, which hold those of every
/// type.
bool holdsSignedBytes(const PackedWeight &weight);

/// Buffers of one thread.
struct BlocksScratch {
  explicit BlocksScratch(const PackedWeight &weight);

  std::vector<int8_t> quants;
  std::vector<float> scales, minima;
};

/// Packs one row of the file, of a type that fits, as row `index` of the weight
/// at `out`.
void packWeightBlocks(const PackedWeight &weight, ggml::Type type,
                      const std::byte *row, int64_t index, std::byte *out,
                      BlocksScratch &scratch);

} // namespace flow::runtime

#endif // FLOW_LIB_RUNTIME_WEIGHTBLOCKS_H
