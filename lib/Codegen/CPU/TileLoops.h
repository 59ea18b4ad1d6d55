// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The loops around a register tile, and the dot products in it, that products
// of all kinds share.

#ifndef FLOW_LIB_CODEGEN_CPU_TILELOOPS_H
#define FLOW_LIB_CODEGEN_CPU_TILELOOPS_H

#include "KernelBuilder.h"

namespace flow::cpu {

/// The value behind reshapes that only split or join dimensions.
Value behindReshapes(Value value);

inline int64_t dimOf(Value value, int64_t position) {
  return typeOf(value).getDimSize(position);
}

/// Rows and columns of a register tile.
struct TileShape {
  int64_t rows, columns;
};

/// How rows and the columns of a panel are cut into register tiles: `tile` at
/// once. There are no rows left over if `unit`, which their number is a
/// multiple of, is one of the tile's rows.
struct Tiling {
  TileShape tile;
  int64_t unit;
  /// Whether rows are read 16 bytes at a time, to be multiplied by lanes.
  bool rowLanes;

  bool leavesRows() const { return unit % tile.rows != 0; }
};

/// The results of a tile, a vector for each row, for panel, first column of it
/// and first row.
using TileBody = llvm::function_ref<llvm::SmallVector<Value>(
    KernelBuilder &, Value panel, Value column, Value row, TileShape)>;

/// Called once for a panel that several rows meet, before they do.
using PrepareBody = llvm::function_ref<void(KernelBuilder &, Value panel)>;

/// The loop nest around one register tile: panels in parallel, row tiles
/// inside, so that a panel stays in the second-level cache while all rows pass
/// over it, and in them the parts of the panel, so that the rows stay in the
/// first-level cache. Rows that are left over are tiles of their own. A single
/// row takes whole panels. The whole is `init`, `[M, N]`.
Value emitTiles(KernelBuilder &b, Value init, const Tiling &tiling,
                TileBody tile, PrepareBody prepare = nullptr);

/// `out`, `[M, 32]`, with the results of a tile of `count` rows, which are at
/// most those of the tiling.
using PassingBody =
    llvm::function_ref<Value(KernelBuilder &, Value panel, Value column,
                             Value row, Value count, Value out)>;

/// The same nest for tiles that rows pass one by one, in a loop: what is left
/// over is a tile of fewer.
Value emitPassingTiles(KernelBuilder &b, Value init, const Tiling &tiling,
                       PassingBody tile, PrepareBody prepare);

/// The 128 bytes of row `row` of a panel, `[N, rows, columns]`, as a vector,
/// for whoever reads each row once and in order: those that come next are asked
/// for, which gives a tenth more than what the machine guesses of one thread's
/// reads.
Value readPanelRow(KernelBuilder &b, Value panels, Value panel, Value row);

/// Asks for what the panel after `panel` has at the same place, for few rows,
/// which are done with a panel before memory has delivered the next.
void prefetchNextPanel(KernelBuilder &b, Value panels, Value panel, Value row,
                       Value column);

/// Numbers of a row to be read at once: one, or where they become lanes those
/// of 16 bytes.
int64_t runOf(Value rows, bool rowLanes);

/// Reads the rows of a tile in runs of `run` numbers, each once.
class RowReader {
public:
  RowReader(Value rows, int64_t run) : rows(rows), run(run) {}

  /// The number `i` of the run that begins at `k`, of `row`, the `r`-th of the
  /// tile.
  Value number(KernelBuilder &b, Value row, int64_t r, Value k, int64_t i);

  /// The numbers `[first, first + count)` of it.
  Value numbers(KernelBuilder &b, Value row, int64_t r, Value k, int64_t first,
                int64_t count);

private:
  Value whole(KernelBuilder &b, Value row, int64_t r, Value k);

  Value rows;
  int64_t run;
  llvm::SmallDenseMap<int64_t, Value> runs;
};

/// `acc[n] + sum over kk of w[n, kk] * x[kk]` of u8 by s8 or of signed numbers
/// in i32, or of bf16 in f32: the forms that the target turns into its dot
/// instructions. `w` holds the `kk` of one `n` side by side.
Value emitDot(KernelBuilder &b, Value w, Value x, Value acc,
              bool isSigned = false);

/// `rows [M, K]` widened once, for tiles that would each widen them again:
/// bf16 to f32, bytes to i16 with the four of each word in the order 0, 2, 1,
/// 3, as even and odd bytes of the weights are multiplied apart. A single row
/// meets each weight once and stays as it is.
Value widenRows(mlir::OpBuilder &builder, mlir::Location loc, Value rows);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_TILELOOPS_H
