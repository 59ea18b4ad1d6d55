// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Encodes and reads tensor maps.

#include "flow/Emulator/TensorMap.h"

#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

using namespace flow::emulator;

/// The first bytes of every map: other bytes are taken for one by mistake.
static constexpr uint64_t kMark = 0x70616d2d776f6c66;

/// Why a driver refuses `map`, or nothing.
static llvm::Error check(const MatrixMap &map) {
  auto fail = [](const llvm::Twine &what) {
    return llvm::createStringError("tensor map: " + what);
  };
  if (map.address % 16 != 0 || map.rowBytes % 16 != 0)
    return fail("address and bytes of a row must be multiples of 16, got 0x" +
                llvm::Twine::utohexstr(map.address) + " and " +
                llvm::Twine(map.rowBytes));
  if (map.elementBytes == 0 || map.elementBytes > 8 ||
      !llvm::isPowerOf2_32(map.elementBytes))
    return fail("elements have 1, 2, 4 or 8 bytes, got " +
                llvm::Twine(map.elementBytes));
  if (map.rows == 0 || map.columns == 0 || map.rows > UINT32_MAX ||
      map.columns > UINT32_MAX || map.columns * map.elementBytes > map.rowBytes)
    return fail("a matrix of " + llvm::Twine(map.rows) + " by " +
                llvm::Twine(map.columns) + " elements does not fit rows of " +
                llvm::Twine(map.rowBytes) + " bytes");
  if (map.boxRows == 0 || map.boxRows > 256 || map.boxColumns == 0 ||
      map.boxColumns > 256)
    return fail("a box has 1 to 256 rows and columns, got " +
                llvm::Twine(map.boxRows) + " by " +
                llvm::Twine(map.boxColumns));
  uint32_t bytes = map.boxColumns * map.elementBytes;
  if (map.swizzle > Swizzle::Bytes128 || bytes % 16 != 0 ||
      (map.swizzle != Swizzle::None && bytes != swizzleBytes(map.swizzle)))
    return fail("rows of a box must be a multiple of 16 bytes, and as long as "
                "their swizzle, got " +
                llvm::Twine(bytes) + " bytes");
  return llvm::Error::success();
}

llvm::Expected<TensorMapBytes>
flow::emulator::encodeTensorMap(const MatrixMap &map) {
  static_assert(sizeof(kMark) + sizeof(map) <= sizeof(TensorMapBytes));
  if (llvm::Error error = check(map))
    return std::move(error);
  TensorMapBytes bytes{};
  std::memcpy(bytes.data(), &kMark, sizeof(kMark));
  std::memcpy(bytes.data() + sizeof(kMark), &map, sizeof(map));
  return bytes;
}

llvm::Expected<MatrixMap>
flow::emulator::decodeTensorMap(const TensorMapBytes &bytes) {
  uint64_t mark = 0;
  std::memcpy(&mark, bytes.data(), sizeof(mark));
  if (mark != kMark)
    return llvm::createStringError("these 128 bytes are no tensor map");
  MatrixMap map;
  std::memcpy(&map, bytes.data() + sizeof(mark), sizeof(map));
  if (llvm::Error error = check(map))
    return std::move(error);
  return map;
}
