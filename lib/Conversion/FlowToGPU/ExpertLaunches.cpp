// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers the choice of experts and their MLPs.

#include "ExpertLaunches.h"

#include "flow/Codegen/GPU/ExpertKernels.h"

using namespace mlir;
using namespace flow;

FailureOr<ResultRange> flow::launchRouter(OpBuilder &builder,
                                          const cuda::KernelTarget &target,
                                          RouterOp op, Value logits,
                                          Value expertScale,
                                          LaunchKernel launch) {
  cuda::Router router;
  router.experts = op.getWeight().getType().getDimSize(0);
  router.chosen = op.getExperts().getType().getDimSize(1);
  router.factor = op.getFactor().convertToDouble();
  constexpr int64_t kMostExperts = 1024, kMostChosen = 32;
  if (router.experts > kMostExperts || router.chosen > kMostChosen)
    return op.emitOpError("chooses ")
           << router.chosen << " of " << router.experts
           << " experts, expected at most " << kMostChosen << " of "
           << kMostExperts;
  return launch(buildRouter(builder, target, router), {logits, expertScale},
                /*readsStep=*/false, op.getResultTypes());
}

FailureOr<Value> flow::launchExperts(OpBuilder &builder,
                                     const cuda::KernelTarget &target,
                                     GroupedMlpOp op,
                                     const ExpertOperands &operands,
                                     LaunchKernel launch) {
  cuda::ExpertMlp mlp;
  mlp.experts = op.getExpertCount();
  mlp.chosen = op.getExperts().getType().getDimSize(1);
  mlp.width = op.getGateUp().getType().getDimSize(1);
  mlp.hidden = op.getDown().getType().getDimSize(1);
  mlp.columns = op.getType().getDimSize(1);
  if (mlp.width % 8 != 0 || mlp.columns % 8 != 0)
    return op.emitOpError("has experts from ")
           << mlp.width << " to " << mlp.columns
           << " columns, expected multiples of 8";
  const auto &[rows, experts, shares, gateUp, down] = operands;
  int64_t count = op.getType().getDimSize(0);
  auto typeOf = [&](int64_t width, Type element) {
    return RankedTensorType::get({count, width}, element);
  };
  Type hiddenType = typeOf(mlp.chosen * mlp.hidden, builder.getBF16Type());
  if (count == 1) {
    cuda::VectorExperts kernels = buildVectorExperts(builder, target, mlp);
    Value hidden = launch(kernels.gates, {rows, gateUp, experts},
                          /*readsStep=*/false, hiddenType)[0];
    return Value(launch(kernels.down, {hidden, down, experts, shares},
                        /*readsStep=*/false, op.getType())[0]);
  }
  cuda::RowsExperts kernels = buildRowsExperts(builder, target, mlp);
  Type sorted[] = {
      experts.getType(),
      RankedTensorType::get({mlp.experts, 2}, builder.getI32Type())};
  ResultRange order =
      launch(kernels.order, experts, /*readsStep=*/true, sorted);
  Value hidden = launch(kernels.gates, {rows, gateUp, order[0], order[1]},
                        /*readsStep=*/false, hiddenType)[0];
  Value parts =
      launch(kernels.down, {hidden, down, order[0], order[1]},
             /*readsStep=*/false,
             typeOf(mlp.chosen * mlp.columns, builder.getF32Type()))[0];
  return Value(launch(kernels.sum, {parts, shares}, /*readsStep=*/false,
                      op.getType())[0]);
}
