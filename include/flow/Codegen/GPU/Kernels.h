// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builders of the kernels of a decoder layer for NVIDIA GPUs.
//
// A kernel is a `gpu.func` of pointers to global memory and of i32. The shapes
// that a model fixes are constants in it and part of its name; what changes
// from step to step, it reads from a `StepField` table, so that a captured
// graph of launches stays valid. Tensors are row-major; `bf16` rows and weights
// begin at multiples of 16 bytes.

#ifndef FLOW_CODEGEN_GPU_KERNELS_H
#define FLOW_CODEGEN_GPU_KERNELS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/Pass/Pass.h"

#include <array>
#include <optional>
#include <string>

namespace flow::cuda {

/// The i32 values of the step at hand, in this order: the absolute position of
/// row 0, the number of rows, and the number of spans, which only kernels that
/// are given spans read.
enum class StepField { Start, Rows, Spans };

/// One dimension of a grid: `ceil(rows * times / per)` for the rows of the
/// step, or `times` where `per` is 0.
struct GridSize {
  int64_t times = 1, per = 0;
};

/// Rows and columns of what a kernel fetches of a matrix at once.
struct Box {
  int64_t rows = 0, columns = 0;
};

/// The attribute of a kernel whose first parameters are tensor maps: rows and
/// columns of the boxes of each, one after the other.
constexpr llvm::StringLiteral kBoxesAttrName = "flow.boxes";

/// A kernel and how it is launched, whatever its arguments.
struct KernelLaunch {
  std::string kernel;
  int64_t threads = 0;
  /// Of dynamic shared memory.
  int64_t sharedBytes = 0;
  /// CTAs that an SM is to hold at the same time: a bound for the registers.
  int64_t blocksOfSm = 1;
  std::array<GridSize, 3> grid;
  /// The boxes of the first parameters, which are tensor maps of matrices of
  /// bf16 rather than pointers to them.
  llvm::SmallVector<Box, 2> boxes;
};

/// Where kernels go, and for what they are built.
struct KernelTarget {
  mlir::gpu::GPUModuleOp module;
  /// Shared memory that a CTA may ask for: 101376 on sm_86, 89 and 120, 166912
  /// on sm_80, 232448 on sm_90 and 100.
  int64_t sharedMemoryLimit = 101376;
  /// It has wgmma and copies by tensor maps: sm_90a.
  bool hasWarpgroups = false;
};

/// What becomes of the sums of a product.
enum class Epilogue {
  /// Stored as f32, or rounded to bf16.
  F32,
  Bf16,
  /// `cap * tanh(x / cap)`, f32.
  Softcap,
  /// Columns hold 16 gates and 16 ups in turn: `gelu(gate) * up` as bf16, half
  /// as many columns.
  Gated
};

/// How a matrix of weights lies in memory: as bf16 where `bits` is 16, else as
/// `#flow.weight_blocks` of 8 or 4 bits says, whose parameters the others are.
struct WeightFormat {
  int64_t bits = 16;
  int64_t block = 32;
  bool wideScales = false, hasMin = false;

  bool isBlocks() const { return bits != 16; }
};

/// `x [T, depth] bf16` times `weights [columns, depth]` transposed. Weights are
/// exact, sums are f32.
struct Product {
  /// Multiples of 8, `columns` of 64 if gated, `depth` of 32 if the weights are
  /// in blocks.
  int64_t columns = 0, depth = 0;
  Epilogue epilogue = Epilogue::F32;
  double cap = 0;
  WeightFormat weights = {};
};

/// Any number of rows, by tiles of tensor-core products.
/// Parameters: x, weights, result, step.
KernelLaunch buildRowsProduct(mlir::OpBuilder &builder,
                              const KernelTarget &target,
                              const Product &product);

/// The same by wgmma on tiles that tensor maps fetch, for a target that has
/// both. Parameters: x and weights as tensor maps, result, step.
KernelLaunch buildWarpgroupProduct(mlir::OpBuilder &builder,
                                   const KernelTarget &target,
                                   const Product &product);

/// Makes the parameters that `kBoxesAttrName` counts 128 bytes by value, once
/// kernels are functions of the LLVM dialect: `gpu.func` may not have the
/// attributes that say so.
std::unique_ptr<mlir::Pass> createPassTensorMapsByValue();

/// One row, by a stream of the weights. Parameters: x, weights, result.
KernelLaunch buildVectorProduct(mlir::OpBuilder &builder,
                                const KernelTarget &target,
                                const Product &product);

/// `table[tokens[t], :] * scale`, f32. Parameters: tokens [T] i32, table [V,
/// width], result [T, width] f32. The width is a multiple of 8, or of 32 if the
/// table is in blocks, which alone needs to know the V `rows` of it.
KernelLaunch buildEmbed(mlir::OpBuilder &builder, const KernelTarget &target,
                        int64_t width, double scale,
                        const WeightFormat &table = {}, int64_t rows = 0);

/// The last row of the step. Parameters: x [T, rowBytes], result [1, rowBytes],
/// step. Rows are a multiple of 16 bytes.
KernelLaunch buildLastRow(mlir::OpBuilder &builder, const KernelTarget &target,
                          int64_t rowBytes);

/// The angles of one rotary embedding, as `flow.rope_table` has them.
struct RopeAngles {
  double theta = 0, factor = 1;
  /// `pairs` is at most half of `headDim`, which is even.
  int64_t headDim = 0, pairs = 0;
};

/// `(cos, sin)(position * theta^(-2 i / headDim) / factor)` of each row's
/// position and pair i, of angle 0 for pairs that do not turn; computed in f64,
/// rounded once. Parameters: result [T, headDim / 2, 2] f32, step.
KernelLaunch buildRopeAngles(mlir::OpBuilder &builder,
                             const KernelTarget &target,
                             const RopeAngles &rope);

/// What a norm's rows leave as.
enum class RowType { F32, Bf16 };

/// `rms_norm(x) * weight` of rows of f32, a multiple of 4 wide.
struct RowNorm {
  int64_t width = 0;
  double eps = 0;
  bool hasWeight = true;
  RowType result = RowType::Bf16;
  /// Such rows, one after the other, in a row of the step: its heads.
  int64_t heads = 1;
};

/// Parameters: x [T, heads, width] f32, weight [width] f32 if there is one,
/// result [T, heads, width].
KernelLaunch buildRowNorm(mlir::OpBuilder &builder, const KernelTarget &target,
                          const RowNorm &norm);

/// `sum = (stream + branch) * sumScale` and `rms_norm(sum) * weight`, where
/// branch may be normed and weighted first.
struct SumNorm {
  RowNorm norm;
  bool hasBranchWeight = false, hasSumScale = false;
  /// Of the branch's norm.
  double branchEps = 0;
  /// Without, the sum itself takes the place of its norm, and there is no
  /// weight.
  bool isNormed = true;
  /// Without, the sum is the stream: only the norm is made, and no sum leaves.
  bool hasBranch = true;
  /// The branch is `rms_norm(a) * v + rms_norm(b) * w`, of `partEps`.
  bool hasParts = false;
  double partEps = 0;
  /// The row that leaves is `gelu(gate)` times it, and no sum does.
  bool hasGate = false;

  bool storesSum() const { return hasBranch && !hasGate; }
};

/// Parameters: stream, branch [T, width] f32, branch weight [width] f32 if
/// there is one, sum scale [1] f32 if there is one, weight [width] f32 of a
/// norm, sum [T, width] f32, normed [T, width]. With parts, a, v, b and w take
/// the place of the branch. A sum has to be stored.
KernelLaunch buildSumNorm(mlir::OpBuilder &builder, const KernelTarget &target,
                          const SumNorm &norm);

/// A product of one row, which is the norm of a sum, a row of bf16 as wide as
/// the product is deep. Every CTA makes the norm for itself, so that there is
/// no launch between the two. Parameters: those of `buildSumNorm` up to the
/// sum, gate [1, width] f32 if there is one, weights of the product, the sum if
/// it is stored, result of the product.
KernelLaunch buildNormedVectorProduct(mlir::OpBuilder &builder,
                                      const KernelTarget &target,
                                      const Product &product,
                                      const SumNorm &norm);

/// What becomes of rows element by element.
enum class ElementOp {
  /// `x + y`, f32.
  Add,
  /// `x`, rounded to bf16.
  Round,
  /// `gelu(x) * y`, rounded to bf16.
  Gate
};

/// Rows of f32, a multiple of 4 wide. Parameters: x [T, width], y [T, width]
/// unless it only rounds, result [T, width].
KernelLaunch buildElements(mlir::OpBuilder &builder, const KernelTarget &target,
                           ElementOp op, int64_t width);

/// What becomes of queries, keys and values behind their common product.
struct HeadRows {
  /// `headDim` is a multiple of 2. There may be no KV heads.
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  double eps = 0;
  /// Queries and keys are normed, with weights; values are, without.
  bool hasNorms = false, hasValueNorm = false;
  /// Values are what keys are before norm and rotation; the product has no
  /// columns of their own.
  bool keysAreValues = false;

  /// Numbers of a row of the product.
  int64_t columns() const {
    return (heads + (keysAreValues ? 1 : 2) * kvHeads) * headDim;
  }
};

/// Norms and turns the heads of each row, writes keys and values into their
/// caches [C, KV, D] at position mod C, and queries as bf16. Parameters:
/// product [T, (H + 2 KV) * D] f32, query weight and key weight [D] f32 if
/// there are norms (of keys, where there are KV heads), angles [T, D/2, 2] f32,
/// keys, values, query [T, H, D] bf16, step, capacity C (i32). Without KV heads
/// there are neither caches nor step nor capacity.
KernelLaunch buildHeadRows(mlir::OpBuilder &builder, const KernelTarget &target,
                           const HeadRows &rows);

/// Causal attention over a cache of keys and values, which is a ring: the key
/// of position p lies in row `p % C` of C. A query of position p sees the keys
/// from `p - window + 1` on, all of them where `window` is 0, up to its own:
///
/// ```
/// z[j]         = cap( scale * <query[t,h,:], key[j,g,:]> )     g = h / (H /
/// KV) result[t,h,:] = sum over j of softmax(z)[j] * value[j,g,:]
/// ```
///
/// `cap(z)` is `softcap * tanh(z / softcap)`, or z without one. Scores, softmax
/// and sums are f32; the weights are rounded to bf16 for the product with the
/// values, their sum is not.
///
/// C is a multiple of 64, at least `window` and the rows of a step, or 64,
/// together, or all positions where there is no window.
///
/// With spans, ranges of positions, a query also sees the keys of its span that
/// are in the cache: those behind it, and those in front of the window where
/// spans are free. Of spans that overlap, the last that holds it is its own.
struct Attention {
  /// `kvHeads` divides `heads`. `headDim` is 64, 128, 256 or 512.
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  int64_t window = 0;
  std::optional<double> softcap;
  double scale = 1;
  enum class Spans { None, Windowed, Free } spans = Spans::None;
};

/// All rows of a step, whose own keys are in the cache already.
/// Parameters: query [T, H, D] bf16, keys and values [C, KV, D] bf16, spans
/// [N, 2] i32 at a multiple of 8 bytes if there are any, result [T, H, D] bf16,
/// step, C (i32).
KernelLaunch buildRowsAttention(mlir::OpBuilder &builder,
                                const KernelTarget &target,
                                const Attention &attention);

/// The same by wgmma on tiles that tensor maps fetch, for a target that has
/// both and heads of up to 256. Parameters: keys and values as tensor maps of
/// [C, KV * D], query, spans if there are any, result, step, C.
KernelLaunch buildWarpgroupAttention(mlir::OpBuilder &builder,
                                     const KernelTarget &target,
                                     const Attention &attention);

/// A kernel whose CTAs share the keys of one row; the last of them to finish
/// puts their results together. It counts them in memory of its module, so of
/// one kernel there is one launch at a time.
struct SplitAttention {
  KernelLaunch launch;
  /// f32 of the workspace, which begins at a multiple of 16 bytes.
  int64_t workspaceFloats = 0;
};

/// The last row of a step, at `Start + Rows - 1`, without spans. Parameters:
/// query [1, H, D] bf16, keys and values [C, KV, D] bf16, workspace, result [1,
/// H, D] bf16, step, C (i32).
SplitAttention buildSplitAttention(mlir::OpBuilder &builder,
                                   const KernelTarget &target,
                                   const Attention &attention);

/// The same for the only row of a step, whose heads it makes as `buildHeadRows`
/// does, and whose key and value it writes into the caches. Heads without KV
/// heads of their own attend to what is in the caches already. No more than 16
/// heads share a KV head. Parameters: product, query weight, key weight and
/// angles as there, keys, values, workspace, result [1, H, D] bf16, step, C.
SplitAttention buildDecodeAttention(mlir::OpBuilder &builder,
                                    const KernelTarget &target,
                                    const Attention &attention,
                                    const HeadRows &heads);

} // namespace flow::cuda

#endif // FLOW_CODEGEN_GPU_KERNELS_H
