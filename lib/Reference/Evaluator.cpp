// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Walks function bodies and checks that values are what their types say.

#include "Evaluator.h"

using namespace mlir;
using namespace flow;
using namespace flow::reference;

/// Calls nest no deeper: the schedule calls layers, and they call nothing.
constexpr int64_t kMaxDepth = 16;

llvm::Error reference::failedAt(Operation *op, const llvm::Twine &why) {
  std::string message;
  llvm::raw_string_ostream stream(message);
  stream << "'" << op->getName() << "' " << why << ", at " << op->getLoc();
  return llvm::createStringError(message);
}

llvm::Error reference::unknownOp(Operation *op) {
  return failedAt(op, "is unknown to the reference interpreter");
}

Element reference::elementOf(Type tensor) {
  Type element = getElementTypeOrSelf(tensor);
  if (element.isBF16())
    return Element::BF16;
  return element.isF16() ? Element::F16 : Element::F32;
}

EvaluatedValues reference::single(Tensor tensor) {
  return {{std::make_shared<const Tensor>(std::move(tensor))}};
}

std::string reference::formatShape(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  stream << '[';
  llvm::interleaveComma(shape, stream);
  stream << ']';
  return text;
}

/// Nothing if `value` is what `type` says, or what it is instead.
static std::optional<std::string> findMismatch(Type type,
                                               const EvaluatedValue &value) {
  if (std::holds_alternative<int64_t>(value.data))
    return type.isIndex() ? std::nullopt : std::optional("an index");
  // A reference to a weight has the weight's type: its verifier saw to it.
  if (std::holds_alternative<SymbolRefAttr>(value.data))
    return std::nullopt;

  const auto *numbers = std::get_if<TensorRef>(&value.data);
  const auto *tokens = std::get_if<TokenTensorRef>(&value.data);
  ArrayRef<int64_t> shape = numbers ? (*numbers)->shape : (*tokens)->shape;
  size_t count = numbers ? (*numbers)->values.size() : (*tokens)->values.size();
  auto tensor = dyn_cast<RankedTensorType>(type);
  Type element = tensor ? tensor.getElementType() : Type();
  bool hasElement = tensor && (numbers ? element.isF32() || element.isBF16() ||
                                             element.isF16()
                                       : element.isInteger(32));
  if (hasElement &&
      succeeded(verifyCompatibleShape(tensor.getShape(), shape)) &&
      int64_t(count) == Tensor::elementCount(shape))
    return std::nullopt;
  return (numbers ? "numbers " : "tokens ") + formatShape(shape) + " with " +
         std::to_string(count) + " elements";
}

/// Checks that `values` are what `types` say; `what` names them.
static llvm::Error checkTypes(Operation *op, TypeRange types,
                              ArrayRef<EvaluatedValue> values,
                              const llvm::Twine &what) {
  if (types.size() != values.size())
    return failedAt(op, "expects " + llvm::Twine(types.size()) + " " + what +
                            "s, got " + llvm::Twine(values.size()));
  for (auto [i, type, value] : llvm::enumerate(types, values))
    if (std::optional<std::string> found = findMismatch(type, value)) {
      std::string expected;
      llvm::raw_string_ostream(expected) << type;
      return failedAt(op, "expects " + what + " " + llvm::Twine(i) + " to be " +
                              expected + ", got " + *found);
    }
  return llvm::Error::success();
}

llvm::Expected<EvaluatedValues> Evaluator::call(func::FuncOp function,
                                                EvaluatedValues arguments) {
  if (!function.getBody().hasOneBlock())
    return failedAt(function, "must have a body of one block");
  if (llvm::Error error = checkTypes(function, function.getArgumentTypes(),
                                     arguments, "argument"))
    return std::move(error);

  Frame frame;
  Block &body = function.getBody().front();
  for (auto [argument, value] : llvm::zip_equal(body.getArguments(), arguments))
    frame[argument] = std::move(value);
  for (Operation &op : body.without_terminator()) {
    llvm::Expected<EvaluatedValues> results = evaluate(&op, frame);
    if (!results)
      return results.takeError();
    if (llvm::Error error =
            checkTypes(&op, op.getResultTypes(), *results, "result"))
      return std::move(error);
    for (auto [result, value] : llvm::zip_equal(op.getResults(), *results))
      frame[result] = std::move(value);
  }

  auto exit = dyn_cast<func::ReturnOp>(body.getTerminator());
  if (!exit)
    return unknownOp(body.getTerminator());
  EvaluatedValues results;
  for (Value operand : exit.getOperands())
    results.push_back(frame.get(operand));
  return results;
}

llvm::Expected<EvaluatedValues> Evaluator::evaluate(Operation *op,
                                                    Frame &frame) {
  // A call hands weights on, and an embedding reads but a few rows.
  if (auto call = dyn_cast<func::CallOp>(op))
    return evaluateCall(call, frame);
  if (auto embed = dyn_cast<EmbedOp>(op))
    return evaluateEmbed(embed, frame);
  if (llvm::Error error = loadOperands(op, frame))
    return std::move(error);
  if (isa_and_nonnull<FlowDialect>(op->getDialect()))
    return evaluateFlow(op, frame);
  return evaluateUpstream(op, frame);
}

llvm::Error Evaluator::loadOperands(Operation *op, Frame &frame) {
  for (Value operand : op->getOperands()) {
    EvaluatedValue &value = frame[operand];
    auto *symbol = std::get_if<SymbolRefAttr>(&value.data);
    if (!symbol)
      continue;
    llvm::Expected<TensorRef> tensor = weights.load(*symbol);
    if (!tensor)
      return failedAt(op, "cannot read its weight: " +
                              llvm::toString(tensor.takeError()));
    value.data = std::move(*tensor);
  }
  return llvm::Error::success();
}

llvm::Expected<EvaluatedValues> Evaluator::evaluateCall(func::CallOp op,
                                                        const Frame &frame) {
  auto callee = module.lookupSymbol<func::FuncOp>(op.getCallee());
  if (!callee)
    return failedAt(op, "calls @" + op.getCallee() +
                            ", which is no function of the module");
  if (depth == kMaxDepth)
    return failedAt(op, "nests more than " + llvm::Twine(kMaxDepth) + " calls");
  EvaluatedValues arguments;
  for (Value operand : op.getOperands())
    arguments.push_back(frame.get(operand));
  ++depth;
  llvm::Expected<EvaluatedValues> results = call(callee, std::move(arguments));
  --depth;
  return results;
}

void Evaluator::commit() {
  for (auto &[cache, rows] : appended)
    caches.store(cast<SymbolRefAttr>(cache), rows);
}
