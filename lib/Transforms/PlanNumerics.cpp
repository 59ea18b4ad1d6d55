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
    if (!llvm::is_contained({"auto", "f32", "bf16", "int8"},
                            llvm::StringRef(numerics))) {
      getOperation().emitError("unknown numerics '")
          << numerics << "', expected auto, f32, bf16 or int8";
      return signalPassFailure();
    }
    getOperation().walk([&](Operation *op) {
      for (const Product &product : getProducts(op))
        choose(op, product);
    });
  }

  void choose(Operation *op, const Product &product) {
    auto [arithmetic, reason] = arithmeticOf(op, product);
    op->setAttr(product.mark, StringAttr::get(&getContext(), arithmetic));
    remark::passed(op->getLoc(), named("arithmetic"))
        << remark::add("{0}: {1}", arithmetic, reason);
  }

  /// The arithmetic of the product, and why.
  std::pair<StringRef, std::string> arithmeticOf(Operation *op,
                                                 const Product &product) {
    if (numerics == "f32")
      return {"f32", "every product is f32"};
    std::string obstacle = whyOnlyF32(op, product);
    if (!obstacle.empty()) {
      reportMissed(op, obstacle);
      return {"f32", obstacle};
    }
    if (numerics == "bf16")
      return {"bf16", "every product is bf16"};
    SmallVector<WeightOp> stored =
        getStoredWeights(getWeightRef(product.weight->get()));
    SmallVector<WeightOp> floats;
    for (WeightOp weight : stored)
      if (!hasIntegerBlocks(weight.getStorage()))
        floats.push_back(weight);
    if (floats.empty())
      return {"i8", describe(stored)};
    std::string reason = describe(floats);
    reportMissed(op, reason);
    bool areBf16 = llvm::all_of(stored, [](WeightOp weight) {
      return weight.getStorage() == Storage::BF16;
    });
    return {areBf16 ? "bf16" : "f32", reason};
  }

  /// Says that the product does not have the arithmetic that was asked for.
  void reportMissed(Operation *op, StringRef obstacle) {
    if (numerics != "auto")
      remark::missed(op->getLoc(), named("not-" + numerics))
          << remark::reason("{0}", obstacle);
  }

  /// Why the product can be nothing but f32; empty if it can.
  static std::string whyOnlyF32(Operation *op, const Product &product) {
    if (!getWeightRef(product.weight->get()))
      return "the weight is not one of the model";
    if (!getElementTypeOrSelf(op->getOperand(0)).isF32())
      return "only rows of f32 are quantised";
    if (cast<ShapedType>(product.weight->get().getType()).getDimSize(1) % 2)
      return "its rows have an odd number of values";
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
