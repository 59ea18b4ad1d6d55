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

/// Checks that the tensors of `file` are those of `config` and no others, of
/// the right shapes and of types that can be computed with. With
/// `tensorsDecide`, what no key of a GGUF file says is first taken from them:
/// the vocabulary, whether there is a head, and in Gemma 4 which layers have
/// values of their own and a last factor.
llvm::Error checkTensors(GemmaConfig &config, const ModelFile &file,
                         bool tensorsDecide);

/// Lets the last `shared` layers, of as many at most, read the keys and values
/// of the last of the others of their kind. Returns a layer for which there is
/// none, or -1.
int64_t shareKeysAndValues(GemmaConfig &config, int64_t shared);

} // namespace flow

#endif // FLOW_LIB_IMPORT_CONFIGCHECKS_H
