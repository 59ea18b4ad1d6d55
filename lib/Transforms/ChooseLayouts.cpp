// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chooses the packed layout of each weight and quantises the rows it meets.

#include "ProductWeights.h"
#include "WeightSymbols.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Remarks.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-choose-layouts";

namespace {

/// The narrowest 8-bit panels that hold every one of `weights`.
PanelsAttr integerPanels(ArrayRef<WeightOp> weights, MLIRContext *context) {
  int64_t block = 32;
  bool wideScale = false, min = false;
  for (WeightOp weight : weights) {
    switch (weight.getStorage()) {
    case Storage::Q6_K:
      block = 16;
      wideScale = true;
      break;
    case Storage::Q4_K:
    case Storage::Q5_K:
      wideScale = min = true;
      break;
    case Storage::IQ4_XS:
      wideScale = true;
      break;
    case Storage::Q4_1:
    case Storage::Q5_1:
      min = true;
      break;
    default:
      break;
    }
  }
  return PanelsAttr::get(context, PanelKind::I8, block,
                         wideScale ? ScaleKind::F32 : ScaleKind::F16, min);
}

struct ChooseLayouts : flow::impl::ChooseLayoutsBase<ChooseLayouts> {
  void runOnOperation() override {
    SmallVector<Operation *> stages;
    getOperation().walk([&](Operation *op) {
      if (!getProducts(op).empty())
        stages.push_back(op);
    });
    for (Operation *op : stages)
      for (const Product &product : getProducts(op))
        if (failed(choose(op, product)))
          return signalPassFailure();
    getOperation().walk([](WeightRefOp ref) {
      if (ref->use_empty())
        ref.erase();
    });
  }

  LogicalResult choose(Operation *op, const Product &product) {
    auto mark = op->getAttrOfType<StringAttr>(product.mark);
    bool isI8 = mark && mark == "i8";
    op->removeAttr(product.mark);
    Value weight = product.weight->get();
    WeightRefOp ref = getWeightRef(weight);
    auto type = cast<RankedTensorType>(weight.getType());
    if (!ref)
      return op->emitOpError("reads a weight that is no flow.weight_ref, which "
                             "cannot be packed");
    if (type.getEncoding())
      return success(); // chosen by whoever wrote it
    PanelsAttr panels =
        isI8 ? integerPanels(getStoredWeights(ref), &getContext())
             : PanelsAttr::get(&getContext(), PanelKind::F32, 0, ScaleKind::F16,
                               false);
    if (type.getDimSize(0) % kPanelRows != 0 ||
        (isI8 && type.getDimSize(1) % 32 != 0))
      return op->emitOpError("has the weight ")
             << ref.getWeight() << " of " << type.getDimSize(0) << " by "
             << type.getDimSize(1) << ", which cannot be packed in panels of "
             << kPanelRows << (isI8 ? " rows and blocks of 32" : " rows");
    auto packed =
        RankedTensorType::get(type.getShape(), type.getElementType(), panels);
    OpBuilder b(op);
    product.weight->set(
        WeightRefOp::create(b, ref.getLoc(), packed, ref.getWeight()));
    if (isI8)
      quantize(op, product, panels.getBlock(), b);
    std::string text;
    llvm::raw_string_ostream(text) << panels;
    remark::passed(op->getLoc(),
                   remark::RemarkOpts::name("layout").category(kCategory))
        << remark::add("{0} is packed as {1}",
                       ref.getWeight().getLeafReference().getValue(), text);
    return success();
  }

  void quantize(Operation *op, const Product &product, int64_t sums,
                OpBuilder &b) {
    auto layout = QuantizedRowsAttr::get(&getContext(), sums);
    if (!product.rows) {
      cast<GatedMlpOp>(op).setHiddenAttr(layout);
      return;
    }
    Value rows = product.rows->get();
    Value &quantized = quantizedRows[{rows, sums}];
    // An earlier quantisation of the same rows serves this product too.
    auto earlier = quantized ? quantized.getDefiningOp() : nullptr;
    if (!earlier || earlier->getBlock() != op->getBlock() ||
        !earlier->isBeforeInBlock(op)) {
      auto type = cast<RankedTensorType>(rows.getType());
      quantized = QuantizeRowsOp::create(
          b, op->getLoc(),
          RankedTensorType::get(type.getShape(), type.getElementType(), layout),
          rows);
    }
    product.rows->set(quantized);
  }

  DenseMap<std::pair<Value, int64_t>, Value> quantizedRows;
};
} // namespace
