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

/// The runtime rounds capacities up to blocks of this many rows.
static constexpr uint64_t kBlock = 32;

static constexpr llvm::StringLiteral kCategory = "flow-plan-cache";

static remark::RemarkOpts named(StringRef name) {
  return remark::RemarkOpts::name(name).category(kCategory);
}

namespace {

/// Who reads a cache: attentions, or something whose reach is unknown.
struct Readers {
  SmallVector<AttentionOp> attentions;
  Operation *other = nullptr;
};

/// What becomes of `use`, a value of a cache, if its user appends to it.
template <typename Append> Value getAppended(Append append, OpOperand &use) {
  if (&use == &append.getKeyCacheMutable())
    return append.getNewKeyCache();
  if (&use == &append.getValueCacheMutable())
    return append.getNewValueCache();
  return {};
}

/// A value of a cache, and the call that brought it into its function, if one
/// did.
struct CacheValue {
  Value value;
  func::CallOp call;
};

/// What `use` of `known` hands on, as in a function that `flow-share-layers`
/// has made. Functions are followed one call deep, so recursion ends.
std::optional<CacheValue> followCall(OpOperand &use, CacheValue known) {
  unsigned number = use.getOperandNumber();
  if (isa<func::ReturnOp>(use.getOwner()) && known.call)
    return CacheValue{known.call.getResult(number), nullptr};
  auto call = dyn_cast<func::CallOp>(use.getOwner());
  if (!call || known.call)
    return std::nullopt;
  auto callee = mlir::SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      call, call.getCalleeAttr());
  if (!callee || callee.isExternal())
    return std::nullopt;
  return CacheValue{callee.getArgument(number), call};
}

/// Adds to `readers` who reads `cache` or what appending made of it.
void collectReaders(Value cache, Readers &readers) {
  SmallVector<CacheValue> pending{{cache, nullptr}};
  while (!pending.empty()) {
    CacheValue known = pending.pop_back_val();
    for (OpOperand &use : known.value.getUses()) {
      Operation *user = use.getOwner();
      Value appended;
      if (auto append = dyn_cast<KvAppendOp>(user))
        appended = getAppended(append, use);
      else if (auto append = dyn_cast<QkvRopeAppendOp>(user))
        appended = getAppended(append, use);
      auto attention = dyn_cast<AttentionOp>(user);
      if (appended)
        pending.push_back({appended, known.call});
      else if (auto next = followCall(use, known))
        pending.push_back(*next);
      else if (attention && &use != &attention.getQueryMutable())
        readers.attentions.push_back(attention);
      else
        readers.other = user;
    }
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
    if (context < 0) {
      getOperation().emitError("context must not be negative, got ")
          << int64_t(context);
      return signalPassFailure();
    }
    llvm::MapVector<Operation *, Readers> readers;
    getOperation().walk([&](KvCacheOp cache) { readers[cache]; });
    getOperation().walk([&](CacheRefOp ref) {
      Operation *cache =
          mlir::SymbolTable::lookupNearestSymbolFrom(ref, ref.getCacheAttr());
      for (Value value : ref.getResults())
        collectReaders(value, readers[cache]);
    });
    for (auto &[cache, who] : readers)
      plan(cast<KvCacheOp>(cache), who);
  }

  void plan(KvCacheOp cache, const Readers &readers) {
    StringRef name = cache.getSymName();
    if (readers.other)
      return keepFull(cache,
                      readers.other->getName().getStringRef() + " reads it");
    if (readers.attentions.empty())
      return drop(cache);
    int64_t window = 0;
    for (AttentionOp attention : readers.attentions) {
      int64_t own = attention.getMask().getWindow();
      if (own == 0)
        return keepFull(cache, "an attention without a window reads it");
      if (attention.getMask().getSpans() == SpanRule::Free)
        return keepFull(cache, "free spans may reach back before the window");
      window = std::max(window, own);
    }
    cache.setRing(window);
    remark::passed(cache.getLoc(), named("ring-cache")) << remark::add(
        "@{0} is a ring: no query sees further back than {1} keys", name,
        window);
    report(cache, window);
  }

  void keepFull(KvCacheOp cache, const Twine &reason) {
    cache.removeRingAttr();
    remark::missed(cache.getLoc(), named("full-cache")) << remark::reason(
        "@{0} keeps every position: {1}", cache.getSymName(), reason.str());
    report(cache, 0);
  }

  /// A cache that no attention reads goes, unless something names it.
  void drop(KvCacheOp cache) {
    if (!mlir::SymbolTable::symbolKnownUseEmpty(cache, getOperation())) {
      remark::missed(cache.getLoc(), named("unused-cache")) << remark::reason(
          "no attention reads @{0}, but it is named", cache.getSymName());
      return;
    }
    remark::passed(cache.getLoc(), named("cache-erased"))
        << remark::add("nothing uses @{0}", cache.getSymName());
    cache.erase();
  }

  /// The size of the cache, as the runtime will choose it.
  void report(KvCacheOp cache, uint64_t window) {
    uint64_t positions = int64_t(context);
    auto model = dyn_cast<ModelOp>(cache->getParentOp());
    if (positions == 0 && model)
      positions = model.getHyper().getPositions();
    if (positions == 0)
      return; // nothing bounds the sequence
    // Both are below 2^63, so sums of two fit.
    uint64_t capacity = llvm::alignTo(positions, kBlock);
    if (window != 0)
      capacity = std::min(
          capacity,
          llvm::alignTo(window - 1 + uint64_t(int64_t(chunk)), kBlock));
    uint64_t bytes = 2 * cache.getElementType().getIntOrFloatBitWidth() / 8;
    for (uint64_t factor : {capacity, cache.getKvHeads(), cache.getHeadDim()})
      bytes = llvm::SaturatingMultiply(bytes, factor);
    remark::analysis(cache.getLoc(), named("cache-size"))
        << remark::metric("capacity", capacity)
        << remark::metric("bytes", bytes);
  }
};
} // namespace
