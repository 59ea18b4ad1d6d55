// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The interpreter's door: arguments in, results out, caches stored back.

#include "flow/Reference/Interpreter.h"

#include "Evaluator.h"

using namespace mlir;
using namespace flow;
using namespace flow::reference;

struct Interpreter::Impl {
  WeightStore weights;
};

Interpreter::Interpreter(ModuleOp module, WeightProvider &weights)
    : module(module),
      impl(std::make_unique<Impl>(Impl{WeightStore(module, weights)})) {}

Interpreter::~Interpreter() = default;

llvm::Expected<std::vector<InterpretedValue>>
Interpreter::call(llvm::StringRef function,
                  llvm::ArrayRef<InterpretedValue> arguments,
                  CacheState &caches) {
  auto callee = module.lookupSymbol<func::FuncOp>(function);
  if (!callee)
    return llvm::createStringError("the module has no function @" + function);
  EvaluatedValues values;
  for (const InterpretedValue &argument : arguments)
    values.push_back(std::visit(
        [](const auto &held) { return EvaluatedValue{held}; }, argument));

  Evaluator evaluator(module, impl->weights, caches);
  llvm::Expected<EvaluatedValues> results =
      evaluator.call(callee, std::move(values));
  if (!results)
    return results.takeError();

  std::vector<InterpretedValue> returned;
  for (EvaluatedValue &value : *results) {
    if (auto *symbol = std::get_if<SymbolRefAttr>(&value.data)) {
      llvm::Expected<TensorRef> tensor = impl->weights.load(*symbol);
      if (!tensor)
        return tensor.takeError();
      value.data = std::move(*tensor);
    }
    if (auto *tokens = std::get_if<TokenTensorRef>(&value.data))
      returned.push_back(std::move(*tokens));
    else if (auto *tensor = std::get_if<TensorRef>(&value.data))
      returned.push_back(std::move(*tensor));
    else
      returned.push_back(std::get<int64_t>(value.data));
  }
  evaluator.commit();
  return returned;
}
