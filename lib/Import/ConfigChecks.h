// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What configurations of all file formats are checked against.

#ifndef FLOW_LIB_IMPORT_CONFIGCHECKS_H
#define FLOW_LIB_IMPORT_CONFIGCHECKS_H

#include "flow/Import/GemmaConfig.h"

namespace flow {

/// Bounds that any decoder of this kind keeps by far; they keep products of
/// two such numbers within 64 bits.
constexpr int64_t kMaxLayers = 512, kMaxWidth = 1 << 20, kMaxVocab = 1 << 24,
                  kMaxContext = 1 << 28, kMaxExperts = 512;

/// A tensor that a configuration asks for.
struct ExpectedTensor {
  /// As GGUF files call it.
  std::string ggufName;
  llvm::SmallVector<int64_t, 4> dims;
  /// Nobody reads it, and a file may have it or not, in any shape.
  bool isDead = false;
};

/// All tensors of a model with these numbers, those of its layers last.
std::vector<ExpectedTensor> expectedTensors(const GemmaConfig &config);

/// Checks that the tensors of `file` are those of `config` and no others, of
/// the right shapes and of types that can be computed with. With
/// `tensorsDecide`, what no key of a GGUF file says is first taken from them:
/// the vocabulary, whether there is a head, and in Gemma 4 which layers have
/// values of their own and a last factor. The error names all that is missing,
/// surplus or wrong, up to a bound, in lines of their own where it is more than
/// one tensor.
llvm::Error checkTensors(GemmaConfig &config, const ModelFile &file,
                         bool tensorsDecide);

/// Lets the last `shared` layers, of as many at most, read the keys and values
/// of the last of the others of their kind. Returns a layer for which there is
/// none, or -1.
int64_t shareKeysAndValues(GemmaConfig &config, int64_t shared);

} // namespace flow

#endif // FLOW_LIB_IMPORT_CONFIGCHECKS_H
