// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of row kernels and attention on tensors, as scf loops over vectors.
//
// Each builder emits one `scf.forall` (or a few) at the insertion point and
// returns the tensors that it makes. Rows are the leading dimension; `d`, `D`,
// `K` and the like are static multiples of the panel width 32 or stated
// otherwise. No builder depends on how many rows run together: a row's result
// is the same in every call.

#ifndef FLOW_CODEGEN_CPU_KERNELS_H
#define FLOW_CODEGEN_CPU_KERNELS_H

#include "mlir/IR/Builders.h"

#include <optional>

namespace flow::cpu {

/// Columns of a packed panel, and keys of a panel of the key cache.
constexpr int64_t kPanel = 32;

/// What the rows of a step, if they are several, are a multiple of: the largest
/// register tile. In a step of several sequences the rows of each begin at a
/// multiple too, unless each has a single row.
constexpr int64_t kRowTile = 12;

/// Rows quantised to 8 bits in blocks of 16 or 32 values: quants `[T, K] i8`,
/// and for each block its scale `[T, K/block] f32` and `-128 * sum of quants`
/// `[T, K/block] i32`.
struct QuantizedRows {
  mlir::Value quants, scales, sums;
};

/// What rows `[T, K]` are stored as: f32, bf16 (rounded to the nearest, ties to
/// even; a NaN stays one unless its fraction is all ones) or `QuantizedRows`.
struct RowLayout {
  enum class Kind { F32, Bf16, Quantized };
  Kind kind = Kind::F32;
  /// Of quantised rows: 16 or 32.
  int64_t block = 0;
};

/// Rows in a layout: one tensor, or quants, scales and sums.
using RowParts = llvm::SmallVector<mlir::Value, 3>;

/// `x [T, K] f32` in `layout`.
RowParts buildLaidOutRows(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::Value x, const RowLayout &layout);

/// `x [T, d] f32` normalised row by row, in `layout`; `weight [d]` may be null.
RowParts buildRmsNorm(mlir::OpBuilder &builder, mlir::Location loc,
                      mlir::Value x, mlir::Value weight, double eps,
                      const RowLayout &layout);

/// The sum of equal tensors `[T, d] f32`.
mlir::Value buildAdd(mlir::OpBuilder &builder, mlir::Location loc,
                     mlir::Value x, mlir::Value y);

/// `x [T, d] f32` times `factor [1]`.
mlir::Value buildScale(mlir::OpBuilder &builder, mlir::Location loc,
                       mlir::Value x, mlir::Value factor);

/// `sum = stream + branch` (branch normed and scaled by `branchWeight [d]` if
/// given), times `sumScale [1]` if given, and `rms_norm(sum) * weight` in
/// `layout`, of `[T, d] f32`.
std::pair<mlir::Value, RowParts>
buildAddRmsNorm(mlir::OpBuilder &builder, mlir::Location loc,
                mlir::Value stream, mlir::Value branch,
                mlir::Value branchWeight, mlir::Value sumScale,
                mlir::Value weight, double eps, const RowLayout &layout);

/// `gelu(gate) * up` of equal tensors `[T, F] f32`, in `layout`.
RowParts buildGeglu(mlir::OpBuilder &builder, mlir::Location loc,
                    mlir::Value gate, mlir::Value up, const RowLayout &layout);

/// `gelu(gate) * up` of `[T, 2 F] f32` whose columns hold 16 gates and 16 ups
/// in turn; the result is `[T, F]` in `layout`.
RowParts buildInterleavedGeglu(mlir::OpBuilder &builder, mlir::Location loc,
                               mlir::Value gateUp, const RowLayout &layout);

/// `cap * tanh(x / cap)` of `[T, N] f32`.
mlir::Value buildSoftcap(mlir::OpBuilder &builder, mlir::Location loc,
                         mlir::Value x, double cap);

/// The `count` largest of each row of `x [T, N] f32`, `[T, count]`, and their
/// columns, `[T, count] i32`, as `flow.top_k` says. With `cap` they are the
/// largest of `cap * tanh(x / cap)`. `N` may be any number, but one with a
/// large power of two is quicker.
std::pair<mlir::Value, mlir::Value> buildTopK(mlir::OpBuilder &builder,
                                              mlir::Location loc, mlir::Value x,
                                              int64_t count,
                                              std::optional<double> cap);

/// Says of `logits [T, N]`, the reshaped result of a product, that nothing is
/// read of them but the `count` largest of each row, or of their `cap * tanh(x
/// / cap)`: the others may be minus infinity. `cpu-tile-contractions` screens
/// the product of a single row with weights whose leading bits lie apart.
void allowScreening(mlir::Value logits, int64_t count,
                    std::optional<double> cap);

/// The `chosen` experts with the largest of `factor * logits [T, E] f32`, the
/// largest first, as `[T, chosen] i32`, and their shares `[T, chosen] f32`:
/// what softmax gives them, made to sum to 1, times `expertScale [E]`.
std::pair<mlir::Value, mlir::Value>
buildRouteExperts(mlir::OpBuilder &builder, mlir::Location loc,
                  mlir::Value logits, mlir::Value expertScale, double factor,
                  int64_t chosen);

/// Rows sorted by the experts that they chose: a group of rows for each expert
/// that is anybody's choice.
struct ExpertGroups {
  /// The number of groups, an index.
  mlir::Value count;
  /// Of each group its expert, first row and rows, a multiple of the tile; `[E]
  /// i32`, of which `count` are written.
  mlir::Value experts, firsts, sizes;
  /// Which row each sorted row is, `[?] i32`, those that only fill a tile
  /// included.
  mlir::Value owners;
  /// Where each choice of each row lies, `[T, k] i32`.
  mlir::Value places;
};

/// Sorts the rows of `chosen [T, k] i32`, numbers below `experts`, into groups
/// of whole tiles.
ExpertGroups buildExpertGroups(mlir::OpBuilder &builder, mlir::Location loc,
                               mlir::Value chosen, int64_t experts,
                               int64_t tile);

/// The rows of `rows [T, K]` that `owners [R] i32` names, `[R, K]`.
mlir::Value buildGatherRows(mlir::OpBuilder &builder, mlir::Location loc,
                            mlir::Value rows, mlir::Value owners);

/// `sum over j of shares[t, j] * outputs[places[t, j], :]`, `[T, d] f32`.
mlir::Value buildCombineExperts(mlir::OpBuilder &builder, mlir::Location loc,
                                mlir::Value outputs, mlir::Value places,
                                mlir::Value shares);

/// What happens to one head of a row: an optional norm (by `weight [D]`, or
/// without weight if `norm` alone is set) and an optional rotation by the
/// row's `angles [T, D/2, 2]`.
struct HeadStage {
  bool norm = false;
  mlir::Value weight;
  double eps = 0;
  mlir::Value angles;
};

/// Where keys and values are kept, as f32, bf16 or f16. Keys lie in panels of
/// 32 positions `[KV, C/32, D, 32]`, values in panels of 32 of their numbers
/// `[KV, D/32, C, 32]`: what a sum over the numbers of a key, or over
/// positions, reads lies in the order in which it is read.
struct KvTensors {
  mlir::Value keys, values;
};

/// Heads that a kernel reads: `[T, N] f32` and the first of their columns.
struct HeadColumns {
  mlir::Value rows;
  int64_t first = 0;
};

/// `heads` heads through `stage`, as `[T, heads * headDim]`.
mlir::Value buildHeads(mlir::OpBuilder &builder, mlir::Location loc,
                       const HeadColumns &columns, int64_t heads,
                       int64_t headDim, const HeadStage &stage);

/// Writes keys and values of the rows `t < count` into the caches at positions
/// `(start + t) mod C`, keys through `keyStage`, values through `valueStage`.
KvTensors buildAppend(mlir::OpBuilder &builder, mlir::Location loc,
                      const HeadColumns &keys, const HeadStage &keyStage,
                      const HeadColumns &values, const HeadStage &valueStage,
                      const KvTensors &cache, mlir::Value start,
                      mlir::Value count);

/// Rows and f32 columns of sums that a target keeps in registers, beside what
/// they are made of. Results do not depend on it.
struct RegisterTile {
  int64_t rows = kRowTile, columns = kPanel;
};

/// The numbers of one attention.
struct AttentionShape {
  RegisterTile registers;
  /// What several rows are a multiple of: the tokens of a tile divide it.
  int64_t rowUnit = kRowTile;
  double scale = 1;
  /// Cap on scores before the mask; 0 = none.
  double softcap = 0;
  /// Keys visible to a query, its own included; 0 = no window.
  int64_t window = 0;
  /// Keys after the query's position are hidden.
  bool causal = true;
  /// The loop over key panels begins at the first key that the tile sees rather
  /// than at position 0.
  bool startsAtWindow = false;
  /// What the spans of `buildAttention` add to a causal mask: nothing without
  /// them; else the keys of a row's own span, within the window, or all of them
  /// if `freeSpans`.
  bool freeSpans = false;
};

/// Attention of `query [T, H, D] f32`, row `t` at position `start + t`, over
/// caches that hold the positions below `total`. `spans [N, 2] i32`, which may
/// be null, are ranges of positions whose rows see each other, ascending and
/// disjoint. `T` is static 1 or a multiple of the tile's tokens. The result is
/// `[T, H, D]`.
mlir::Value buildAttention(mlir::OpBuilder &builder, mlir::Location loc,
                           mlir::Value query, const KvTensors &cache,
                           mlir::Value start, mlir::Value total,
                           mlir::Value spans, const AttentionShape &shape);

/// The two for a step with rows of several sequences, whose caches have a
/// leading dimension of slots. `sequences [S, 4] i32` has a row for each: its
/// slot, the first of its rows, their number, and the position of the first. A
/// sequence begins at a multiple of `kRowTile`, and so many rows are there that
/// its last tile is whole; no slot is in two rows. The result of attention is
/// undefined in tiles of no sequence.
KvTensors buildSequenceAppend(mlir::OpBuilder &builder, mlir::Location loc,
                              const HeadColumns &keys,
                              const HeadStage &keyStage,
                              const HeadColumns &values,
                              const HeadStage &valueStage,
                              const KvTensors &slots, mlir::Value sequences);
mlir::Value buildSequenceAttention(mlir::OpBuilder &builder, mlir::Location loc,
                                   mlir::Value query, const KvTensors &slots,
                                   mlir::Value sequences,
                                   const AttentionShape &shape);

/// The same for a step of as many rows as sequences, any number, in which row
/// `t` is the only one of sequence `t`.
KvTensors buildSingleRowAppend(mlir::OpBuilder &builder, mlir::Location loc,
                               const HeadColumns &keys,
                               const HeadStage &keyStage,
                               const HeadColumns &values,
                               const HeadStage &valueStage,
                               const KvTensors &slots, mlir::Value sequences);
mlir::Value buildSingleRowAttention(mlir::OpBuilder &builder,
                                    mlir::Location loc, mlir::Value query,
                                    const KvTensors &slots,
                                    mlir::Value sequences,
                                    const AttentionShape &shape);

} // namespace flow::cpu

#endif // FLOW_CODEGEN_CPU_KERNELS_H
