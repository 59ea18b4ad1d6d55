// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes rings of the caches that only windowed attentions read.

#include "flow/IR/FlowOps.h"
#include "flow/Transforms/Passes.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_PLANCACHE
#include "flow/Transforms/Passes.h.inc"
} // namespace flow

using namespace flow;

static constexpr llvm::StringLiteral kCategory = "flow-plan-cache";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

namespace {

/// The attentions that read what `cache` became.
void collectReaders(Value cache, SmallVectorImpl<AttentionOp> &readers) {
  for (OpOperand &use : cache.getUses()) {
    Operation *user = use.getOwner();
    if (auto attention = dyn_cast<AttentionOp>(user))
      readers.push_back(attention);
    else if (auto append = dyn_cast<KvAppendOp>(user))
      collectReaders(cache == append.getKeyCache() ? append.getNewKeyCache()
                                                   : append.getNewValueCache(),
                     readers);
    else if (auto append = dyn_cast<QkvRopeAppendOp>(user))
      collectReaders(cache == append.getKeyCache() ? append.getNewKeyCache()
                                                   : append.getNewValueCache(),
                     readers);
  }
}

struct PlanCache : flow::impl::PlanCacheBase<PlanCache> {
  using PlanCacheBase::PlanCacheBase;

  void runOnOperation() override {
    if (chunk <= 0) {
      getOperation().emitError("chunk must be positive, got ")
          << int64_t(chunk);
      return signalPassFailure();
    }
    llvm::MapVector<KvCacheOp, SmallVector<AttentionOp>> readers;
    getOperation().walk([&](KvCacheOp cache) { readers[cache]; });
    getOperation().walk([&](CacheRefOp ref) {
      auto cache = cast<KvCacheOp>(
          mlir::SymbolTable::lookupSymbolIn(getOperation(), ref.getCache()));
      for (Value value : ref.getResults())
        collectReaders(value, readers[cache]);
    });
    for (auto &[cache, attentions] : readers)
      plan(cache, attentions);
  }

  void plan(KvCacheOp cache, ArrayRef<AttentionOp> attentions) {
    StringRef name = cache.getSymName();
    if (attentions.empty()) {
      remark::missed(cache.getLoc(), named("unused-cache"))
          << remark::reason("no attention reads @{0}", name);
      return;
    }
    int64_t window = 0;
    for (AttentionOp attention : attentions) {
      int64_t own = attention.getMask().getWindow();
      if (own == 0) {
        remark::missed(cache.getLoc(), named("full-cache"))
            << remark::reason("@{0} keeps every position: an attention without "
                              "a window reads it",
                              name);
        report(cache, 0);
        return;
      }
      window = std::max(window, own);
    }
    cache.setRing(window);
    remark::passed(cache.getLoc(), named("ring-cache")) << remark::add(
        "@{0} is a ring: no query sees further back than {1} keys", name,
        window);
    report(cache, window);
  }

  /// The size of the cache, as the runtime will choose it.
  void report(KvCacheOp cache, int64_t window) {
    int64_t positions = context;
    if (positions == 0)
      positions = cast<ModelOp>(cache->getParentOp()).getHyper().getPositions();
    int64_t capacity = llvm::alignTo(positions, 32);
    if (window != 0)
      capacity = std::min<int64_t>(
          capacity, llvm::alignTo(window - 1 + int64_t(chunk), 32));
    int64_t bytes = 2 * capacity * cache.getKvHeads() * cache.getHeadDim() *
                    static_cast<int64_t>(sizeof(float));
    remark::analysis(cache.getLoc(), named("cache-size"))
        << remark::metric("capacity", capacity)
        << remark::metric("bytes", bytes);
  }
};
} // namespace
