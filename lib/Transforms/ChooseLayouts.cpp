// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Chooses the packed layout of each weight and quantises the rows it meets.

#include "ProductWeights.h"
#include "WeightSymbols.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_CHOOSELAYOUTS
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-choose-layouts";

namespace {

/// The quants of a storage.
struct QuantRange {
  int64_t low, high;
};

QuantRange quantRange(Storage storage) {
  switch (storage) {
  case Storage::Q2_K:
    return {0, 3};
  case Storage::Q3_K:
    return {-4, 3};
  case Storage::Q4_0:
    return {-8, 7};
  case Storage::Q4_1:
  case Storage::Q4_K:
    return {0, 15};
  case Storage::Q5_0:
    return {-16, 15};
  case Storage::Q5_1:
  case Storage::Q5_K:
    return {0, 31};
  case Storage::Q6_K:
    return {-32, 31};
  default:
    return {-128, 127};
  }
}

/// The fewest bits, and the offset, that make every quant of `range` an
/// unsigned number.
std::pair<int64_t, int64_t> bitsAndOffset(QuantRange range) {
  for (int64_t bits : {4, 5, 6})
    for (int64_t offset : {int64_t(0), int64_t(1) << (bits - 1)})
      if (range.low + offset >= 0 && range.high + offset < int64_t(1) << bits)
        return {bits, offset};
  return {8, 128};
}

/// What holds the blocks of all of several weights.
struct BlockForm {
  int64_t block = 32;
  ScaleKind scale = ScaleKind::F16;
  bool min = false;
  QuantRange quants = {0, 0};
};

BlockForm commonForm(ArrayRef<WeightOp> weights) {
  int64_t block = 32;
  bool wideScale = false, min = false;
  QuantRange all = {0, 0};
  for (WeightOp weight : weights) {
    QuantRange own = quantRange(weight.getStorage());
    all = {std::min(all.low, own.low), std::max(all.high, own.high)};
    switch (weight.getStorage()) {
    case Storage::Q2_K:
      block = 16;
      wideScale = min = true;
      break;
    case Storage::Q3_K:
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
  return {block, wideScale ? ScaleKind::F32 : ScaleKind::F16, min, all};
}

/// The narrowest integer panels that hold every one of `weights`.
PanelsAttr integerPanels(ArrayRef<WeightOp> weights, MLIRContext *context) {
  BlockForm form = commonForm(weights);
  auto [bits, offset] = bitsAndOffset(form.quants);
  return PanelsAttr::get(context, PanelKind::I8, form.block, form.scale,
                         form.min, bits, offset);
}

/// The same for a GPU. Four bits hold numbers from -8 on, or from 0 on where
/// there are minima.
WeightBlocksAttr narrowestBlocks(ArrayRef<WeightOp> weights,
                                 MLIRContext *context) {
  BlockForm form = commonForm(weights);
  int64_t low = form.min ? 0 : -8;
  bool isNarrow =
      form.block == 32 && form.quants.low >= low && form.quants.high < low + 16;
  return WeightBlocksAttr::get(context, isNarrow ? 4 : 8, form.block,
                               form.scale, form.min);
}

/// The leading bits that a head is screened with when a step asks for so many
/// candidates; 0 if reading all of it costs less.
/// docs/Rationale/ScreenedHead.md has the counts of rows behind the limits.
int64_t leadingBits(int64_t candidates) {
  return candidates == 1 ? 5 : candidates <= 64 ? 6 : 0;
}

struct ChooseLayouts : flow::impl::ChooseLayoutsBase<ChooseLayouts> {
  using ChooseLayoutsBase::ChooseLayoutsBase;

  void runOnOperation() override {
    if (rowsBlock != 16 && rowsBlock != 32) {
      getOperation().emitError("rows-block must be 16 or 32, got ")
          << int64_t(rowsBlock);
      return signalPassFailure();
    }
    packedRefs.clear();
    quantizedRows.clear();
    leading.clear();
    SmallVector<Operation *> stages;
    getOperation().walk([&](Operation *op) {
      if (!getProducts(op).empty())
        stages.push_back(op);
    });
    for (Operation *op : stages)
      for (const Product &product : getProducts(op))
        if (WeightRefOp ref = getWeightRef(product.weight->get()))
          meet(op, ref);
    llvm::SetVector<WeightRefOp> replaced;
    for (Operation *op : stages)
      for (const Product &product : getProducts(op)) {
        if (WeightRefOp ref = getWeightRef(product.weight->get()))
          replaced.insert(ref);
        if (failed(choose(op, product)))
          return signalPassFailure();
      }
    if (weightBlocks)
      getOperation().walk([&](EmbedOp op) {
        WeightRefOp ref = getWeightRef(op.getTable());
        if (!ref || ref.getType().getEncoding())
          return;
        if (WeightBlocksAttr blocks = blocksOf(ref)) {
          replaced.insert(ref);
          op.getTableMutable().set(packedRef(op, ref, blocks));
        }
      });
    for (WeightRefOp ref : replaced)
      if (ref->use_empty())
        ref.erase();
  }

  LogicalResult choose(Operation *op, const Product &product) {
    auto mark = op->getAttrOfType<StringAttr>(product.mark);
    std::optional<PanelKind> kind =
        mark ? symbolizePanelKind(mark.getValue()) : PanelKind::F32;
    if (!kind)
      return op->emitOpError("is marked with the arithmetic ")
             << mark << ", expected \"f32\", \"bf16\" or \"i8\"";
    op->removeAttr(product.mark);
    Value weight = product.weight->get();
    auto type = cast<RankedTensorType>(weight.getType());
    if (type.getEncoding())
      return success(); // chosen by whoever wrote it
    WeightRefOp ref = getWeightRef(weight);
    if (!ref)
      return op->emitOpError("reads a weight that is no flow.weight_ref, which "
                             "cannot be packed");
    WeightBlocksAttr blocks =
        weightBlocks && *kind == PanelKind::BF16 ? blocksOf(ref) : nullptr;
    auto panels = PanelsAttr::get(
        &getContext(), *kind == PanelKind::I8 ? PanelKind::F32 : *kind);
    if (*kind == PanelKind::I8) {
      for (WeightOp stored : getStoredWeights(ref))
        if (!hasIntegerBlocks(stored.getStorage()))
          return op->emitOpError("is marked \"i8\", but its weight @")
                 << stored.getSymName() << " is stored as "
                 << stringifyStorage(stored.getStorage());
      panels = integerPanels(getStoredWeights(ref), &getContext());
      if (panels.getBits() == 8 && panels.getScale() == ScaleKind::F16 &&
          !panels.getMin())
        panels = splitBits(op, ref, panels);
    }
    // A storage in integer blocks has rows of whole blocks of 32 already.
    if (type.getDimSize(0) % kPanelRows != 0)
      return op->emitOpError("has the weight ")
             << ref.getWeight() << " of " << type.getDimSize(0) << " by "
             << type.getDimSize(1) << ", which cannot be packed in panels of "
             << kPanelRows << " rows";
    if (*kind == PanelKind::BF16 && type.getDimSize(1) % 2 != 0)
      return op->emitOpError("is marked \"bf16\", but its weight ")
             << ref.getWeight() << " has rows of " << type.getDimSize(1)
             << ", which are no pairs";
    Attribute layout = blocks ? Attribute(blocks) : Attribute(panels);
    product.weight->set(packedRef(op, ref, layout));
    if (*kind == PanelKind::I8)
      quantize(
          op, product,
          QuantizedRowsAttr::get(
              &getContext(), std::min<int64_t>(rowsBlock, panels.getBlock())));
    else if (*kind == PanelKind::BF16)
      quantize(op, product, Bf16RowsAttr::get(&getContext()));
    std::string text;
    llvm::raw_string_ostream(text) << layout;
    remark::passed(op->getLoc(),
                   remark::RemarkOpts::name("layout").category(kCategory))
        << remark::add("@{0} is packed as {1}",
                       ref.getWeight().getLeafReference().getValue(), text);
    return success();
  }

  /// The blocks that the weight of `ref` keeps on a GPU; null if its sources
  /// are not all stored in such.
  WeightBlocksAttr blocksOf(WeightRefOp ref) {
    SmallVector<WeightOp> stored = getStoredWeights(ref);
    bool keeps = llvm::all_of(stored, [](WeightOp weight) {
      return hasIntegerBlocks(weight.getStorage()) && !weight.getUnitOffset();
    });
    if (!keeps || ref.getType().getRank() != 2 ||
        ref.getType().getDimSize(1) % 32 != 0)
      return {};
    return narrowestBlocks(stored, &getContext());
  }

  /// How many bits of a weight lead, or why none do.
  struct Leading {
    int64_t bits;
    StringRef refusal;
  };

  /// What `op` would like of the weight of `ref`, which it multiplies with.
  static Leading wish(Operation *op, WeightRefOp ref) {
    auto head = dyn_cast<LmHeadTopKOp>(op);
    if (!head)
      return {0, "others read all of it"};
    auto best = cast<RankedTensorType>(head.getValues().getType());
    if (best.getDimSize(0) != 1)
      return {0, "there are several rows"};
    // Each of as many panels has a result that is no less than the threshold.
    if (best.getDimSize(1) > ref.getType().getDimSize(0) / kPanelRows)
      return {0, "there are more candidates than panels"};
    int64_t bits = leadingBits(best.getDimSize(1));
    return {bits, bits ? "" : "too many rows may be candidates"};
  }

  /// Notes what `op` would like. A weight lies in memory once.
  void meet(Operation *op, WeightRefOp ref) {
    Leading own = wish(op, ref);
    auto [known, isNew] = leading.try_emplace(ref.getWeightAttr(), own);
    if (isNew || !known->second.bits || known->second.bits == own.bits)
      return;
    known->second = {0, own.bits ? "heads ask for different numbers"
                                 : own.refusal};
  }

  /// `panels` with the leading bits apart, if the products of `ref` agree.
  PanelsAttr splitBits(Operation *op, WeightRefOp ref, PanelsAttr panels) {
    auto [bits, refusal] = leading.lookup(ref.getWeightAttr());
    if (bits == 0) {
      if (isa<LmHeadTopKOp>(op))
        remark::missed(
            op->getLoc(),
            remark::RemarkOpts::name("head-not-screened").category(kCategory))
            << refusal;
      return panels;
    }
    return PanelsAttr::get(&getContext(), PanelKind::I8, panels.getBlock(),
                           panels.getScale(), panels.getMin(), panels.getBits(),
                           panels.getOffset(), bits);
  }

  /// The weight of `ref` in `layout`, from an earlier product if there is one.
  Value packedRef(Operation *op, WeightRefOp ref, Attribute layout) {
    WeightRefOp &packed = packedRefs[{ref.getWeightAttr(), layout}];
    if (!packed || !servesFor(packed, op)) {
      RankedTensorType type = ref.getType();
      OpBuilder b(op);
      packed = WeightRefOp::create(
          b, ref.getLoc(),
          RankedTensorType::get(type.getShape(), type.getElementType(), layout),
          ref.getWeight());
    }
    return packed;
  }

  void quantize(Operation *op, const Product &product, Attribute layout) {
    if (!product.rows) {
      llvm::TypeSwitch<Operation *>(op)
          .Case<GatedMlpOp, PerLayerGateOp, GroupedMlpOp>(
              [&](auto stage) { stage.setHiddenAttr(layout); });
      return;
    }
    Value rows = product.rows->get();
    QuantizeRowsOp &quantized = quantizedRows[{rows, layout}];
    if (!quantized || !servesFor(quantized, op)) {
      auto type = cast<RankedTensorType>(rows.getType());
      OpBuilder b(op);
      quantized = QuantizeRowsOp::create(
          b, op->getLoc(),
          RankedTensorType::get(type.getShape(), type.getElementType(), layout),
          rows);
    }
    product.rows->set(quantized);
  }

  /// True if what `earlier` gives can be read by `op`.
  static bool servesFor(Operation *earlier, Operation *op) {
    return earlier->getBlock() == op->getBlock() &&
           earlier->isBeforeInBlock(op);
  }

  DenseMap<std::pair<Attribute, Attribute>, WeightRefOp> packedRefs;
  DenseMap<std::pair<Value, Attribute>, QuantizeRowsOp> quantizedRows;
  DenseMap<Attribute, Leading> leading;
};
} // namespace
