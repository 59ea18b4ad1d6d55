// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products that become products of AMX tiles once they have buffers.

#ifndef FLOW_LIB_CODEGEN_CPU_AMXTILES_H
#define FLOW_LIB_CODEGEN_CPU_AMXTILES_H

#include "KernelBuilder.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace flow::cpu {

/// Whether a product with `panels` is a loop of its own, which becomes a
/// function: LLVM configures tiles for a whole function, and in one that has
/// several products it may find no place for that.
bool haveOwnFunction(Value panels);

/// Whether rows `[M, K]` by `panels` of bf16 are that, and whole tiles deep.
bool fitAmxTiles(Value rows, Value panels);

/// `rows [M, K]` by `panels [N/32, K/2, 64]` of bf16 into `init [M, N]`: a
/// parallel loop over panels with a `linalg.generic` for each, which is left to
/// `cpu-amx-tiles`, as tiles are read from memory and written there.
Value emitAmxProduct(KernelBuilder &b, Value rows, Value panels, Value init);

/// The dot products of `count` rows of signed bytes `[M, K]`, from `row` and
/// `column` on, with those of a panel `[K/4, 128]` from `quad` on, `depth`
/// deep: `vector<32xi32>` for each row. The sums of tiles are read back from
/// memory.
llvm::SmallVector<Value> emitAmxDots(KernelBuilder &b, Value rows, Value row,
                                     Value column, Value panel, Value quad,
                                     int64_t count, int64_t depth);

/// Whether `op` on tensors is one that the two above left.
bool isLeftForAmxTiles(mlir::linalg::LinalgOp op);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_AMXTILES_H
