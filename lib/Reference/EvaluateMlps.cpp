// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Gated MLPs: the dense one, and those of the experts that rows choose.

#include "Evaluator.h"

#include "llvm/ADT/TypeSwitch.h"

#include <map>

using namespace mlir;
using namespace flow;
using namespace flow::reference;

using Result = llvm::Expected<EvaluatedValues>;

Tensor reference::inLayout(const Tensor &rows, Attribute layout) {
  if (auto blocks = dyn_cast<QuantizedRowsAttr>(layout))
    return quantizeRows(rows, blocks.getBlock());
  return roundToBf16(rows);
}

/// Rows by `values`, those of `weight` or some of them.
static Tensor productWith(const Tensor &rows, const Tensor &values,
                          Value weight, std::optional<double> softcap,
                          Element element) {
  MLIRContext &context = *weight.getContext();
  auto panels = dyn_cast_or_null<PanelsAttr>(
      cast<RankedTensorType>(weight.getType()).getEncoding());
  if (panels && panels.getKind() == PanelKind::BF16)
    return linear(context, rows, roundToBf16(values), softcap, element);
  return linear(context, rows, values, softcap, element);
}

Tensor reference::product(const Tensor &rows, Value weight, const Frame &frame,
                          std::optional<double> softcap, Element element) {
  return productWith(rows, frame.tensor(weight), weight, softcap, element);
}

/// Undoes the interleaving of gate and up, 16 columns each in turn.
static std::pair<Tensor, Tensor> deinterleave(const Tensor &rows) {
  constexpr int64_t kGroup = 16;
  int64_t width = rows.shape[1] / 2;
  Tensor gate({rows.shape[0], width}), up({rows.shape[0], width});
  for (int64_t t = 0; t < rows.shape[0]; ++t)
    for (int64_t i = 0; i < width; ++i) {
      int64_t at = t * 2 * width + i / kGroup * 2 * kGroup + i % kGroup;
      gate.values[t * width + i] = rows.values[at];
      up.values[t * width + i] = rows.values[at + kGroup];
    }
  return {std::move(gate), std::move(up)};
}

static Result evaluateGatedMlp(GatedMlpOp op, const Frame &frame) {
  Element element = elementOf(op.getType());
  auto [gate, up] =
      deinterleave(product(frame.tensor(op.getInput()), op.getGateUp(), frame,
                           std::nullopt, element));
  Tensor hidden = geglu(gate, up, element);
  if (Attribute layout = op.getHiddenAttr())
    hidden = inLayout(hidden, layout);
  return single(product(hidden, op.getDown(), frame, std::nullopt, element));
}

static Result evaluatePerLayerGate(PerLayerGateOp op, const Frame &frame) {
  Element element = elementOf(op.getType());
  const Tensor &embedded = frame.tensor(op.getEmbedded());
  Tensor gate = product(frame.tensor(op.getInput()), op.getGate(), frame,
                        std::nullopt, element);
  if (gate.shape != embedded.shape)
    return failedAt(op, "expects as many rows of input as embedded, got " +
                            formatShape(gate.shape) + " and " +
                            formatShape(embedded.shape));
  Tensor hidden = geglu(gate, embedded, element);
  if (Attribute layout = op.getHiddenAttr())
    hidden = inLayout(hidden, layout);
  return single(product(hidden, op.getOutput(), frame, std::nullopt, element));
}

//===----------------------------------------------------------------------===//
// Experts
//===----------------------------------------------------------------------===//

/// `count` rows of `tensor` from row `first` on.
static Tensor takeRows(const Tensor &tensor, int64_t first, int64_t count) {
  int64_t length = tensor.rowLength();
  auto begin = tensor.values.begin() + first * length;
  return Tensor({count, length},
                std::vector<float>(begin, begin + count * length));
}

/// The rows of `tensor` that `rows` counts.
static Tensor pickRows(const Tensor &tensor, ArrayRef<int64_t> rows) {
  int64_t length = tensor.rowLength();
  Tensor result({static_cast<int64_t>(rows.size()), length});
  auto out = result.values.begin();
  for (int64_t row : rows)
    out = std::copy_n(tensor.values.begin() + row * length, length, out);
  return result;
}

static EvaluatedValues routed(const Tensor &logits, const Tensor &scale,
                              const llvm::APFloat &factor, Type experts,
                              Type shares) {
  int64_t chosen = cast<RankedTensorType>(experts).getDimSize(1);
  auto [ids, weights] = routeExperts(logits, scale, factor.convertToDouble(),
                                     chosen, elementOf(shares));
  return {{std::make_shared<const TokenTensor>(std::move(ids))},
          {std::make_shared<const Tensor>(std::move(weights))}};
}

/// The sum of `mlp(e, rows)` over the experts that each row of `input` chose.
static Result mixture(Operation *op, const Tensor &input,
                      const TokenTensor &experts, const Tensor &shares,
                      int64_t expertCount, int64_t width, Element element,
                      llvm::function_ref<Tensor(int64_t, const Tensor &)> mlp) {
  int64_t chosen = experts.shape[1];
  // The rows that chose an expert, and as which of theirs.
  std::map<int64_t, std::pair<std::vector<int64_t>, std::vector<int64_t>>> uses;
  for (int64_t t = 0; t < input.shape[0]; ++t)
    for (int64_t j = 0; j < chosen; ++j) {
      int64_t expert = experts.values[t * chosen + j];
      if (expert < 0 || expert >= expertCount)
        return failedAt(op, "expects experts from 0 to " +
                                llvm::Twine(expertCount - 1) + ", got " +
                                llvm::Twine(expert) + " in row " +
                                llvm::Twine(t));
      uses[expert].first.push_back(t);
      uses[expert].second.push_back(j);
    }
  std::vector<Tensor> outputs(chosen, Tensor({input.shape[0], width}));
  for (const auto &[expert, use] : uses) {
    Tensor made = mlp(expert, pickRows(input, use.first));
    for (auto [i, t, j] : llvm::enumerate(use.first, use.second))
      std::copy_n(made.values.begin() + static_cast<int64_t>(i) * width, width,
                  outputs[j].values.begin() + t * width);
  }
  Tensor result({input.shape[0], width});
  for (int64_t t = 0; t < input.shape[0]; ++t)
    for (int64_t i = 0; i < width; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < chosen; ++j)
        sum += double(shares.values[t * chosen + j]) *
               outputs[j].values[t * width + i];
      result.values[t * width + i] = roundTo(element, sum);
    }
  return single(std::move(result));
}

static Result evaluateMoe(MoeOp op, const Frame &frame) {
  Element element = elementOf(op.getType());
  int64_t width = op.getType().getDimSize(1);
  int64_t experts = op.getDown().getType().getDimSize(0) / width;
  int64_t inner = op.getDown().getType().getDimSize(1);
  auto mlp = [&](int64_t e, const Tensor &rows) {
    auto projected = [&](Value weight) {
      return productWith(rows, takeRows(frame.tensor(weight), e * inner, inner),
                         weight, std::nullopt, element);
    };
    Tensor hidden =
        geglu(projected(op.getGate()), projected(op.getUp()), element);
    return productWith(hidden,
                       takeRows(frame.tensor(op.getDown()), e * width, width),
                       op.getDown(), std::nullopt, element);
  };
  return mixture(op, frame.tensor(op.getInput()), frame.tokens(op.getExperts()),
                 frame.tensor(op.getShares()), experts, width, element, mlp);
}

static Result evaluateGroupedMlp(GroupedMlpOp op, const Frame &frame) {
  Element element = elementOf(op.getType());
  int64_t width = op.getType().getDimSize(1);
  int64_t inner = op.getDown().getType().getDimSize(1);
  auto mlp = [&](int64_t e, const Tensor &rows) {
    auto [gate, up] = deinterleave(productWith(
        rows, takeRows(frame.tensor(op.getGateUp()), e * 2 * inner, 2 * inner),
        op.getGateUp(), std::nullopt, element));
    Tensor hidden = geglu(gate, up, element);
    if (Attribute layout = op.getHiddenAttr())
      hidden = inLayout(hidden, layout);
    return productWith(hidden,
                       takeRows(frame.tensor(op.getDown()), e * width, width),
                       op.getDown(), std::nullopt, element);
  };
  return mixture(op, frame.tensor(op.getInput()), frame.tokens(op.getExperts()),
                 frame.tensor(op.getShares()), op.getExpertCount(), width,
                 element, mlp);
}

Result reference::evaluateMlp(Operation *op, const Frame &frame) {
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([&](GatedMlpOp op) { return evaluateGatedMlp(op, frame); })
      .Case([&](PerLayerGateOp op) { return evaluatePerLayerGate(op, frame); })
      .Case([&](RouteExpertsOp op) -> Result {
        return routed(frame.tensor(op.getLogits()),
                      frame.tensor(op.getExpertScale()), op.getFactor(),
                      op.getExperts().getType(), op.getShares().getType());
      })
      .Case([&](RouterOp op) -> Result {
        Tensor logits =
            product(frame.tensor(op.getInput()), op.getWeight(), frame,
                    std::nullopt, elementOf(op.getShares().getType()));
        return routed(logits, frame.tensor(op.getExpertScale()), op.getFactor(),
                      op.getExperts().getType(), op.getShares().getType());
      })
      .Case([&](MoeOp op) { return evaluateMoe(op, frame); })
      .Case([&](GroupedMlpOp op) { return evaluateGroupedMlp(op, frame); })
      .Default([](Operation *op) -> Result { return unknownOp(op); });
}
