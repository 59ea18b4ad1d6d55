// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How much memory a plan takes, before any is taken.

#ifndef FLOW_RUNTIME_MEMORY_H
#define FLOW_RUNTIME_MEMORY_H

#include "flow/Runtime/Plan.h"

#include <cstddef>
#include <vector>

namespace flow::runtime {

/// Bytes of each part of `weight` once it is packed; none for `Packing::Raw`,
/// which is read where it lies in the file.
std::vector<size_t> packedBytes(const PackedWeight &weight);

/// The dimensions of part `part` of `weight` as the code sees it; none for
/// `Packing::Raw`.
std::vector<int64_t> partShape(const PackedWeight &weight, int64_t part);

/// Rows of the largest step with `context` positions and prefill steps of at
/// most `chunk` tokens: padded to whole row tiles.
int64_t largestStep(const Plan &plan, int64_t context, int64_t chunk);

/// Rows whose logits are computed at once where those of every row are wanted:
/// whole row tiles.
int64_t logitsRows(const Plan &plan);

/// Positions that keys and values of `cache` have room for, in whole panels of
/// 32. A windowed cache is a ring: it keeps what the first row of a step of
/// `rows` rows sees, `window - 1` positions, and the step itself.
int64_t cachePositions(const CachePlan &cache, int64_t context, int64_t rows);

/// The shapes of the buffers between calls for steps of at most `rows` rows.
/// Logits of every row are handed out in pieces, so their buffer is small.
std::vector<std::vector<int64_t>> bufferShapes(const Plan &plan, int64_t rows);

} // namespace flow::runtime

#endif // FLOW_RUNTIME_MEMORY_H
