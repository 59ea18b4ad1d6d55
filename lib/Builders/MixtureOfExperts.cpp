// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The verb of a mixture of experts.

#include "flow/Builders/GemmaLayerBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace flow;

GemmaLayerBuilder &GemmaLayerBuilder::moe(int64_t used) {
  if (!begin("moe", "ffn"))
    return *this;
  if (residuals.empty()) {
    fail("moe without a saved residual");
    return *this;
  }
  Value branch = current, stream = residuals.back();
  int64_t d = getWidth();
  if (failed)
    return *this;
  if (stream.getType() != branch.getType()) {
    fail("the residual that experts read has another type than the value to "
         "add them to");
    return *this;
  }
  // Everything is found before anything is emitted.
  auto find = [&](StringRef symbol, ArrayRef<int64_t> shape) {
    return failed ? WeightOp() : findWeight(symbol, shape);
  };
  WeightOp routerScale = find("router_scale", {d});
  WeightOp router = find("router", {-1, d});
  int64_t experts = failed ? 1 : router.getTensorType().getDimSize(0);
  if (!failed && (used < 1 || used > experts))
    fail("rows must use 1 to " + Twine(experts) + " experts, found " +
         Twine(used));
  WeightOp expertScale = find("expert_scale", {experts});
  WeightOp expertNorm = find("expert_norm", {d});
  WeightOp gate = find("expert_gate", {-1, d});
  int64_t rows = failed ? experts : gate.getTensorType().getDimSize(0);
  if (rows % experts != 0)
    fail("weight @expert_gate has " + Twine(rows) + " rows, which " +
         Twine(experts) + " experts cannot share");
  WeightOp up = find("expert_up", {rows, d});
  WeightOp down = find("expert_down", {experts * d, rows / experts});
  WeightOp outputNorm = find("post_expert_norm", {d});
  if (failed)
    return *this;

  auto normOf = [&](StringRef part, Value x, WeightOp by) {
    name(part);
    return norm(x, weight(by));
  };
  Value scaled = normOf("router_norm", stream, routerScale);
  name("router");
  Value logits = project(scaled, router);
  name("route");
  RankedTensorType shares = step.getRowsType({used});
  Value factors = weight(expertScale);
  auto route = RouteExpertsOp::create(
      b, shares.clone(b.getI32Type()), shares, logits, factors,
      llvm::APFloat(1 / std::sqrt(static_cast<double>(d))));
  Value normed = normOf("expert_norm", stream, expertNorm);
  name("experts");
  Value gates = weight(gate), ups = weight(up), downs = weight(down);
  Value mixture = MoeOp::create(b, stream.getType(), normed, route.getExperts(),
                                route.getShares(), gates, ups, downs);
  mixture = normOf("post_expert_norm", mixture, outputNorm);
  name("add");
  current = arith::AddFOp::create(b, branch, mixture);
  return *this;
}
