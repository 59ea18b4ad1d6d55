// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The numbers of a Gemma model, from the config.json of a Hugging Face folder.

#ifndef FLOW_IMPORT_HFCONFIG_H
#define FLOW_IMPORT_HFCONFIG_H

#include "flow/Import/GemmaConfig.h"

namespace flow {

/// What a config.json says. The numbers have been checked against each other,
/// not against tensors.
struct HfConfig {
  GemmaConfig gemma;
  /// Weights of norms are stored less 1.
  bool unitOffset = false;
  /// How released files store weights, and what they put before the names of
  /// the text decoder's tensors. Holds where there are no files to ask.
  ggml::Type storage = ggml::Type::BF16;
  std::string prefix = "model.";
  /// Special tokens; -1 and none where the file names none. Every `eos` ends
  /// an answer.
  int32_t bos = -1, pad = -1;
  std::vector<int32_t> eos;
};

/// Reads `text`, the contents of the config.json at `path`: a Gemma 1, 2 or 3
/// or a dense Gemma 4, its text decoder alone or within a multimodal model.
/// Keys that are missing have the values that the model's class gives them.
/// Another kind of model, a key of the wrong type, an impossible number, and
/// whatever changes the arithmetic and has no recipe here are errors that name
/// the key and its value. Keys that do not bear on inference are not read.
llvm::Expected<HfConfig> parseHfConfig(llvm::StringRef text,
                                       llvm::StringRef path);

} // namespace flow

#endif // FLOW_IMPORT_HFCONFIG_H
