// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The assembly line: a decoder layer from a few verbs.

#ifndef FLOW_BUILDERS_GEMMALAYERBUILDER_H
#define FLOW_BUILDERS_GEMMALAYERBUILDER_H

#include "flow/Builders/GemmaStep.h"

#include <string>

namespace flow {

/// What `selfAttention` is to do. Names are those of ops in the model.
struct SelfAttention {
  /// Heads, scale, cap, and which norms heads get.
  AttentionSpecAttr spec;
  MaskAttr mask;
  /// A `flow.rope_table` with the heads' `head_dim`.
  llvm::StringRef rope;
  /// A `flow.kv_cache` with the spec's `kv_heads` and `head_dim`; empty: the
  /// rows of the step see each other only, as when texts are scored.
  llvm::StringRef cache;
  /// Project queries only, and read what an earlier layer of the step has
  /// written to `cache`.
  bool shared = false;
};

/// Builds one layer as an assembly line. One current value, the stream `[T, d]`
/// at first, goes through the verbs in the order of the calls; saved residuals
/// lie beside the line on a stack. Verbs emit `flow` stages.
///
/// ```c++
/// FailureOr<Value> out = GemmaLayerBuilder(step, "layer0", in)
///                            .residualSave()
///                            .rmsNorm("attention_norm")
///                            .selfAttention({spec, mask, "local", "kv0"})
///                            .linear("o")
///                            .residualAdd()
///                            .residualSave()
///                            .rmsNorm("ffn_norm")
///                            .geGlu()
///                            .residualAdd()
///                            .finish();
/// ```
///
/// Weights go by symbol: that of the `flow.layer` with this layer's name if
/// there is one that has it, else that of the model.
///
/// Stages are named `LAYER/WHAT` on their locations, and functions, remarks and
/// profiles take their names from there. `LAYER` should not contain a slash:
/// what precedes the first one is the layer for `flow-share-layers`.
///
/// The first mistake is reported as a diagnostic at the model that begins with
/// the layer's name; all later verbs do nothing, and `finish` fails. The step
/// and its function are then to be thrown away.
class GemmaLayerBuilder {
public:
  /// Begins the layer `name` of the step, which must outlive the builder, with
  /// the current value `stream`, `[T, d]` of f32.
  GemmaLayerBuilder(GemmaStep &step, llvm::StringRef name, mlir::Value stream);

  /// Names what the next verb emits `LAYER/what` rather than as it would: the
  /// stage itself or, for verbs that emit several, what their names begin with.
  GemmaLayerBuilder &named(llvm::StringRef what);

  /// Puts the current value on the stack of residuals, and leaves it.
  GemmaLayerBuilder &residualSave();
  /// Takes the residual saved last and adds the current value to it. Both have
  /// one type. Named `add`.
  GemmaLayerBuilder &residualAdd();

  /// Norms rows by the model's epsilon, or `eps` if it is positive, and scales
  /// them by `weight`, `[d]`. Named as the weight.
  GemmaLayerBuilder &rmsNorm(llvm::StringRef weight, double eps = 0);

  /// `x Wᵀ` with `weight`, `[out, in]`. Named as the weight.
  GemmaLayerBuilder &linear(llvm::StringRef weight);

  /// The heads' results side by side, `[T, heads * head_dim]`: projections with
  /// @q, @k and @v, norms with @q_norm and @k_norm, rotation, cache, attention.
  /// Which of these weights it needs is said by the spec, as for `flow.layer`.
  /// Named `attention/q`, `attention/k_rope`, `attention/attend` and so on.
  GemmaLayerBuilder &selfAttention(const SelfAttention &attention);

  /// Gives out the keys and values that the last `selfAttention` read. They are
  /// those very values: nothing is computed again. `tap` is set at once.
  GemmaLayerBuilder &kvTap(KeysAndValues &tap);

  /// The gated MLP with @gate and @up, `[F, d]`, and @down, `[d, F]`. Named
  /// `ffn/gate` and so on.
  GemmaLayerBuilder &geGlu();

  /// Adds to the current value a mixture of experts of the residual saved last,
  /// of which each row uses the best `used`: router, choice, experts and the
  /// norm after them, as of `experts` of `flow.layer`, with the weights named
  /// there from @router_scale to @post_expert_norm. Named `ffn/router` and so
  /// on.
  GemmaLayerBuilder &moe(int64_t used);

  /// What token and embedding say to this layer, gated by the current value:
  /// the branch of `per_layer` of `flow.layer`, its last norm included, with
  /// the weights named there. Named `per_layer/gate` and so on.
  GemmaLayerBuilder &perLayer();

  /// Multiplies the current value by the one element of `weight`, `[1]`. Named
  /// `scale`.
  GemmaLayerBuilder &scale(llvm::StringRef weight);

  /// Puts any op between the stages: `emit` gets a builder at the end of the
  /// line and the current value, and returns the value that takes its place, or
  /// null after a mistake that it has reported. Named `stage`.
  GemmaLayerBuilder &stage(
      llvm::function_ref<mlir::Value(mlir::ImplicitLocOpBuilder &, mlir::Value)>
          emit);

  /// Ends the layer: no residual may be left, the value must have the type of
  /// the stream, and every op must verify. No verb may follow.
  mlir::FailureOr<mlir::Value> finish();

private:
  /// False, with a diagnostic unless there was one before.
  bool fail(const llvm::Twine &what);
  /// True if the verb can begin: names its stages and takes what `named` said.
  bool begin(llvm::StringRef verb, llvm::StringRef name);
  /// Names the next op `LAYER/NAME/part`, or `LAYER/NAME` without a part.
  void name(llvm::StringRef part = "");

  /// The weight with this shape, or null after an error. -1 is any extent.
  WeightOp findWeight(llvm::StringRef symbol, llvm::ArrayRef<int64_t> shape);
  mlir::Value weight(WeightOp op) { return step.createWeightRef(b, op); }
  /// The op of the model that is called `symbol`, or null after an error.
  template <typename Op> Op findOp(llvm::StringRef symbol);
  /// The stream's width, or -1 after an error.
  int64_t getWidth();

  mlir::Value norm(mlir::Value x, mlir::Value scale);
  mlir::Value project(mlir::Value x, WeightOp by);
  mlir::Value splitHeads(mlir::Value x, int64_t heads, int64_t headDim);
  /// What attention reads, after the step's rows were written; null after an
  /// error.
  KeysAndValues append(KvCacheOp cache, KeysAndValues rows);

  GemmaStep &step;
  mlir::ImplicitLocOpBuilder b;
  std::string layer;
  mlir::Type type;
  mlir::Value current;
  llvm::SmallVector<mlir::Value> residuals;
  KeysAndValues tapped;
  /// What the stages of the verb at hand are called, and what `named` asked
  /// for.
  std::string verbName, nextName;
  /// The op before the layer's first, or null.
  mlir::Operation *before;
  bool failed = false, finished = false;
};

/// Builds the layer that the recipe `layer` describes from the verbs above.
/// Stages have the names that `flow-expand-layers` gives.
mlir::FailureOr<mlir::Value> buildLayer(GemmaStep &step, LayerOp layer,
                                        mlir::Value stream);

} // namespace flow

#endif // FLOW_BUILDERS_GEMMALAYERBUILDER_H
