// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The numbers of a Gemma model, from the metadata of its file.

#ifndef FLOW_IMPORT_GEMMACONFIG_H
#define FLOW_IMPORT_GEMMACONFIG_H

#include "flow/Import/GgufReader.h"

#include <vector>

namespace flow {

/// A Gemma decoder by its numbers. Every field has been checked.
struct GemmaConfig {
  std::string architecture;
  int64_t hidden = 0, layers = 0, heads = 0, kvHeads = 0, headDim = 0;
  int64_t ffn = 0, vocab = 0, context = 0;
  /// Keys that a sliding layer sees, the query's own included; 0 where no layer
  /// slides.
  int64_t window = 0;
  /// By layer: windowed rather than full.
  std::vector<bool> sliding;
  /// Rotary base of full and of sliding layers; full layers divide their
  /// angles by `ropeFactor`.
  float ropeThetaGlobal = 0, ropeThetaLocal = 0, ropeFactor = 1;
  /// Factor on attention scores; caps, 0 = none.
  float attentionScale = 0, attentionSoftcap = 0, finalSoftcap = 0;
  float eps = 0;
  /// Norms on query and key heads, and after both branches.
  bool qkNorm = false, postNorms = false;
  /// The head is the embedding.
  bool tiedHead = true;

  bool isSliding(int64_t layer) const { return sliding[layer]; }
};

/// Reads the configuration of a `gemma`, `gemma2` or `gemma3` file. Another
/// architecture, a missing or impossible number, or a tensor that is missing,
/// surplus or of the wrong shape is an error that names it.
llvm::Expected<GemmaConfig> readGemmaConfig(const GgufReader &file);

} // namespace flow

#endif // FLOW_IMPORT_GEMMACONFIG_H
