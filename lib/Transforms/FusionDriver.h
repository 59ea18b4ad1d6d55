// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Drives the patterns of a fusion and tells what they refused.

#ifndef FLOW_LIB_TRANSFORMS_FUSIONDRIVER_H
#define FLOW_LIB_TRANSFORMS_FUSIONDRIVER_H

#include "MissedRemarkListener.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace flow {

/// Applies `patterns` below `root` and folds nothing: a pass does what its name
/// says. Each refusal is a missed remark `name`.
inline llvm::LogicalResult applyFusion(mlir::Operation *root,
                                       mlir::RewritePatternSet patterns,
                                       llvm::StringRef name,
                                       llvm::StringRef category) {
  MissedRemarkListener listener;
  auto config =
      mlir::GreedyRewriteConfig().enableFolding(false).setListener(&listener);
  if (failed(mlir::applyPatternsGreedily(root, std::move(patterns), config)))
    return llvm::failure();
  listener.emit(name, category);
  return llvm::success();
}

} // namespace flow

#endif // FLOW_LIB_TRANSFORMS_FUSIONDRIVER_H
