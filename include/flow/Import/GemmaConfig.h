// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The numbers of a Gemma model, from the metadata of its file.

#ifndef FLOW_IMPORT_GEMMACONFIG_H
#define FLOW_IMPORT_GEMMACONFIG_H

#include "flow/Import/GgufReader.h"

#include <vector>

namespace flow {

/// One layer of a decoder by its numbers.
struct GemmaLayer {
  /// Windowed rather than full.
  bool sliding = false;
  int64_t kvHeads = 0, headDim = 0, ffn = 0;
  /// The values are the keys as they were projected.
  bool kEqV = false;
  /// The stream is multiplied by a weight in the end.
  bool scalar = false;
  /// The gates of experts are a tensor apart from the rest of them.
  bool splitExperts = false;
  /// The layer whose keys and values this one reads rather than its own; -1 =
  /// none.
  int64_t source = -1;
};

/// The rotary embedding of a kind of layers: angles are
/// `position * theta^(-2 i / headDim) / factor` for the first `pairs` pairs,
/// all of a head where `pairs` is 0.
struct GemmaRope {
  float theta = 0, factor = 1;
  int64_t pairs = 0;
};

/// The mixture of experts that stands beside the MLP of each layer. No experts:
/// no mixture.
struct GemmaExperts {
  /// Experts, those that a row uses, and their inner width.
  int64_t count = 0, used = 0, width = 0;
};

/// A Gemma decoder by its numbers. Every field has been checked.
struct GemmaConfig {
  std::string architecture;
  int64_t hidden = 0, heads = 0, vocab = 0, context = 0;
  std::vector<GemmaLayer> layers;
  /// Keys that a sliding layer sees, the query's own included; 0 where no layer
  /// slides.
  int64_t window = 0;
  /// Width of what tokens and embeddings say to each layer; 0 = nothing.
  int64_t perLayer = 0;
  GemmaExperts experts;
  /// Of full and of sliding layers.
  GemmaRope ropeFull, ropeSliding;
  /// Factor on attention scores, 0 = `headDim^-1/2`; caps, 0 = none.
  float attentionScale = 0, attentionSoftcap = 0, finalSoftcap = 0;
  float eps = 0;
  /// Norms on query and key heads, on value heads (without weight), and after
  /// both branches.
  bool qkNorm = false, vNorm = false, postNorms = false;
  /// The head is the embedding.
  bool tiedHead = true;
};

/// Reads the configuration of a `gemma`, `gemma2`, `gemma3` or `gemma4` file.
/// Another architecture, a missing or impossible number, or a tensor that is
/// missing, surplus or of the wrong shape is an error that names it.
llvm::Expected<GemmaConfig> readGemmaConfig(const GgufReader &file);

} // namespace flow

#endif // FLOW_IMPORT_GEMMACONFIG_H
