// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The numbers of a compiled model: parameters, and the memory that it will
// take.

#ifndef FLOW_COMPILER_MODELSUMMARY_H
#define FLOW_COMPILER_MODELSUMMARY_H

#include "flow/Compiler/Compiler.h"

namespace flow {

/// Caches that are alike.
struct CacheSummary {
  /// Positions that a query sees; 0 = all.
  int64_t window = 0;
  int64_t count = 0, kvHeads = 0, headDim = 0;
  /// `f32`, `bf16` or `f16`.
  std::string element;
  /// Positions that each has room for.
  int64_t positions = 0;
  /// Of keys and values of all of them.
  uint64_t bytes = 0;
};

/// What a model is and takes. Bytes are planned: none of it is touched before
/// it is used.
struct ModelSummary {
  /// Elements of all tensors that the recipe reads, each counted once however
  /// many weights are parts of it: a head that is the embedding is no second
  /// one, and the dead keys and values of sharing layers are none.
  int64_t parameters = 0;
  int64_t layers = 0;
  /// Positions, and tokens of a prefill step, that the caches are planned for.
  int64_t context = 0, chunk = 0;
  /// Those tensors in the file; what is packed from them, kernel layouts and
  /// norms; and of the file what is read where it lies, the tables of rows.
  uint64_t storedBytes = 0, packedBytes = 0, mappedBytes = 0;
  std::vector<CacheSummary> caches;
  /// Buffers between calls, and everything that is allocated: packed weights,
  /// caches and buffers.
  uint64_t bufferBytes = 0;

  uint64_t cacheBytes() const;
  uint64_t allocatedBytes() const;
};

/// Plans `recipe` as `compileModel` does and adds up.
llvm::Expected<ModelSummary> summarizeModel(mlir::ModuleOp recipe,
                                            const CpuTarget &target,
                                            const CompileOptions &options);

/// The summary as a JSON object, indented, with a line feed at the end.
std::string toJson(const ModelSummary &summary);

} // namespace flow

#endif // FLOW_COMPILER_MODELSUMMARY_H
