// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma.mma_async: what a kernel says of one, and what becomes of it.

#ifndef FLOW_LIB_EMULATOR_WARPGROUPPRODUCT_H
#define FLOW_LIB_EMULATOR_WARPGROUPPRODUCT_H

#include "flow/Emulator/TensorMap.h"

#include <optional>
#include <vector>

namespace flow::emulator {

/// One wgmma.mma_async of a kernel, of m64nNk16.
struct WarpgroupProduct {
  uint32_t instruction = 0;
  uint32_t columns = 0;
  /// A comes from registers.
  bool hasRegisters = false;
  /// Which operands are MN-major: their rows or columns are contiguous, not
  /// their depth.
  bool isTransposedA = false, isTransposedB = false;
  /// Where the sums, and the registers of A, stand in the frame.
  std::vector<uint32_t> sums, registers;
};

/// One that a warp has issued and not waited for.
struct OpenProduct {
  const WarpgroupProduct *product = nullptr;
  /// How many groups have been committed since; 0 if it is in none yet.
  uint32_t commits = 0;
  /// The lines of shared memory that it reads.
  std::vector<uint32_t> lines;
};

/// What a 64-bit descriptor says of a matrix that is 16 elements of 16 bits
/// deep: where each of its chunks of 16 bytes lies. A chunk is 8 neighbours in
/// depth of a row (K-major), or 8 neighbouring rows at a depth (MN-major,
/// "transposed"), where the columns of B are called rows, too.
///
/// ```
/// bits 0-13   address / 16        bits 16-29  leading distance / 16
/// bits 32-45  stride distance / 16
/// bits 49-51  base offset, 0      bits 62-63  swizzle: none, 128, 64, 32 bytes
///
///                       leading distance             stride distance
/// no swizzle            of halves of the depth       of groups of 8 rows
/// swizzled, K-major     not used                     of groups of 8 rows
/// swizzled, MN-major    of rows that fill a swizzle  of halves of the depth
/// ```
class MatrixDescriptor {
public:
  /// None, with the reason in `problem`, for what is not supported: matrices
  /// whose swizzle does not begin with a pattern of 8 lines.
  static std::optional<MatrixDescriptor>
  decode(uint64_t bits, bool isTransposed, const char *&problem);

  /// Line `line` of the 8 in a core matrix of 128 bytes: that of group `group`
  /// of 8 rows and of half `half` of the depth.
  uint32_t at(uint32_t group, uint32_t half, uint32_t line) const {
    if (swizzle == Swizzle::None)
      return begin + line * 16 + group * stride + half * leading;
    uint32_t bytes = swizzleBytes(swizzle), chunks = bytes / 16;
    uint32_t address = begin + line * bytes;
    address += isTransposed ? group / chunks * leading + group % chunks * 16 +
                                  half * stride
                            : group * stride + half * 16;
    return swizzled(swizzle, address);
  }

private:
  uint32_t begin = 0, leading = 0, stride = 0;
  Swizzle swizzle = Swizzle::None;
  bool isTransposed = false;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_WARPGROUPPRODUCT_H
