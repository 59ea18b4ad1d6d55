// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One call of the interpreter: frames, values and the groups of ops.

#ifndef FLOW_LIB_REFERENCE_EVALUATOR_H
#define FLOW_LIB_REFERENCE_EVALUATOR_H

#include "Stages.h"
#include "WeightStore.h"
#include "flow/Reference/Interpreter.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace flow::reference {

/// What an SSA value stands for. `f32`, `bf16` and `f16` tensors are a
/// `TensorRef` or the name of a weight that nobody has read yet, `i32` tensors
/// a `TokenTensorRef`, `index` an `int64_t`.
struct EvaluatedValue {
  std::variant<int64_t, TensorRef, TokenTensorRef, mlir::SymbolRefAttr> data;
  /// The cache whose keys or values these are, or null.
  mlir::SymbolRefAttr cache = {};
};

using EvaluatedValues = llvm::SmallVector<EvaluatedValue, 3>;

/// The values of one function's body so far. The accessors expect values of
/// their type; weights that an op reads are loaded before it is evaluated.
class Frame {
public:
  EvaluatedValue &operator[](mlir::Value value) { return values[value]; }

  const EvaluatedValue &get(mlir::Value value) const {
    return values.find(value)->second;
  }
  int64_t index(mlir::Value value) const {
    return std::get<int64_t>(get(value).data);
  }
  const Tensor &tensor(mlir::Value value) const {
    return *std::get<TensorRef>(get(value).data);
  }
  /// Null for an operand that is not there.
  const Tensor *optionalTensor(mlir::Value value) const {
    return value ? &tensor(value) : nullptr;
  }
  const TokenTensor &tokens(mlir::Value value) const {
    return *std::get<TokenTensorRef>(get(value).data);
  }

private:
  llvm::DenseMap<mlir::Value, EvaluatedValue> values;
};

/// Evaluates one call and all calls that it makes.
class Evaluator {
public:
  Evaluator(mlir::ModuleOp module, WeightStore &weights, CacheState &caches)
      : module(module), weights(weights), caches(caches) {}

  llvm::Expected<EvaluatedValues> call(mlir::func::FuncOp function,
                                       EvaluatedValues arguments);

  /// Stores what the call appended to its caches.
  void commit();

private:
  llvm::Expected<EvaluatedValues> evaluate(mlir::Operation *op, Frame &frame);
  llvm::Expected<EvaluatedValues> evaluateCall(mlir::func::CallOp op,
                                               const Frame &frame);
  /// Replaces the weights among the operands of `op` by their tensors.
  llvm::Error loadOperands(mlir::Operation *op, Frame &frame);

  // EvaluateStages.cpp: ops of the dialect.
  llvm::Expected<EvaluatedValues> evaluateFlow(mlir::Operation *op,
                                               const Frame &frame);
  llvm::Expected<EvaluatedValues> evaluateCacheRef(CacheRefOp op);
  llvm::Expected<EvaluatedValues> evaluateEmbed(EmbedOp op, const Frame &frame);
  /// The cache write of `op`, `flow.kv_append` or a fused one, whose rows are
  /// given.
  template <typename Append>
  llvm::Expected<EvaluatedValues> appendToCache(Append op, const Tensor &key,
                                                const Tensor &value,
                                                const Frame &frame);
  llvm::Expected<EvaluatedValues> evaluateQkv(QkvRopeAppendOp op,
                                              const Frame &frame);

  mlir::ModuleOp module;
  WeightStore &weights;
  CacheState &caches;
  llvm::DenseMap<mlir::Attribute, CacheState::Rows> appended;
  int64_t depth = 0;
};

/// Ops of `arith` and `tensor`.
llvm::Expected<EvaluatedValues> evaluateUpstream(mlir::Operation *op,
                                                 const Frame &frame);

/// EvaluateMlps.cpp: gated MLPs, and the experts that rows choose.
llvm::Expected<EvaluatedValues> evaluateMlp(mlir::Operation *op,
                                            const Frame &frame);

/// EvaluateSelection.cpp: the largest logits.
llvm::Expected<EvaluatedValues> evaluateSelection(mlir::Operation *op,
                                                  const Frame &frame);

/// Rows as products read them in `layout`.
Tensor inLayout(const Tensor &rows, mlir::Attribute layout);

/// Rows by `weight` as its panels hold it.
Tensor product(const Tensor &rows, mlir::Value weight, const Frame &frame,
               std::optional<double> softcap, Element element);

/// An error at `op`: its name, `why`, its location.
llvm::Error failedAt(mlir::Operation *op, const llvm::Twine &why);
/// The error for an op that the interpreter does not know.
llvm::Error unknownOp(mlir::Operation *op);

/// The element type of a tensor of numbers.
Element elementOf(mlir::Type tensor);

/// `tensor` as the only result of an op.
EvaluatedValues single(Tensor tensor);

/// A shape as error messages show it: [2, 64].
std::string formatShape(llvm::ArrayRef<int64_t> shape);

} // namespace flow::reference

#endif // FLOW_LIB_REFERENCE_EVALUATOR_H
