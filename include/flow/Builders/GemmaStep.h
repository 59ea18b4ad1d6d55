// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What stands around the layers of one step: inputs, angles, caches, head.

#ifndef FLOW_BUILDERS_GEMMASTEP_H
#define FLOW_BUILDERS_GEMMASTEP_H

#include "flow/IR/FlowOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/StringMap.h"

#include <utility>

namespace flow {

/// Which rows of a step become logits: the last one, all of them, or none, the
/// result being the normed rows.
enum class StepLogits { Last, All, None };

/// The keys and values that an attention read, SSA values of one type: those of
/// a cache `[C, kv_heads, head_dim]` after the step's rows were written to it,
/// or the step's own rows `[T, kv_heads, head_dim]` in a layer without cache.
struct KeysAndValues {
  mlir::Value keys, values;
};

/// What a step is given: the tokens of its rows, and where these stand.
struct StepInputs {
  /// `[T]` of i32, `T` static or not.
  mlir::Value tokens;
  /// The absolute position of the first row, and how many rows from it on are
  /// no padding, both index. Null in a batch.
  mlir::Value start, count;
  /// In a batch the table `[S, 4]` of i32 that `flow.rope_angles` describes.
  mlir::Value sequences = {};
  /// Of a batch: row `t` is the only one of sequence `t`.
  bool singleRows = false;
  /// `[N, 2]` of i32, where a mask of the model has spans.
  mlir::Value spans = {};
};

/// One step of a model while it is being built: a function's block between its
/// inputs and its return. All ops go to the insertion point of the builder that
/// it was made with. Layers are added by `GemmaLayerBuilder`.
///
/// What is wrong is reported as a diagnostic at the model and a failure; the
/// function is then incomplete and to be thrown away.
class GemmaStep {
public:
  /// Emits what all layers read: the scaled embeddings of the tokens. The
  /// embedding scale is `sqrt(hidden)`, rounded as the model says. Fails if the
  /// model has no @embedding or no @final_norm.
  static mlir::FailureOr<GemmaStep>
  create(mlir::OpBuilder &builder, ModelOp model, const StepInputs &inputs);

  /// The stream before the first layer, `[T, hidden]` of f32.
  mlir::Value getEmbedded() const { return embedded; }
  ModelOp getModel() const { return model; }
  mlir::OpBuilder &getBuilder() { return b; }

  /// Norms the rows that are asked for and multiplies them by the head:
  /// `[1 or T, vocab]`, or `[T, hidden]` for `None`. `stream` is `[T, hidden]`.
  /// A batch has no last row.
  mlir::Value createHead(mlir::Value stream, StepLogits logits);

  /// The `count` largest of `logits`, `[T, vocab]`: values and tokens, `[T,
  /// count]` each.
  TopKOp createCandidates(mlir::Value logits, int64_t count);

private:
  friend class GemmaLayerBuilder;
  GemmaStep(mlir::OpBuilder &builder, ModelOp model, const StepInputs &inputs);

  void name(const llvm::Twine &what);
  /// `[T, inner...]` of f32.
  mlir::RankedTensorType getRowsType(llvm::ArrayRef<int64_t> inner);
  /// sqrt(width), rounded as the recipe says.
  llvm::APFloat getEmbeddingScale(int64_t width);
  /// The value of `weight`, of a layer or of the model.
  mlir::Value createWeightRef(mlir::ImplicitLocOpBuilder &at, WeightOp weight);
  /// The angles of `table`; emitted before the first layer when first asked
  /// for.
  mlir::Value getAngles(RopeTableOp table);

  mlir::ImplicitLocOpBuilder b;
  ModelOp model;
  StepInputs inputs;
  mlir::Value zero, rows, embedded;
  /// Positions that are known after the step; null in a batch.
  mlir::Value total;
  llvm::StringMap<mlir::Value> angles;
  /// The op after which the next angles go.
  mlir::Operation *lastInput = nullptr;
  /// By cache: what the layer that writes it has left.
  llvm::StringMap<KeysAndValues> written;
};

} // namespace flow

#endif // FLOW_BUILDERS_GEMMASTEP_H
