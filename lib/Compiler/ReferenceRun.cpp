// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Expands a recipe and hands it to the interpreter.

#include "flow/Compiler/ReferenceRun.h"

#include "flow/IR/FlowOps.h"
#include "flow/Reference/FileWeights.h"
#include "flow/Reference/ReferenceModel.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"

using namespace flow;

struct ReferenceRun::State {
  State(const ImportedModel &model, mlir::DialectRegistry &registry)
      : context(registry), weights(*model.file) {}

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  FileWeights weights;
  std::unique_ptr<ReferenceModel> model;
  std::vector<float> lastLogits;
  int64_t capacity = 0, vocab = 0;

  /// What is wrong with `tokens`, if anything.
  llvm::Error check(llvm::ArrayRef<int32_t> tokens) const {
    int64_t room = capacity - model->getPosition();
    if (static_cast<int64_t>(tokens.size()) > room)
      return llvm::createStringError(
          llvm::Twine(tokens.size()) + " tokens do not fit: the context of " +
          llvm::Twine(capacity) + " has room for " + llvm::Twine(room));
    for (int32_t token : tokens)
      if (token < 0 || token >= vocab)
        return llvm::createStringError("token " + llvm::Twine(token) +
                                       " is outside the vocabulary of " +
                                       llvm::Twine(vocab));
    return llvm::Error::success();
  }
};

ReferenceRun::ReferenceRun(std::unique_ptr<State> state)
    : state(std::move(state)) {}
ReferenceRun::~ReferenceRun() = default;

const std::vector<float> &ReferenceRun::logits() const {
  return state->lastLogits;
}

void ReferenceRun::clear() {
  state->model->clear();
  state->lastLogits.clear();
}

llvm::Expected<std::unique_ptr<ReferenceRun>>
ReferenceRun::create(const ImportedModel &model, int64_t capacity) {
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  auto state = std::make_unique<State>(model, registry);
  auto recipe = buildRecipe(state->context, model);
  if (!recipe)
    return recipe.takeError();
  state->module = std::move(*recipe);
  mlir::PassManager passes(&state->context);
  passes.addPass(createExpandLayers({"prefill", "all"}));
  passes.addPass(createExpandLayers({"decode", "all"}));
  if (failed(passes.run(*state->module)))
    return llvm::createStringError("the recipe cannot be expanded");
  auto reference =
      ReferenceModel::create(*state->module, state->weights, capacity);
  if (!reference)
    return reference.takeError();
  state->model = std::move(*reference);
  state->capacity = capacity;
  state->vocab = model.config.vocab;
  return std::unique_ptr<ReferenceRun>(new ReferenceRun(std::move(state)));
}

llvm::Error
ReferenceRun::prefill(llvm::ArrayRef<int32_t> tokens,
                      const std::function<void(llvm::ArrayRef<float>)> &sink) {
  if (tokens.empty())
    return llvm::createStringError("a prompt must have at least one token");
  if (llvm::Error error = state->check(tokens))
    return error;
  return state->model->logits(tokens, [&](int64_t, llvm::ArrayRef<float> row) {
    state->lastLogits.assign(row.begin(), row.end());
    if (sink)
      sink(row);
  });
}

llvm::Error ReferenceRun::decode(int32_t token) {
  if (llvm::Error error = state->check(token))
    return error;
  llvm::Expected<TensorRef> row = state->model->decode(token);
  if (!row)
    return row.takeError();
  state->lastLogits = (*row)->values;
  return llvm::Error::success();
}
