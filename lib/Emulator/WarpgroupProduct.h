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

/// What a 64-bit descriptor says of a K-major matrix of 16 elements of 16 bits
/// a row: where each of its two chunks of 16 bytes lies.
///
/// ```
/// bits 0-13   address / 16        bits 16-29  distance in depth / 16
/// bits 32-45  distance of groups of 8 rows / 16
/// bits 49-51  base offset, 0      bits 62-63  swizzle: none, 128, 64, 32 bytes
/// ```
class MatrixDescriptor {
public:
  /// None, with the reason in `problem`, for what is not supported: matrices
  /// whose swizzle does not begin with a pattern of 8 rows.
  static std::optional<MatrixDescriptor> decode(uint64_t bits,
                                                const char *&problem);

  uint32_t at(uint32_t row, uint32_t chunk) const {
    uint32_t address = begin + row / 8 * groupBytes;
    if (swizzle == Swizzle::None)
      return address + row % 8 * 16 + chunk * depthBytes;
    return swizzled(swizzle,
                    address + row % 8 * swizzleBytes(swizzle) + chunk * 16);
  }

private:
  uint32_t begin = 0, depthBytes = 0, groupBytes = 0;
  Swizzle swizzle = Swizzle::None;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_WARPGROUPPRODUCT_H
