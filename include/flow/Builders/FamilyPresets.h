// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Recipes of whole families of Gemma, from the few numbers that sizes differ
// in.

#ifndef FLOW_BUILDERS_FAMILYPRESETS_H
#define FLOW_BUILDERS_FAMILYPRESETS_H

#include "flow/Builders/LayerRecipe.h"

#include <vector>

namespace flow {

/// A generation of Gemma text decoders.
///
/// | | Gemma1 | Gemma2 | Gemma3 | Gemma4 |
/// |---|---|---|---|---|
/// | norms of a layer | pre | sandwich | sandwich | sandwich |
/// | norms of heads | | | q, k | q, k, v |
/// | scores times | `D^-1/2` | `queryScalar^-1/2` | the same | 1 |
/// | caps on scores, logits | | 50, 30 | | none, 30 |
/// | full layers | all | every 2nd | every 6th | every 6th and the last |
/// | rotary base, full and sliding | 1e4 | 1e4 | 1e6, 1e4 | 1e6, 1e4 |
/// | pairs of full layers that turn | all | all | all | a quarter |
/// | scalar on the stream | | | | yes |
enum class GemmaFamily { Gemma1, Gemma2, Gemma3, Gemma4 };

/// What the sizes of a family differ in. Extents are positive and below 2^31
/// where nothing else is said. What a family does not have must keep its
/// default.
struct GemmaSizes {
  /// Width of the stream, rows of the embedding, largest number of positions.
  int64_t hidden = 0, vocab = 0, positions = 0;
  /// At most 512.
  int64_t layers = 0;
  int64_t heads = 0, kvHeads = 0, headDim = 0;
  /// Inner width of the MLP.
  int64_t width = 0;

  /// Gemma 2 to 4: keys that a sliding layer sees, the query's own included.
  int64_t window = 0;
  /// Gemma 2 to 4: every `period`-th layer is full; 0 = as in the table above.
  int64_t period = 0;
  /// Gemma 2 to 4: whether each layer is full, if it is no matter of a period;
  /// empty, or as long as there are layers.
  std::vector<bool> full;
  /// Gemma 2 and 3: scores are multiplied by `queryScalar^-1/2`; 0 = `headDim`.
  double queryScalar = 0;
  /// Gemma 3: angles of full layers are divided by it.
  double ropeFactor = 1;

  /// Gemma 4: `headDim` and `kvHeads` of full layers; 0 = as of the others.
  int64_t fullHeadDim = 0, fullKvHeads = 0;
  /// Gemma 4: values of full layers are their keys as they were projected.
  bool kEqV = false;
  /// Gemma 4: layers at the end that read the keys and values of the last one
  /// of their kind before them, and whether their MLPs are twice as wide.
  int64_t sharedLayers = 0;
  bool doubleWide = false;
  /// Gemma 4: width of what tokens and embeddings say to each layer; 0 =
  /// nothing.
  int64_t perLayer = 0;

  /// Gemma 4: experts beside the MLP of each layer, those that a row uses, and
  /// their inner width; all 0 = none.
  int64_t experts = 0, expertsUsed = 0, expertWidth = 0;

  /// How matrices are stored, and whether the norms of layers lack their 1 (in
  /// Hugging Face files of Gemma 1 to 3).
  Storage matrices = Storage::F32;
  bool unitOffset = false;
  /// The embedding scale is rounded to bf16, as Hugging Face does.
  bool bf16EmbeddingScale = false;
};

/// The layer `index` of a model with these sizes, in a model whose tables are
/// `rope`, or `rope_local` and `rope_global` if full and sliding layers turn
/// differently. What is wrong is an error that names the number and says what
/// it must be.
llvm::Expected<LayerRecipe> getLayerPreset(mlir::MLIRContext &context,
                                           GemmaFamily family,
                                           const GemmaSizes &sizes,
                                           int64_t index);

/// Makes the recipe @`name` of a whole model at the builder's insertion point.
/// Weights have no `from`: their symbol path is their name in the file. On an
/// error, as for `getLayerPreset`, there is no model.
llvm::Expected<ModelOp> createModel(mlir::OpBuilder &b, mlir::Location loc,
                                    llvm::StringRef name, GemmaFamily family,
                                    const GemmaSizes &sizes);

} // namespace flow

#endif // FLOW_BUILDERS_FAMILYPRESETS_H
