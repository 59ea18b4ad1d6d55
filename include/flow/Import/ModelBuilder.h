// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a checkpoint's configuration and tensor table to a recipe.

#ifndef FLOW_IMPORT_MODELBUILDER_H
#define FLOW_IMPORT_MODELBUILDER_H

#include "flow/IR/FlowOps.h"
#include "flow/Import/GemmaConfig.h"
#include "flow/Import/ModelFile.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace flow {

/// The recipe of the model in `file`, a module that holds one `flow.model`
/// @gemma. Weights name their tensors (`from`), their storage and
/// whether a norm lacks its 1; no data is read.
/// Layers are @layer0 …, caches @kv0 …, tables @rope_local and @rope_global
/// (@rope alone when all layers turn alike). The tensors must have been checked
/// against `config`.
llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
buildRecipe(mlir::MLIRContext &context, const GemmaConfig &config,
            const ModelFile &file);

} // namespace flow

#endif // FLOW_IMPORT_MODELBUILDER_H
