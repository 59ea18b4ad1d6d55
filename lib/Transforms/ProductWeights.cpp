// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds the products in stages, and what their weights are stored as.

#include "ProductWeights.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

SmallVector<Product> flow::getProducts(Operation *op) {
  using Products = SmallVector<Product>;
  return llvm::TypeSwitch<Operation *, Products>(op)
      .Case([](LinearOp linear) -> Products {
        return {{&linear.getWeightMutable(), &linear.getInputMutable(),
                 kArithmetic}};
      })
      .Case([](LmHeadOp head) -> Products {
        return {
            {&head.getTableMutable(), &head.getInputMutable(), kArithmetic}};
      })
      .Case([](LmHeadTopKOp head) -> Products {
        return {
            {&head.getTableMutable(), &head.getInputMutable(), kArithmetic}};
      })
      .Case([](QkvRopeAppendOp qkv) -> Products {
        return {{&qkv.getWeightMutable(), &qkv.getInputMutable(), kArithmetic}};
      })
      .Case([](GatedMlpOp mlp) -> Products {
        return {{&mlp.getGateUpMutable(), &mlp.getInputMutable(), kArithmetic},
                {&mlp.getDownMutable(), nullptr, kHiddenArithmetic}};
      })
      .Case([](PerLayerGateOp op) -> Products {
        return {{&op.getGateMutable(), &op.getInputMutable(), kArithmetic},
                {&op.getOutputMutable(), nullptr, kHiddenArithmetic}};
      })
      .Case([](RouterOp router) -> Products {
        return {{&router.getWeightMutable(), &router.getInputMutable(),
                 kArithmetic}};
      })
      .Case([](GroupedMlpOp mlp) -> Products {
        return {{&mlp.getGateUpMutable(), &mlp.getInputMutable(), kArithmetic},
                {&mlp.getDownMutable(), nullptr, kHiddenArithmetic}};
      })
      .Default([](Operation *) { return Products(); });
}

bool flow::agreeInArithmetic(ArrayRef<LinearOp> products) {
  return llvm::all_equal(llvm::map_range(products, [](LinearOp product) {
    return product->getDiscardableAttr(kArithmetic);
  }));
}

void flow::carryArithmetic(Operation *part, Operation *fused, StringRef mark) {
  if (Attribute arithmetic = part->getDiscardableAttr(kArithmetic))
    fused->setDiscardableAttr(mark, arithmetic);
}

bool flow::hasIntegerBlocks(Storage storage) {
  switch (storage) {
  case Storage::Q4_0:
  case Storage::Q4_1:
  case Storage::Q5_0:
  case Storage::Q5_1:
  case Storage::Q8_0:
  case Storage::Q2_K:
  case Storage::Q3_K:
  case Storage::Q4_K:
  case Storage::Q5_K:
  case Storage::Q6_K:
  case Storage::IQ4_NL:
  case Storage::IQ4_XS:
    return true;
  case Storage::F32:
  case Storage::F16:
  case Storage::BF16:
    return false;
  }
  llvm_unreachable("every storage is one or the other");
}
