// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chooses the arithmetic of each product.

#include "ProductWeights.h"
#include "WeightSymbols.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Remarks.h"
#include "mlir/IR/TypeUtilities.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_PLANNUMERICS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-plan-numerics";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

namespace {
struct PlanNumerics : flow::impl::PlanNumericsBase<PlanNumerics> {
  using PlanNumericsBase::PlanNumericsBase;

  void runOnOperation() override {
    if (numerics != "auto" && numerics != "f32" && numerics != "int8") {
      getOperation().emitError("unknown numerics '")
          << numerics << "', expected auto, f32 or int8";
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      for (const Product &product : getProducts(op))
        choose(op, product);
    });
  }

  void choose(Operation *op, const Product &product) {
    bool isI8 = false;
    std::string reason = "every product is f32";
    if (numerics != "f32") {
      reason = whyNotI8(op, product);
      isI8 = reason.empty();
      if (isI8)
        reason =
            describe(getStoredWeights(getWeightRef(product.weight->get())));
      else if (numerics == "int8")
        remark::missed(op->getLoc(), named("not-int8"))
            << remark::reason("{0}", reason);
    }
    StringRef arithmetic = isI8 ? "i8" : "f32";
    op->setAttr(product.mark, StringAttr::get(&getContext(), arithmetic));
    remark::passed(op->getLoc(), named("arithmetic"))
        << remark::add("{0}: {1}", arithmetic, reason);
  }

  /// Why the product cannot be one of integers; empty if it can.
  static std::string whyNotI8(Operation *op, const Product &product) {
    WeightRefOp ref = getWeightRef(product.weight->get());
    if (!ref)
      return "the weight is not one of the model";
    if (!getElementTypeOrSelf(op->getOperand(0)).isF32())
      return "only rows of f32 are quantised";
    for (WeightOp weight : getStoredWeights(ref))
      if (!hasIntegerBlocks(weight.getStorage()))
        return describe({weight});
    return {};
  }

  /// `@q is stored as q5_0, @v is stored as q8_0`.
  static std::string describe(ArrayRef<WeightOp> weights) {
    std::string text;
    for (WeightOp weight : weights)
      text += ((text.empty() ? "@" : ", @") + weight.getSymName() +
               " is stored as " + stringifyStorage(weight.getStorage()))
                  .str();
    return text;
  }
};
} // namespace
