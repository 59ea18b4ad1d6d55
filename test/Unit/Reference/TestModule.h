// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// IR text, its weights and its caches, ready to be interpreted.

#ifndef FLOW_TEST_UNIT_REFERENCE_TESTMODULE_H
#define FLOW_TEST_UNIT_REFERENCE_TESTMODULE_H

#include "flow/Reference/Interpreter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Parser/Parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <random>
#include <string>

namespace flow {

/// The unit roundoffs of f32 and f64.
constexpr double kF32 = 0x1p-24, kF64 = 0x1p-53;

/// Weights by the path of their symbol; counts how often each is asked for.
class TestWeights : public WeightProvider {
public:
  std::map<std::string, std::vector<float>> values;
  std::map<std::string, int> rowsLoaded;

  llvm::Error loadRows(WeightOp weight, int64_t first, int64_t rows,
                       llvm::MutableArrayRef<float> out) override {
    std::string name = EncodedWeights::tensorName(weight);
    auto found = values.find(name);
    if (found == values.end())
      return llvm::createStringError("no weight " + name);
    rowsLoaded[name] += rows;
    std::copy_n(found->second.begin() +
                    first * weight.getTensorType().getShape().back(),
                out.size(), out.begin());
    return llvm::Error::success();
  }
};

/// Values in [-1, 1), the same on every machine.
inline Tensor randomTensor(llvm::ArrayRef<int64_t> shape, uint32_t seed) {
  std::mt19937 generator(seed);
  Tensor tensor(shape);
  for (float &value : tensor.values)
    value = std::ldexp(double(generator()), -31) - 1;
  return tensor;
}

inline TensorRef share(Tensor tensor) {
  return std::make_shared<const Tensor>(std::move(tensor));
}

inline TokenTensorRef tokens(std::vector<int32_t> ids) {
  int64_t count = ids.size();
  return std::make_shared<const TokenTensor>(llvm::ArrayRef(count),
                                             std::move(ids));
}

/// A module of the text, which must parse and verify.
class TestModule {
public:
  explicit TestModule(const std::string &text, int64_t capacity = 8,
                      bool threads = true)
      : context(dialects(), threads ? mlir::MLIRContext::Threading::ENABLED
                                    : mlir::MLIRContext::Threading::DISABLED),
        caches(capacity) {
    context.allowUnregisteredDialects();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context, "test");
    if (module)
      interpreter = std::make_unique<Interpreter>(*module, weights);
    else
      ADD_FAILURE() << "the text of the test does not parse";
  }

  /// Results of @f, which must succeed.
  std::vector<InterpretedValue> call(std::vector<InterpretedValue> arguments) {
    if (!interpreter)
      return {};
    llvm::Expected<std::vector<InterpretedValue>> results =
        interpreter->call("f", arguments, caches);
    if (results)
      return *results;
    ADD_FAILURE() << llvm::toString(results.takeError());
    return {};
  }

  /// The tensors that @f returns.
  std::vector<Tensor> tensors(std::vector<InterpretedValue> arguments) {
    std::vector<Tensor> tensors;
    for (const InterpretedValue &value : call(std::move(arguments)))
      tensors.push_back(*std::get<TensorRef>(value));
    return tensors;
  }

  /// The only result of @f; one zero when it failed.
  Tensor run(std::vector<InterpretedValue> arguments) {
    std::vector<Tensor> results = tensors(std::move(arguments));
    return results.size() == 1 ? results[0]
                               : Tensor(llvm::ArrayRef<int64_t>(1));
  }

  /// The error of @f, which must fail.
  std::string error(std::vector<InterpretedValue> arguments) {
    if (!interpreter)
      return "";
    llvm::Expected<std::vector<InterpretedValue>> results =
        interpreter->call("f", arguments, caches);
    if (!results)
      return llvm::toString(results.takeError());
    ADD_FAILURE() << "the call should have failed";
    return "";
  }

private:
  static mlir::DialectRegistry dialects() {
    mlir::DialectRegistry registry;
    registry
        .insert<FlowDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                mlir::math::MathDialect, mlir::tensor::TensorDialect>();
    return registry;
  }

  mlir::MLIRContext context;

public:
  mlir::OwningOpRef<mlir::ModuleOp> module;
  TestWeights weights;
  CacheState caches;
  std::unique_ptr<Interpreter> interpreter;
};

} // namespace flow

#endif // FLOW_TEST_UNIT_REFERENCE_TESTMODULE_H
