// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a recipe to any phase of its compilation, or to an artefact.

#ifndef FLOW_COMPILER_COMPILER_H
#define FLOW_COMPILER_COMPILER_H

#include "flow/Compiler/Artifact.h"
#include "flow/Target/CpuTarget.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include <functional>

namespace flow {

/// Adds our dialect and every dialect and extension that its lowering needs.
void registerAllDialects(mlir::DialectRegistry &registry);

/// Registers our passes with the pass registry of the process.
void registerAllPasses();

/// What a compilation can be asked for.
struct CompileOptions {
  /// `auto`, `f32`, `bf16` or `int8`.
  std::string numerics = "auto";
  /// What keys and values are kept as, where the recipe does not say: `f32`,
  /// `bf16`, `f16`, or `auto`, which is f32 where `numerics` is, else f16.
  std::string cacheType = "auto";
  /// Logits of every prompt row rather than of the last.
  bool logitsAll = false;
  /// As many of the largest logits of the last row and their tokens in the
  /// place of logits; 0 = logits. Not with `logitsAll`, `batch` or `verify`.
  int64_t topK = 0;
  /// Code for steps of several sequences too, which `runtime::Batch` runs.
  bool batch = false;
  /// Code for steps of a few rows with logits of each too, which
  /// `runtime::Sequence::verify` runs.
  bool verify = false;
  /// Largest number of positions; 0 = the model's.
  int64_t context = 0;
  /// Tokens of a prefill step at most.
  int64_t chunk = 512;
  /// Called on each pass manager before it runs; may be empty. For debugging
  /// flags of tools.
  std::function<llvm::Error(mlir::PassManager &)> configurePasses;
};

/// Forms in which a compilation can be looked at.
enum class EmitKind { Recipe, Flow, Linalg, Llvm, Assembly, Object };

/// Compiles `recipe`, which is left as it is, for prefill and decode, and for
/// batches and the verification of drafts where they are asked for. The steps
/// are compiled at the same time by the threads of the recipe's context; the
/// artefact is the same with any number of them.
llvm::Expected<Artifact> compileModel(mlir::ModuleOp recipe,
                                      const CpuTarget &target,
                                      const CompileOptions &options);

/// The plan that `compileModel` makes of `recipe`, without the code.
llvm::Expected<runtime::Plan> planModel(mlir::ModuleOp recipe,
                                        const CpuTarget &target,
                                        const CompileOptions &options);

/// The compilation of one step, `prefill`, `decode`, `verify`, `batch` or
/// `batch_decode`, as text or, for `Object`, as bytes.
llvm::Expected<std::string> emitStep(mlir::ModuleOp recipe,
                                     llvm::StringRef step, EmitKind kind,
                                     const CpuTarget &target,
                                     const CompileOptions &options);

} // namespace flow

#endif // FLOW_COMPILER_COMPILER_H
