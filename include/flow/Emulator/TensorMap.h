// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor maps of the emulator: what `cp.async.bulk.tensor` is told of a matrix.

#ifndef FLOW_EMULATOR_TENSORMAP_H
#define FLOW_EMULATOR_TENSORMAP_H

#include "llvm/Support/Error.h"

#include <array>
#include <cstdint>

namespace flow::emulator {

/// Where the 16-byte chunks of a box's rows lie in shared memory. Of a swizzle
/// of `B` bytes, the bits of the address that number the chunks of `B` bytes
/// change by those from bit 7 on: one bit for 32 bytes, two for 64, three
/// for 128.
enum class Swizzle : uint32_t { None, Bytes32, Bytes64, Bytes128 };

/// Bytes in which chunks change places; 16 if they do not.
constexpr uint32_t swizzleBytes(Swizzle swizzle) {
  return 16u << static_cast<uint32_t>(swizzle);
}

/// The place in shared memory of what would lie at `address` without a swizzle.
constexpr uint32_t swizzled(Swizzle swizzle, uint32_t address) {
  return address ^ (address >> 7 & (swizzleBytes(swizzle) / 16 - 1)) << 4;
}

/// A row-major matrix in global memory, and the boxes that are fetched of it.
struct MatrixMap {
  uint64_t address = 0;
  uint64_t rows = 0, columns = 0;
  /// From one row to the next.
  uint64_t rowBytes = 0;
  uint32_t elementBytes = 2;
  uint32_t boxRows = 0, boxColumns = 0;
  Swizzle swizzle = Swizzle::None;
};

/// The 128 bytes that a kernel gets, whose form only this emulator knows.
using TensorMapBytes = std::array<unsigned char, 128>;

/// Encodes `map`. An error, as a driver has it, for an address or rows that are
/// no multiple of 16 bytes, a matrix without elements or rows that overlap,
/// boxes of more than 256 rows or columns, and rows of a box that are no
/// multiple of 16 bytes. Where there is a swizzle they must be as long as it; a
/// driver also takes shorter ones.
llvm::Expected<TensorMapBytes> encodeTensorMap(const MatrixMap &map);

/// What `encodeTensorMap` was given, or an error if these bytes are no map.
llvm::Expected<MatrixMap> decodeTensorMap(const TensorMapBytes &bytes);

} // namespace flow::emulator

#endif // FLOW_EMULATOR_TENSORMAP_H
