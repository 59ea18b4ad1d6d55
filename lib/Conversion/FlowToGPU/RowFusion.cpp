// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds norms, sums and heads of one row that are no launches of their own.

#include "RowFusion.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

/// Heads that share a KV head, if attention is to make them.
static constexpr int64_t kMostHeadsOfGroup = 16;

Value flow::branchOf(arith::AddFOp op) {
  bool isLeft = op.getLhs().getDefiningOp<RmsNormOp>() &&
                !op.getRhs().getDefiningOp<RmsNormOp>();
  return isLeft ? op.getLhs() : op.getRhs();
}

RmsNormOp flow::queryNorm(RopeOp op) {
  auto norm = op.getInput().getDefiningOp<RmsNormOp>();
  return norm && norm.getWeight() && norm->hasOneUse() &&
                 !typeOf(norm.getResult()).getEncoding()
             ? norm
             : RmsNormOp();
}

RmsNormOp flow::fusedBranch(Value branch) {
  auto norm = branch.getDefiningOp<RmsNormOp>();
  if (!norm || !norm.getWeight() || !branch.hasOneUse() ||
      typeOf(branch).getRank() != 2 || typeOf(branch).getEncoding())
    return {};
  Operation *user = *branch.user_begin();
  if (auto sum = dyn_cast<AddRmsNormOp>(user))
    return sum.getBranch() == branch && !sum.getBranchWeight() ? norm
                                                               : RmsNormOp();
  auto sum = dyn_cast<arith::AddFOp>(user);
  return sum && branchOf(sum) == branch && isMadeByProduct(sum) ? norm
                                                                : RmsNormOp();
}

std::optional<std::array<RmsNormOp, 2>> flow::fusedParts(Value branch) {
  auto add = branch.getDefiningOp<arith::AddFOp>();
  if (!add || !branch.hasOneUse())
    return std::nullopt;
  auto sum = dyn_cast<AddRmsNormOp>(*branch.user_begin());
  auto first = add.getLhs().getDefiningOp<RmsNormOp>();
  auto second = add.getRhs().getDefiningOp<RmsNormOp>();
  if (!sum || sum.getBranch() != branch || typeOf(branch).getRank() != 2 ||
      typeOf(branch).getDimSize(0) != 1 || !first || !second ||
      first.getEps() != second.getEps())
    return std::nullopt;
  for (RmsNormOp part : {first, second})
    if (!part.getWeight() || !part->hasOneUse() ||
        typeOf(part.getResult()).getEncoding())
      return std::nullopt;
  return {{first, second}};
}

arith::AddFOp flow::fusedEmbedding(PerLayerGateOp op) {
  auto sum = op.getEmbedded().getDefiningOp<arith::AddFOp>();
  return sum && sum->hasOneUse() && typeOf(op.getEmbedded()).getDimSize(0) == 1
             ? sum
             : arith::AddFOp();
}

bool flow::isMadeByProduct(arith::AddFOp op) {
  return llvm::any_of(op->getUsers(), [&](Operation *reader) {
    if (auto gate = dyn_cast<PerLayerGateOp>(reader))
      return fusedEmbedding(gate) == op;
    return isa<QuantizeRowsOp>(reader) && fusedSum(reader->getResult(0)) == op;
  });
}

bool flow::isFused(RmsNormOp op) {
  Value result = op.getResult();
  if (fusedBranch(result) || fusedSum(result))
    return true;
  if (!result.hasOneUse())
    return false;
  Operation *user = *result.user_begin();
  if (auto rope = dyn_cast<RopeOp>(user))
    return queryNorm(rope) == op && fusedAttention(rope);
  auto add = dyn_cast<arith::AddFOp>(user);
  return add && fusedParts(add.getResult());
}

Operation *flow::fusedSum(Value rows) {
  RankedTensorType type = typeOf(rows);
  if (type.getRank() != 2 || type.getDimSize(0) != 1 || !isBf16(type) ||
      !rows.hasOneUse() || type.getDimSize(1) % 8 != 0)
    return nullptr;
  Operation *user = *rows.user_begin();
  // Of a sum that is normed several times, the router's norm. Other products
  // read norms that come with their sum, but for a step's first one.
  if (auto norm = rows.getDefiningOp<RmsNormOp>())
    return norm.getWeight() && isa<RouterOp>(user) ? norm.getOperation()
                                                   : nullptr;
  Value sum;
  if (auto norm = rows.getDefiningOp<AddRmsNormOp>())
    sum = norm.getSum();
  else if (auto rounded = rows.getDefiningOp<QuantizeRowsOp>())
    sum = rounded.getInput();
  if (!sum ||
      !isa_and_nonnull<AddRmsNormOp, arith::AddFOp>(sum.getDefiningOp()))
    return nullptr;
  // The head has so many CTAs that each would do more for the norm than for its
  // own rows.
  bool isInput =
      llvm::TypeSwitch<Operation *, bool>(user)
          .Case<LinearOp, GatedMlpOp, QkvRopeAppendOp, PerLayerGateOp>(
              [&](auto op) { return op.getInput() == rows; })
          .Default(false);
  // The product makes the sum too, for those who read it after that.
  bool isFirst = llvm::all_of(sum.getUsers(), [&](Operation *reader) {
    return reader == rows.getDefiningOp() || user->isBeforeInBlock(reader);
  });
  return isInput && isFirst ? sum.getDefiningOp() : nullptr;
}

AttentionOp flow::fusedAttention(QkvRopeAppendOp op) {
  Value query = op.getQuery();
  RankedTensorType type = typeOf(query);
  int64_t kvHeads = typeOf(op.getKeyCache()).getDimSize(1);
  if (type.getDimSize(0) != 1 || !query.hasOneUse() ||
      type.getDimSize(1) > kMostHeadsOfGroup * kvHeads)
    return {};
  auto attention = dyn_cast<AttentionOp>(*query.user_begin());
  if (!attention || attention.getQuery() != query ||
      attention.getKey() != op.getNewKeyCache() ||
      attention.getValue() != op.getNewValueCache())
    return {};
  // The caches are written by attention, for those who read them after it.
  for (Value cache : {op.getNewKeyCache(), op.getNewValueCache()})
    for (Operation *reader : cache.getUsers())
      if (reader != attention && !attention->isBeforeInBlock(reader))
        return {};
  return attention;
}

AttentionOp flow::fusedAttention(RopeOp op) {
  Value query = op.getResult();
  if (typeOf(query).getDimSize(0) != 1 || !query.hasOneUse())
    return {};
  auto attention = dyn_cast<AttentionOp>(*query.user_begin());
  bool isFused =
      attention && attention.getQuery() == query &&
      typeOf(query).getDimSize(1) <=
          kMostHeadsOfGroup * typeOf(attention.getKey()).getDimSize(1);
  return isFused ? attention : AttentionOp();
}
