// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How a CTA of attention divides its work, and where its tiles lie.

#ifndef FLOW_LIB_CODEGEN_GPU_ATTENTIONTILE_H
#define FLOW_LIB_CODEGEN_GPU_ATTENTIONTILE_H

#include "flow/Codegen/GPU/Kernels.h"

namespace flow::cuda {

/// A CTA takes `rows()` rows of one KV head, and `keys` keys at a time. A row
/// is a head of a token: row r is head `r % G` of token `r / G`, of the G heads
/// that share the KV head, so that keys and values are read once for all.
///
/// Warps are `groups` times `members`. A group has `16 * rowBlocks` rows. Its
/// members share the keys of a tile for the scores, and the dimensions of a
/// head for the result: a thread holds `rowBlocks * headDim / members / 2`
/// sums, and 128 is what its registers have room for.
struct AttentionTile {
  int64_t headDim, groups, rowBlocks, members, keys;
  /// CTAs of an SM that its registers are enough for.
  int64_t registerBlocks;

  int64_t rows() const { return 16 * groups * rowBlocks; }
  int64_t threads() const { return 32 * groups * members; }
  /// What is a member's.
  int64_t memberKeys() const { return keys / members; }
  int64_t memberDims() const { return headDim / members; }
  /// Of a row of the query, of keys or of values: bytes and 16-byte chunks.
  int64_t rowBytes() const { return 2 * headDim; }
  int64_t chunks() const { return headDim / 8; }
  int64_t probabilityRowBytes() const { return 2 * keys; }

  /// Offsets in shared memory, where the query comes first. Probabilities, and
  /// one f32 of a row from each member, go through it where there are several.
  int64_t keyOffset() const { return rows() * rowBytes(); }
  int64_t valueOffset() const { return keyOffset() + keys * rowBytes(); }
  int64_t probabilityOffset() const {
    return valueOffset() + keys * rowBytes();
  }
  int64_t exchangeOffset() const {
    return probabilityOffset() + (members == 1 ? 0 : rows() * 2 * keys);
  }
  int64_t sharedBytes() const {
    return exchangeOffset() + (members == 1 ? 0 : 4 * members * rows());
  }
};

/// CTAs that an SM is to hold at the same time, where a CTA may ask for so many
/// bytes.
int64_t blocksOfSm(const Attention &attention, const AttentionTile &tile,
                   int64_t sharedMemoryLimit);

/// The tile for many rows, of those that fit into so many bytes of shared
/// memory.
AttentionTile rowsTile(const Attention &attention, int64_t sharedMemoryLimit);
/// The tile for the heads of one row.
AttentionTile splitTile(int64_t headDim);

/// The part of a kernel's name that says which attention it is.
std::string nameOf(const Attention &attention);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_ATTENTIONTILE_H
