// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds the products in stages.

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
      .Case([](QkvRopeAppendOp qkv) -> Products {
        return {{&qkv.getWeightMutable(), &qkv.getInputMutable(), kArithmetic}};
      })
      .Case([](GatedMlpOp mlp) -> Products {
        return {{&mlp.getGateUpMutable(), &mlp.getInputMutable(), kArithmetic},
                {&mlp.getDownMutable(), nullptr, kHiddenArithmetic}};
      })
      .Default([](Operation *) { return Products(); });
}
