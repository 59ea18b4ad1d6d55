// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The fusions as patterns, for pipelines that drive patterns themselves.

#ifndef FLOW_TRANSFORMS_FUSIONPATTERNS_H
#define FLOW_TRANSFORMS_FUSIONPATTERNS_H

namespace mlir {
class RewritePatternSet;
} // namespace mlir

namespace flow {

// A pattern that looks at a candidate and leaves it says why through
// `notifyMatchFailure`. Those of QKV, MLP and experts look weights up by symbol
// and add `flow.derived_weight` ops beside them, so the driver must own the
// whole module, not one function of it.

/// What `flow-fuse-qkv` does, rooted at `flow.kv_append`.
void populateFuseQkvPatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-gated-mlp` does, rooted at `flow.geglu`.
void populateFuseGatedMlpPatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-per-layer-gate` does, rooted at `flow.geglu`.
void populateFusePerLayerGatePatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-experts` does, rooted at `flow.moe`.
void populateFuseExpertsPatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-router` does, rooted at `flow.route_experts`.
void populateFuseRouterPatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-head-top-k` does, rooted at `flow.top_k`.
void populateFuseHeadTopKPatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-add-norm` does, rooted at the `flow.rms_norm` of a sum.
void populateFuseAddNormPatterns(mlir::RewritePatternSet &patterns);

/// What `flow-fuse-norm-quantize` does, rooted at `flow.quantize_rows`.
void populateFuseNormQuantizePatterns(mlir::RewritePatternSet &patterns);

} // namespace flow

#endif // FLOW_TRANSFORMS_FUSIONPATTERNS_H
