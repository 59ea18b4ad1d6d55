// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The weights of a module: loaded when first read, then kept by symbol.

#ifndef FLOW_LIB_REFERENCE_WEIGHTSTORE_H
#define FLOW_LIB_REFERENCE_WEIGHTSTORE_H

#include "flow/Reference/Tensor.h"
#include "flow/Reference/WeightProvider.h"

#include "mlir/IR/BuiltinOps.h"

namespace flow::reference {

/// Not thread-safe.
class WeightStore {
public:
  WeightStore(mlir::ModuleOp module, WeightProvider &provider)
      : module(module), provider(provider) {}

  /// The whole weight, with its offset, or made of its sources.
  llvm::Expected<TensorRef> load(mlir::SymbolRefAttr symbol);

  /// One row. What is not loaded yet is not loaded for it, unless the weight is
  /// made of others.
  llvm::Expected<std::vector<float>> loadRow(mlir::SymbolRefAttr symbol,
                                             int64_t row);

private:
  mlir::Operation *find(mlir::SymbolRefAttr symbol);
  llvm::Expected<Tensor> read(WeightOp weight);
  llvm::Expected<Tensor> combine(DerivedWeightOp weight);

  mlir::ModuleOp module;
  WeightProvider &provider;
  llvm::DenseMap<mlir::Attribute, TensorRef> loaded;
};

} // namespace flow::reference

#endif // FLOW_LIB_REFERENCE_WEIGHTSTORE_H
