// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Adds up parameters of a recipe and memory of its plan.

#include "flow/Compiler/ModelSummary.h"

#include "PlanBuilder.h"
#include "flow/Ggml/Types.h"
#include "flow/IR/FlowOps.h"
#include "flow/Runtime/Memory.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/JSON.h"

#include <map>

using namespace flow;

uint64_t ModelSummary::cacheBytes() const {
  uint64_t bytes = 0;
  for (const CacheSummary &cache : caches)
    bytes += cache.bytes;
  return bytes;
}

uint64_t ModelSummary::allocatedBytes() const {
  return packedBytes + cacheBytes() + bufferBytes;
}

/// The tensor, and where in it the weight begins: weights that share both are
/// one.
static std::string placeOf(WeightOp weight) {
  std::string place = tensorName(weight);
  if (std::optional<llvm::ArrayRef<int64_t>> part = weight.getPart())
    for (int64_t begin : *part)
      place += ' ' + std::to_string(begin);
  return place;
}

/// Bytes of `elements` values in a file.
static uint64_t storedBytes(Storage storage, int64_t elements) {
  for (uint32_t id = 0; id <= static_cast<uint32_t>(ggml::Type::BF16); ++id)
    if (std::optional<ggml::TypeInfo> info = ggml::typeInfo(id))
      if (llvm::StringRef(info->name).lower() == stringifyStorage(storage))
        return static_cast<uint64_t>(elements) / info->blockElements *
               info->blockBytes;
  llvm_unreachable("every storage is a type of ggml");
}

static void addRecipe(mlir::ModuleOp recipe, ModelSummary &summary) {
  llvm::StringSet<> tensors;
  recipe.walk([&](WeightOp weight) {
    if (!tensors.insert(placeOf(weight)).second)
      return;
    int64_t elements = weight.getTensorType().getNumElements();
    summary.parameters += elements;
    summary.storedBytes += storedBytes(weight.getStorage(), elements);
  });
  recipe.walk([&](LayerOp) { ++summary.layers; });
}

static void addWeights(mlir::ModuleOp recipe, const runtime::Plan &plan,
                       ModelSummary &summary) {
  llvm::StringMap<Storage> storages;
  recipe.walk([&](WeightOp weight) {
    storages[tensorName(weight)] = weight.getStorage();
  });
  for (const runtime::PackedWeight &weight : plan.weights) {
    for (size_t bytes : runtime::packedBytes(weight))
      summary.packedBytes += bytes;
    if (weight.packing == runtime::Packing::Raw)
      summary.mappedBytes +=
          storedBytes(storages.lookup(weight.sources.front().name),
                      weight.rows * weight.cols);
  }
}

static void addCaches(const runtime::Plan &plan, int64_t rows,
                      ModelSummary &summary) {
  using Kind =
      std::tuple<bool, int64_t, int64_t, int64_t, runtime::ElementType>;
  std::map<Kind, int64_t> counts;
  for (const runtime::CachePlan &cache : plan.caches)
    ++counts[{cache.window == 0, cache.window, cache.kvHeads, cache.headDim,
              cache.element}];
  for (auto [kind, count] : counts) {
    CacheSummary cache;
    cache.window = std::get<1>(kind);
    cache.kvHeads = std::get<2>(kind);
    cache.headDim = std::get<3>(kind);
    cache.count = count;
    cache.element = runtime::elementName(std::get<4>(kind));
    runtime::CachePlan plan{"", cache.kvHeads, cache.headDim, cache.window,
                            std::get<4>(kind)};
    cache.positions = runtime::cachePositions(plan, summary.context, rows);
    cache.bytes =
        static_cast<uint64_t>(count) * plan.positionBytes() * cache.positions;
    summary.caches.push_back(cache);
  }
}

llvm::Expected<ModelSummary>
flow::summarizeModel(mlir::ModuleOp recipe, const CpuTarget &target,
                     const CompileOptions &options) {
  llvm::Expected<runtime::Plan> plan = planModel(recipe, target, options);
  if (!plan)
    return plan.takeError();
  ModelSummary summary;
  summary.context = plan->context;
  summary.chunk = options.chunk;
  int64_t rows = runtime::largestStep(*plan, summary.context, summary.chunk);
  addRecipe(recipe, summary);
  addWeights(recipe, *plan, summary);
  addCaches(*plan, rows, summary);
  std::vector<std::vector<int64_t>> shapes = runtime::bufferShapes(*plan, rows);
  for (size_t i = 0; i != shapes.size(); ++i) {
    uint64_t bytes = runtime::bytesOf(plan->buffers[i].element);
    for (int64_t dim : shapes[i])
      bytes *= dim;
    summary.bufferBytes += bytes;
  }
  return summary;
}

std::string flow::toJson(const ModelSummary &summary) {
  std::string text;
  llvm::raw_string_ostream out(text);
  llvm::json::OStream json(out, /*IndentSize=*/2);
  json.object([&] {
    json.attribute("parameters", summary.parameters);
    json.attribute("layers", summary.layers);
    json.attribute("context", summary.context);
    json.attribute("prefill_chunk", summary.chunk);
    json.attribute("stored_bytes", summary.storedBytes);
    json.attribute("mapped_bytes", summary.mappedBytes);
    json.attribute("packed_bytes", summary.packedBytes);
    json.attributeArray("caches", [&] {
      for (const CacheSummary &cache : summary.caches)
        json.object([&] {
          json.attribute("kind", cache.window ? "sliding" : "full");
          if (cache.window)
            json.attribute("window", cache.window);
          json.attribute("count", cache.count);
          json.attribute("kv_heads", cache.kvHeads);
          json.attribute("head_dim", cache.headDim);
          json.attribute("type", cache.element);
          json.attribute("positions", cache.positions);
          json.attribute("bytes", cache.bytes);
        });
    });
    json.attribute("cache_bytes", summary.cacheBytes());
    json.attribute("buffer_bytes", summary.bufferBytes);
    json.attribute("allocated_bytes", summary.allocatedBytes());
  });
  out << '\n';
  return text;
}
