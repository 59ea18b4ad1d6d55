// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Replaces exp and tanh on vectors by polynomial approximations.

#include "flow/Codegen/CPU/Passes.h"
#include "mlir/Dialect/Math/Transforms/Passes.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_EXPANDMATH
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {
struct ExpandMath : flow::impl::ExpandMathBase<ExpandMath> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateMathPolynomialApproximationPatterns(patterns, [](StringRef name) {
      return name == math::ExpOp::getOperationName() ||
             name == math::TanhOp::getOperationName();
    });
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};
} // namespace
