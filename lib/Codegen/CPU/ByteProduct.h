// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of rows of bytes with panels of bytes, in blocks that have scales.

#ifndef FLOW_LIB_CODEGEN_CPU_BYTEPRODUCT_H
#define FLOW_LIB_CODEGEN_CPU_BYTEPRODUCT_H

#include "BytePanels.h"
#include "TileLoops.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <optional>

namespace flow::cpu {

/// The block product: integer dots `S` of each block, then
/// `C[m, n, ni] = sum over b of S * (scaleA[m, b] * scaleW[n, b, ni])`, and
/// with minima `+ sum[m, b] * (scaleA[m, b] * minimum[n, b, ni])`.
struct I8Product {
  Value quants; // [M, K] i8
  BytePanels panels;
  Value rowScales, sums; // [M, blocks] f32, [M, blocks] i32
  /// The dots start from the sums shifted right by this, or from 0.
  std::optional<int32_t> startShift;
  Value panelScales, panelMinima; // [N, blocks, 32], or null
  /// What bits below those of `panels` add to a dot, `[blocks]` f32 of a single
  /// row, in units of the scaled weights: the middle, and how far from it they
  /// reach. Null if there are none, or nobody asks.
  Value middles, reaches;
};

/// The block product whose last op is `generic`, if it is one.
std::optional<I8Product> matchI8(mlir::linalg::GenericOp generic);

/// How a target multiplies bytes.
struct ByteArithmetic {
  /// It has no dot product of bytes, but of pairs of 16 bits.
  bool widens;
  /// It multiplies signed bytes by signed bytes.
  bool isSigned;
  /// It multiplies by a lane of a register, so that rows are read 16 bytes at a
  /// time.
  bool rowLanes;
  /// Tiles of bytes, and of narrow weights where the target widens.
  TileShape tile, narrowTile;
  /// It has AMX tiles.
  bool hasTiles;

  /// Whether products of narrow weights are added in 16 bits rather than
  /// widened.
  bool addsShorts(const I8Product &product) const {
    return widens && product.panels.bits() < 8;
  }
};

/// The product of a single row and panel `panel`, from quants that are made
/// bytes in registers: `vector<32xf32>`. With `reaches` there is a second one,
/// of what the product is from that of all bits at most, but for rounding.
llvm::SmallVector<Value> emitPanelOfRow(KernelBuilder &b,
                                        const I8Product &product,
                                        const ByteArithmetic &arithmetic,
                                        Value panel);

/// `product` as loops over register tiles. A dynamic number of rows is a
/// multiple of `rowUnit`.
Value emitI8(KernelBuilder &b, I8Product product, Value init,
             const ByteArithmetic &arithmetic, int64_t rowUnit);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_BYTEPRODUCT_H
