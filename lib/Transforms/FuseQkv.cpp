// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fuses the projections of an attention with norms, rotation and cache write.

#include "FusionDriver.h"
#include "ProductWeights.h"
#include "WeightSymbols.h"
#include "flow/IR/FlowOps.h"
#include "flow/Transforms/FusionPatterns.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/PatternMatch.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_FUSEQKV
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-fuse-qkv";

namespace {

/// One head's way from the projection: linear, expand_shape, norm, rope.
struct HeadPath {
  RopeOp rope;
  RmsNormOp norm;
  tensor::ExpandShapeOp expand;
  LinearOp linear;

  /// Follows `value` upwards; what is not there stays null.
  static HeadPath of(Value value) {
    HeadPath path;
    if ((path.rope = value.getDefiningOp<RopeOp>()))
      value = path.rope.getInput();
    if ((path.norm = value.getDefiningOp<RmsNormOp>()))
      value = path.norm.getInput();
    path.expand = value.getDefiningOp<tensor::ExpandShapeOp>();
    // Only the columns are split: [T, H * D] into [T, H, D].
    if (path.expand && path.expand.getReassociationIndices()[0].size() == 1)
      path.linear = path.expand.getSrc().getDefiningOp<LinearOp>();
    return path;
  }

  /// The ops of the path that are there, from the end to the projection.
  SmallVector<Operation *> ops() {
    SmallVector<Operation *> list;
    for (Operation *op : {rope.getOperation(), norm.getOperation(),
                          expand.getOperation(), linear.getOperation()})
      if (op)
        list.push_back(op);
    return list;
  }
};

/// The queries of a row are sliced after the rotation when only one row is
/// read in the end: the fused op then makes all of them.
Value behindSlice(Value query) {
  auto slice = query.getDefiningOp<tensor::ExtractSliceOp>();
  if (slice && slice.getSourceType().getShape().drop_front() ==
                   slice.getType().getShape().drop_front())
    return slice.getSource();
  return query;
}

/// The way of the queries that are projected from what `key` is projected from:
/// several attentions may read one cache. Without such queries, those of any
/// attention that reads the cache.
std::optional<HeadPath> findQuery(KvAppendOp append, LinearOp key) {
  std::optional<HeadPath> found;
  for (Operation *user : append.getNewKeyCache().getUsers()) {
    auto attention = dyn_cast<AttentionOp>(user);
    if (!attention || attention.getKey() != append.getNewKeyCache())
      continue;
    found = HeadPath::of(behindSlice(attention.getQuery()));
    if (found->linear && found->linear.getInput() == key.getInput())
      break;
  }
  return found;
}

struct FuseQkvPattern : OpRewritePattern<KvAppendOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(KvAppendOp append,
                                PatternRewriter &rewriter) const override {
    auto refuse = [&](const Twine &reason) {
      return rewriter.notifyMatchFailure(append, reason);
    };
    HeadPath k = HeadPath::of(append.getKey());
    HeadPath v = HeadPath::of(append.getValue());
    if (!k.linear || !v.linear)
      return refuse("keys and values are not projections split into heads");
    // The values may be the keys before norm and rotation: one projection.
    bool kEqV = v.expand == k.expand;
    if (!kEqV && v.linear == k.linear)
      return refuse("keys and values split one projection apart");
    std::optional<HeadPath> query = findQuery(append, k.linear);
    if (!query)
      return refuse("no attention reads the cache that it writes");
    HeadPath q = *query;
    if (!q.linear)
      return refuse("the queries are not a projection split into heads");
    Value input = q.linear.getInput();
    if (k.linear.getInput() != input || v.linear.getInput() != input)
      return refuse("the projections have different inputs");
    if (!q.rope || !k.rope || v.rope)
      return refuse("queries and keys must be rotated, and values not");
    if (q.rope.getAngles() != k.rope.getAngles())
      return refuse("queries and keys turn by different angles");
    if (!q.norm != !k.norm)
      return refuse("only one of queries and keys is normed");
    if (q.norm && (!q.norm.getWeight() || !k.norm.getWeight()))
      return refuse("a head norm has no weight");
    if (q.norm && q.norm.getWeight().getType() != k.norm.getWeight().getType())
      return refuse("the head norms have weights of different types");
    if (v.norm && v.norm.getWeight())
      return refuse("the norm of the values has a weight");
    std::optional<llvm::APFloat> eps;
    for (RmsNormOp norm : {q.norm, k.norm, v.norm}) {
      if (norm && eps && !eps->bitwiseIsEqual(norm.getEps()))
        return refuse("the head norms have different epsilons");
      if (norm)
        eps = norm.getEps();
    }
    // From the projections on, each once: values may begin as keys do.
    SetVector<Operation *> absorbed;
    for (HeadPath *path : {&q, &k, &v})
      for (Operation *op : llvm::reverse(path->ops()))
        absorbed.insert(op);
    for (Operation *op : absorbed) {
      if (op->getBlock() != append->getBlock())
        return refuse("a stage stands in another block");
      if (!op->isBeforeInBlock(append))
        return refuse("a stage stands behind the cache write");
      // The last query is read by the attention, after the cache write.
      bool hasOtherUsers = llvm::any_of(op->getUsers(), [&](Operation *user) {
        return user != append && !absorbed.contains(user);
      });
      if (op != q.rope && hasOtherUsers)
        return refuse("others read the result of " +
                      op->getName().getStringRef());
    }
    for (Operation *user : q.rope->getUsers()) {
      Operation *there = append->getBlock()->findAncestorOpInBlock(*user);
      if (!there || !append->isBeforeInBlock(there))
        return refuse("the queries are read before the cache is written");
    }
    SmallVector<LinearOp> projections{q.linear, k.linear};
    if (!kEqV)
      projections.push_back(v.linear);
    SmallVector<WeightRefOp> refs;
    for (LinearOp linear : projections) {
      refs.push_back(getWeightRef(linear.getWeight()));
      if (!refs.back())
        return refuse("a weight is not one of the model");
      if (refs.back().getType().getEncoding())
        return refuse("a weight has its layout already");
      if (linear.getType().getElementType() !=
          linear.getInput().getType().getElementType())
        return refuse("a projection changes the element type");
    }
    if (!agreeInArithmetic(projections))
      return refuse("the projections are marked with different arithmetic");
    std::string refusal;
    SymbolRefAttr path =
        getDerivedWeight(refs, kEqV ? "qk" : "qkv", Combine::Concat, refusal);
    if (!path)
      return refuse(refusal);
    fuse(append, q, k, v, path, eps, absorbed.getArrayRef(), rewriter);
    return success();
  }

private:
  static void fuse(KvAppendOp append, HeadPath q, HeadPath k, HeadPath v,
                   SymbolRefAttr path, std::optional<llvm::APFloat> eps,
                   ArrayRef<Operation *> absorbed, PatternRewriter &rewriter) {
    SmallVector<Location> locations;
    for (Operation *op : absorbed)
      locations.push_back(op->getLoc());
    locations.push_back(append.getLoc());
    Location loc = FusedLoc::get(append.getContext(), locations);

    bool kEqV = k.expand == v.expand;
    int64_t rows = q.linear.getWeight().getType().getDimSize(0) +
                   k.linear.getWeight().getType().getDimSize(0);
    if (!kEqV)
      rows += v.linear.getWeight().getType().getDimSize(0);
    LinearOp project = q.linear;
    RankedTensorType weightType = project.getWeight().getType();
    Value weight = WeightRefOp::create(
        rewriter, loc, weightType.clone({rows, weightType.getDimSize(1)}),
        path);
    Type cache = append.getKeyCache().getType();
    RopeOp queryRope = q.rope;
    RmsNormOp qNorm = q.norm, kNorm = k.norm;
    auto fused = QkvRopeAppendOp::create(
        rewriter, loc, queryRope.getType(), cache, cache, project.getInput(),
        weight, qNorm ? qNorm.getWeight() : Value(),
        kNorm ? kNorm.getWeight() : Value(), queryRope.getAngles(),
        append.getKeyCache(), append.getValueCache(), append.getStart(),
        append.getCount(), append.getSequences(), append.getSingleRows(), kEqV,
        /*v_norm=*/static_cast<bool>(v.norm),
        eps.value_or(llvm::APFloat(1e-6)));
    carryArithmetic(project, fused);
    remark::passed(append.getLoc(),
                   remark::RemarkOpts::name("qkv-fused").category(kCategory));
    rewriter.replaceAllUsesWith(queryRope.getResult(), fused.getQuery());
    rewriter.replaceOp(append,
                       {fused.getNewKeyCache(), fused.getNewValueCache()});
    // Paths only share where they begin, so users are erased first.
    for (Operation *op : llvm::reverse(absorbed))
      rewriter.eraseOp(op);
  }
};

struct FuseQkv : flow::impl::FuseQkvBase<FuseQkv> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    populateFuseQkvPatterns(patterns);
    if (failed(applyFusion(getOperation(), std::move(patterns), "qkv-not-fused",
                           kCategory)))
      return signalPassFailure();
    // Without a cache write there is no root for the pattern to begin at.
    getOperation().walk([](AttentionOp attention) {
      if (HeadPath::of(attention.getKey()).linear)
        remark::missed(
            attention.getLoc(),
            remark::RemarkOpts::name("qkv-not-fused").category(kCategory))
            << remark::reason("the keys are not written to a cache");
    });
  }
};
} // namespace

void flow::populateFuseQkvPatterns(RewritePatternSet &patterns) {
  patterns.add<FuseQkvPattern>(patterns.getContext());
}
