// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Moves arithmetic on weights to load time.

#include "WeightSymbols.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FOLDWEIGHTS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fold-weights";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

/// `op` as "a weight plus one", or null.
static WeightRefOp matchUnitOffset(arith::AddFOp op) {
  for (auto [value, other] : {std::pair(op.getLhs(), op.getRhs()),
                              std::pair(op.getRhs(), op.getLhs())})
    if (WeightRefOp ref = getWeightRef(value);
        ref && matchPattern(other, m_OneFloat()))
      return ref;
  return {};
}

namespace {
struct FoldWeights : flow::impl::FoldWeightsBase<FoldWeights> {
  void runOnOperation() override {
    foldUnitOffsets();
    SmallVector<tensor::ConcatOp> concats;
    getOperation().walk(
        [&](tensor::ConcatOp concat) { concats.push_back(concat); });
    for (tensor::ConcatOp concat : concats)
      foldConcat(concat);
  }

  void refuse(Operation *op, StringRef reason) {
    remark::missed(op->getLoc(), named("weight-not-folded"))
        << remark::reason("{0}", reason);
  }

  void foldUnitOffsets() {
    // A weight has one meaning for all its readers, so all must add one.
    llvm::MapVector<Operation *, SmallVector<arith::AddFOp>> additions;
    DenseMap<Operation *, int64_t> reads;
    getOperation().walk([&](WeightRefOp ref) {
      reads[lookupWeight(ref)] += llvm::range_size(ref->getUses());
    });
    getOperation().walk([&](arith::AddFOp add) {
      if (WeightRefOp ref = matchUnitOffset(add))
        additions[lookupWeight(ref)].push_back(add);
    });
    for (auto &[symbol, adds] : additions) {
      auto weight = dyn_cast<WeightOp>(symbol);
      StringRef refusal;
      if (!weight || weight.getTensorType().getRank() != 1)
        refusal = "only vectors can be offset when they are loaded";
      else if (weight.getUnitOffset())
        refusal = "the weight has a unit offset already";
      else if (reads[symbol] != static_cast<int64_t>(adds.size()))
        refusal = "the weight is also read without the addition";
      else
        weight.setUnitOffset(true);
      for (arith::AddFOp add : adds) {
        if (!refusal.empty()) {
          refuse(add, refusal);
          continue;
        }
        remark::passed(add.getLoc(), named("weight-folded"))
            << remark::add("@{0} gets a unit offset", weight.getSymName());
        add.replaceAllUsesWith(matchUnitOffset(add).getResult());
        add.erase();
      }
    }
  }

  void foldConcat(tensor::ConcatOp concat) {
    SmallVector<WeightRefOp> refs;
    for (Value input : concat.getInputs())
      if (WeightRefOp ref = getWeightRef(input))
        refs.push_back(ref);
    if (refs.empty() || concat.getInputs().size() < 2)
      return; // not a candidate
    if (refs.size() != concat.getInputs().size() || concat.getDim() != 0 ||
        concat.getResultType().getRank() != 2)
      return refuse(concat, "not all parts are matrices of the model below "
                            "each other");
    std::string name;
    int64_t rows = 0;
    for (WeightRefOp ref : refs) {
      name += (name.empty() ? "" : "_") +
              ref.getWeight().getLeafReference().getValue().str();
      rows += ref.getType().getDimSize(0);
    }
    RankedTensorType type = refs.front().getType();
    if (concat.getResultType() != type.clone({rows, type.getDimSize(1)}) ||
        type.getEncoding())
      return refuse(concat, "the result is not a plain matrix of all rows");
    std::string refusal;
    SymbolRefAttr path = getDerivedWeight(refs, name, Combine::Concat, refusal);
    if (!path)
      return refuse(concat, refusal);
    OpBuilder b(concat);
    auto folded =
        WeightRefOp::create(b, concat.getLoc(), concat.getResultType(), path);
    remark::passed(concat.getLoc(), named("weight-folded"))
        << remark::add("@{0} is put together when it is loaded",
                       path.getLeafReference().getValue());
    concat.replaceAllUsesWith(folded.getResult());
    concat.erase();
  }
};
} // namespace
