// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small sizes of each family.

#ifndef FLOW_TEST_UNIT_BUILDERS_TESTSIZES_H
#define FLOW_TEST_UNIT_BUILDERS_TESTSIZES_H

#include "TestStep.h"

#include "flow/Builders/FamilyPresets.h"

namespace flow {

/// The numbers that all families have.
inline GemmaSizes smallSizes(int64_t layers) {
  GemmaSizes sizes;
  sizes.hidden = 64;
  sizes.vocab = 512;
  sizes.positions = 4096;
  sizes.layers = layers;
  sizes.heads = 2;
  sizes.kvHeads = 1;
  sizes.headDim = 32;
  sizes.width = 128;
  sizes.matrices = Storage::Q8_0;
  return sizes;
}

inline GemmaSizes slidingSizes(int64_t layers) {
  GemmaSizes sizes = smallSizes(layers);
  sizes.window = 16;
  return sizes;
}

/// A sliding layer, and a full one with heads of its own whose values are its
/// keys.
inline GemmaSizes denseFourthSizes() {
  GemmaSizes sizes = slidingSizes(2);
  sizes.heads = 4;
  sizes.kvHeads = 2;
  sizes.fullHeadDim = 64;
  sizes.fullKvHeads = 1;
  sizes.kEqV = true;
  return sizes;
}

/// Sliding and full, and both again with the keys and values of the first two.
inline GemmaSizes sharingFourthSizes() {
  GemmaSizes sizes = slidingSizes(4);
  sizes.period = 2;
  sizes.fullHeadDim = 64;
  sizes.sharedLayers = 2;
  sizes.doubleWide = true;
  sizes.perLayer = 32;
  return sizes;
}

/// Experts beside the MLP.
inline GemmaSizes expertFourthSizes() {
  GemmaSizes sizes = slidingSizes(2);
  sizes.experts = 4;
  sizes.expertsUsed = 2;
  sizes.expertWidth = 96;
  return sizes;
}

/// A module of the model that these sizes make.
inline mlir::OwningOpRef<mlir::ModuleOp>
makeModule(TestContext &test, GemmaFamily family, const GemmaSizes &sizes) {
  mlir::Location loc = mlir::UnknownLoc::get(&test.context);
  mlir::OwningOpRef<mlir::ModuleOp> module = mlir::ModuleOp::create(loc);
  mlir::OpBuilder b(&test.context);
  b.setInsertionPointToEnd(module->getBody());
  llvm::Expected<ModelOp> model = createModel(b, loc, "m", family, sizes);
  if (!model)
    ADD_FAILURE() << llvm::toString(model.takeError());
  return module;
}

} // namespace flow

#endif // FLOW_TEST_UNIT_BUILDERS_TESTSIZES_H
