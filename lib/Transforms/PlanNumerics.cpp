// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chooses the arithmetic of each product.

#include "ProductWeights.h"
#include "WeightSymbols.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Remarks.h"

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

/// True if the file's own quants can be multiplied as they are.
static bool hasIntegerBlocks(Storage storage) {
  switch (storage) {
  case Storage::Q4_0:
  case Storage::Q4_1:
  case Storage::Q5_0:
  case Storage::Q5_1:
  case Storage::Q8_0:
  case Storage::Q4_K:
  case Storage::Q5_K:
  case Storage::Q6_K:
  case Storage::IQ4_NL:
  case Storage::IQ4_XS:
    return true;
  case Storage::F32:
  case Storage::F16:
  case Storage::BF16:
  case Storage::Q2_K:
  case Storage::Q3_K:
    return false;
  }
  llvm_unreachable("every storage is one or the other");
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
    StringAttr f32 = StringAttr::get(&getContext(), "f32");
    StringAttr i8 = StringAttr::get(&getContext(), "i8");
    auto set = [&](StringAttr arithmetic, const Twine &reason) {
      op->setAttr(product.mark, arithmetic);
      remark::passed(op->getLoc(), named("arithmetic"))
          << remark::add("{0}: {1}", arithmetic.getValue(), reason.str());
    };
    if (numerics == "f32")
      return set(f32, "every product is f32");
    WeightRefOp ref = getWeightRef(product.weight->get());
    if (!ref)
      return set(f32, "the weight is computed");
    for (WeightOp weight : getStoredWeights(ref)) {
      if (hasIntegerBlocks(weight.getStorage()))
        continue;
      std::string reason = ("@" + weight.getSymName() + " is stored as " +
                            stringifyStorage(weight.getStorage()))
                               .str();
      if (numerics == "int8")
        remark::missed(op->getLoc(), named("not-int8"))
            << remark::reason("{0}", reason);
      return set(f32, reason);
    }
    set(i8, "the weight is stored in integer blocks");
  }
};
} // namespace
