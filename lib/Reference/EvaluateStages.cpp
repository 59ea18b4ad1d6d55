// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops of the dialect: what verifiers cannot see is checked here, and fused
// stages are put together from their parts.

#include "Evaluator.h"
#include "Sequences.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;
using namespace flow::reference;

using Result = llvm::Expected<EvaluatedValues>;

static std::optional<double> toDouble(const std::optional<APFloat> &value) {
  return value ? std::optional(value->convertToDouble()) : std::nullopt;
}

static EvaluatedValue wrap(Tensor tensor) {
  return {std::make_shared<const Tensor>(std::move(tensor))};
}

/// `rows` in the layout that the type of `value` has, if it has one.
static Tensor asTyped(Tensor rows, Value value) {
  Attribute layout = cast<RankedTensorType>(value.getType()).getEncoding();
  return layout ? inLayout(rows, layout) : std::move(rows);
}

/// An error unless two operands, named `a` and `b`, have the same shape.
static llvm::Error requireSameShape(Operation *op, StringRef a,
                                    const Tensor &first, StringRef b,
                                    const Tensor &second) {
  if (first.shape == second.shape)
    return llvm::Error::success();
  return failedAt(op, "expects " + a + " and " + b + " of one shape, got " +
                          formatShape(first.shape) + " and " +
                          formatShape(second.shape));
}

/// An error unless `angles` has as many rows as `rows`.
static llvm::Error requireAngles(Operation *op, const Tensor &rows,
                                 const Tensor &angles) {
  if (rows.shape[0] == angles.shape[0])
    return llvm::Error::success();
  return failedAt(op, "expects angles for " + llvm::Twine(rows.shape[0]) +
                          " rows, got " + llvm::Twine(angles.shape[0]));
}

/// An error unless `value` is from 0 to `limit`.
static llvm::Error requireRange(Operation *op, StringRef name, int64_t value,
                                int64_t limit) {
  if (value >= 0 && value <= limit)
    return llvm::Error::success();
  return failedAt(op, "expects " + name + " from 0 to " + llvm::Twine(limit) +
                          ", got " + llvm::Twine(value));
}

/// What the table `sequences` says of a step of `rows` rows, each that of one
/// sequence if `singleRows`, and caches like `cache`, or of an op without
/// caches if it is null.
static llvm::Expected<std::vector<SequenceRows>>
sequencesOf(Operation *op, Value sequences, bool singleRows, const Frame &frame,
            int64_t rows, const Tensor *cache) {
  llvm::Expected<std::vector<SequenceRows>> read = readSequences(
      frame.tokens(sequences), rows, singleRows, cache ? cache->shape[0] : -1);
  if (!read)
    return failedAt(op, "expects other sequences: " +
                            llvm::toString(read.takeError()));
  return read;
}

//===----------------------------------------------------------------------===//
// Inputs and caches
//===----------------------------------------------------------------------===//

Result Evaluator::evaluateCacheRef(CacheRefOp op) {
  CacheState::Rows rows = caches.lookup(op.getCache());
  bool hasSlots = op.getKey().getType().getRank() == 4;
  if (hasSlots != (caches.getSlots() != 0))
    return failedAt(op, hasSlots
                            ? "expects caches with slots, got those of one "
                              "sequence"
                            : "expects the caches of one sequence, got slots");
  if (!rows.key) {
    auto cache = dyn_cast_or_null<KvCacheOp>(
        SymbolTable::lookupSymbolIn(module, op.getCache()));
    int64_t capacity = caches.getCapacity();
    if (!cache || capacity < 1 || capacity > kMaxPositions)
      return failedAt(op, "expects a flow.kv_cache and a capacity from 1 to " +
                              llvm::Twine(kMaxPositions) + ", got " +
                              llvm::Twine(capacity));
    SmallVector<int64_t, 4> shape{capacity, int64_t(cache.getKvHeads()),
                                  int64_t(cache.getHeadDim())};
    if (hasSlots)
      shape.insert(shape.begin(), caches.getSlots());
    rows.key = rows.value = std::make_shared<const Tensor>(shape);
  }
  return EvaluatedValues{{rows.key, op.getCache()},
                         {rows.value, op.getCache()}};
}

Result Evaluator::evaluateEmbed(EmbedOp op, const Frame &frame) {
  const TokenTensor &tokens = frame.tokens(op.getTokens());
  const EvaluatedValue &table = frame.get(op.getTable());
  const auto *symbol = std::get_if<SymbolRefAttr>(&table.data);
  auto tableType = cast<RankedTensorType>(op.getTable().getType());
  int64_t vocabulary = symbol ? tableType.getDimSize(0)
                              : std::get<TensorRef>(table.data)->shape[0];
  int64_t width = symbol ? tableType.getDimSize(1)
                         : std::get<TensorRef>(table.data)->shape[1];
  float scale = op.getScale().convertToDouble();
  Element element = elementOf(op.getType());

  Tensor result({tokens.shape[0], width});
  for (auto [t, token] : llvm::enumerate(tokens.values)) {
    if (token < 0 || token >= vocabulary)
      return failedAt(op, "expects tokens from 0 to " +
                              llvm::Twine(vocabulary - 1) + ", got " +
                              llvm::Twine(token) + " in row " + llvm::Twine(t));
    std::vector<float> loaded;
    const float *row = nullptr;
    if (symbol) {
      llvm::Expected<std::vector<float>> read = weights.loadRow(*symbol, token);
      if (!read)
        return failedAt(op, "cannot read its table: " +
                                llvm::toString(read.takeError()));
      loaded = std::move(*read);
      row = loaded.data();
    } else {
      row = std::get<TensorRef>(table.data)->values.data() + token * width;
    }
    for (int64_t i = 0; i < width; ++i)
      result.values[t * width + i] = roundTo(element, double(row[i]) * scale);
  }
  return single(std::move(result));
}

static Result evaluateRopeAngles(RopeAnglesOp op, ModuleOp module,
                                 const Frame &frame) {
  int64_t rows = frame.index(op.getRows());
  int64_t start = op.getStart() ? frame.index(op.getStart()) : 0;
  if (llvm::Error error = requireRange(op, "start", start, kMaxPositions))
    return std::move(error);
  if (llvm::Error error = requireRange(op, "rows", rows, kMaxPositions))
    return std::move(error);
  auto table = dyn_cast_or_null<RopeTableOp>(
      SymbolTable::lookupSymbolIn(module, op.getTable()));
  if (!table)
    return failedAt(op, "names no flow.rope_table");
  RopeParameters parameters{
      table.getTheta().convertToDouble(), table.getFactor().convertToDouble(),
      int64_t(table.getHeadDim()), table.getEffectivePairs()};
  if (!op.getSequences())
    return single(ropeAngles(parameters, start, rows));
  auto sequences = sequencesOf(op, op.getSequences(), /*singleRows=*/false,
                               frame, rows, nullptr);
  if (!sequences)
    return sequences.takeError();
  return single(ropeAngles(parameters, *sequences, rows));
}

template <typename Append>
Result Evaluator::appendToCache(Append op, const Tensor &key,
                                const Tensor &value, const Frame &frame) {
  const EvaluatedValue &keyCache = frame.get(op.getKeyCache());
  const EvaluatedValue &valueCache = frame.get(op.getValueCache());
  const Tensor &keys = *std::get<TensorRef>(keyCache.data);
  const Tensor &values = *std::get<TensorRef>(valueCache.data);
  if (llvm::Error error = requireSameShape(op, "key", key, "value", value))
    return std::move(error);
  if (llvm::Error error =
          requireSameShape(op, "key cache", keys, "value cache", values))
    return std::move(error);
  std::vector<SequenceRows> sequences;
  if (op.getSequences()) {
    auto read = sequencesOf(op, op.getSequences(), op.getSingleRows(), frame,
                            key.shape[0], &keys);
    if (!read)
      return read.takeError();
    sequences = std::move(*read);
  } else {
    int64_t start = frame.index(op.getStart());
    int64_t count = frame.index(op.getCount());
    if (llvm::Error error = requireRange(op, "start", start, kMaxPositions))
      return std::move(error);
    if (llvm::Error error = requireRange(op, "count", count, key.shape[0]))
      return std::move(error);
    sequences.push_back({/*slot=*/-1, /*first=*/0, count, start});
  }
  if (ArrayRef(keys.shape).take_back(3)[0] == 0)
    return failedAt(op, "expects caches with at least one row");
  if (keyCache.cache != valueCache.cache)
    return failedAt(op, "expects keys and values of one cache");

  Element element = elementOf(op.getKeyCache().getType());
  auto newKeys =
      std::make_shared<const Tensor>(append(key, keys, sequences, element));
  auto newValues =
      std::make_shared<const Tensor>(append(value, values, sequences, element));
  if (keyCache.cache)
    appended[keyCache.cache] = {newKeys, newValues};
  return EvaluatedValues{{newKeys, keyCache.cache},
                         {newValues, keyCache.cache}};
}

//===----------------------------------------------------------------------===//
// Stages
//===----------------------------------------------------------------------===//

static Result evaluateRope(RopeOp op, const Frame &frame) {
  const Tensor &input = frame.tensor(op.getInput());
  const Tensor &angles = frame.tensor(op.getAngles());
  if (llvm::Error error = requireAngles(op, input, angles))
    return std::move(error);
  return single(rope(input, angles, elementOf(op.getType())));
}

static Result evaluateGeglu(GegluOp op, const Frame &frame) {
  const Tensor &gate = frame.tensor(op.getGate());
  const Tensor &up = frame.tensor(op.getUp());
  if (llvm::Error error = requireSameShape(op, "gate", gate, "up", up))
    return std::move(error);
  return single(geglu(gate, up, elementOf(op.getType())));
}

/// The spans of `rows`, or an error at `op` where they are none.
static llvm::Expected<std::vector<PositionSpan>>
readSpans(Operation *op, const TokenTensor &rows) {
  std::vector<PositionSpan> spans;
  int64_t from = 0;
  for (int64_t i = 0; i != rows.shape[0]; ++i) {
    PositionSpan span{rows.values[2 * i], rows.values[2 * i + 1]};
    if (span.begin < from || span.end <= span.begin)
      return failedAt(op, "expects span " + llvm::Twine(i) + " to begin at " +
                              llvm::Twine(from) +
                              " or later and to end behind its begin, got " +
                              llvm::Twine(span.begin) + " to " +
                              llvm::Twine(span.end));
    from = span.end;
    spans.push_back(span);
  }
  return spans;
}

static Result evaluateAttention(AttentionOp op, const Frame &frame) {
  const Tensor &query = frame.tensor(op.getQuery());
  const Tensor &key = frame.tensor(op.getKey());
  const Tensor &value = frame.tensor(op.getValue());
  bool isBatch = static_cast<bool>(op.getSequences());
  AttentionParameters parameters{isBatch ? 0 : frame.index(op.getStart()),
                                 isBatch ? 0 : frame.index(op.getTotal()),
                                 op.getMask(),
                                 /*spans=*/{},
                                 op.getScale().convertToDouble(),
                                 toDouble(op.getSoftcap())};
  if (llvm::Error error = requireSameShape(op, "key", key, "value", value))
    return std::move(error);
  Element element = elementOf(op.getType());
  if (isBatch) {
    auto sequences = sequencesOf(op, op.getSequences(), op.getSingleRows(),
                                 frame, query.shape[0], &key);
    if (!sequences)
      return sequences.takeError();
    return single(attention(*op.getContext(), query, key, value, parameters,
                            *sequences, element));
  }
  if (llvm::Error error =
          requireRange(op, "start", parameters.start, kMaxPositions))
    return std::move(error);
  // The rows of a step end at most here.
  if (llvm::Error error =
          requireRange(op, "total", parameters.total, 2 * kMaxPositions))
    return std::move(error);
  if (Value spans = op.getSpans()) {
    auto read = readSpans(op, frame.tokens(spans));
    if (!read)
      return read.takeError();
    parameters.spans = std::move(*read);
  }
  return single(
      attention(*op.getContext(), query, key, value, parameters, element));
}

//===----------------------------------------------------------------------===//
// Fused stages: between their parts, results are rounded as if unfused
//===----------------------------------------------------------------------===//

static Result evaluateAddRmsNorm(AddRmsNormOp op, const Frame &frame) {
  const Tensor &stream = frame.tensor(op.getStream());
  const Tensor &branch = frame.tensor(op.getBranch());
  if (llvm::Error error =
          requireSameShape(op, "stream", stream, "branch", branch))
    return std::move(error);
  Element element = elementOf(op.getSum().getType());
  double eps = op.getEps().convertToDouble();
  const Tensor *branchWeight = frame.optionalTensor(op.getBranchWeight());
  Tensor sum =
      branchWeight
          ? add(stream, rmsNorm(branch, branchWeight, eps, element), element)
          : add(stream, branch, element);
  if (const Tensor *factor = frame.optionalTensor(op.getSumScale()))
    sum = scale(sum, factor->values[0], element);
  Tensor normed = rmsNorm(sum, &frame.tensor(op.getWeight()), eps, element);
  return EvaluatedValues{wrap(std::move(sum)),
                         wrap(asTyped(std::move(normed), op.getNormed()))};
}

/// `count` columns of `rows` from `first` on, as heads `[T, count / dim, dim]`.
static Tensor takeHeads(const Tensor &rows, int64_t first, int64_t count,
                        int64_t dim) {
  Tensor heads({rows.shape[0], count / dim, dim});
  for (int64_t t = 0; t < rows.shape[0]; ++t)
    std::copy_n(rows.values.begin() + t * rows.shape[1] + first, count,
                heads.values.begin() + t * count);
  return heads;
}

Result Evaluator::evaluateQkv(QkvRopeAppendOp op, const Frame &frame) {
  const Tensor &input = frame.tensor(op.getInput());
  const Tensor &weight = frame.tensor(op.getWeight());
  const Tensor &angles = frame.tensor(op.getAngles());
  if (llvm::Error error = requireAngles(op, input, angles))
    return std::move(error);
  // Unlike those of other products, these types may leave both lengths open.
  if (input.shape[1] != weight.shape[1])
    return failedAt(op, "expects rows of " + llvm::Twine(weight.shape[1]) +
                            " elements, got " + formatShape(input.shape));

  auto queryType = cast<RankedTensorType>(op.getQuery().getType());
  auto cacheType = cast<RankedTensorType>(op.getKeyCache().getType());
  Element element = elementOf(queryType);
  int64_t dim = queryType.getDimSize(2);
  int64_t queries = queryType.getDimSize(1) * dim;
  int64_t keys = cacheType.getShape().take_back(2)[0] * dim;
  Tensor all = product(input, op.getWeight(), frame, std::nullopt, element);
  Tensor query = takeHeads(all, 0, queries, dim);
  Tensor key = takeHeads(all, queries, keys, dim);
  Tensor value = takeHeads(all, queries + (op.getKEqV() ? 0 : keys), keys, dim);

  double eps = op.getEps().convertToDouble();
  if (op.getQNorm()) {
    query = rmsNorm(query, &frame.tensor(op.getQNorm()), eps, element);
    key = rmsNorm(key, &frame.tensor(op.getKNorm()), eps, element);
  }
  if (op.getVNorm())
    value = rmsNorm(value, nullptr, eps, element);

  Result written = appendToCache(op, rope(key, angles, element), value, frame);
  if (!written)
    return written;
  written->insert(written->begin(), wrap(rope(query, angles, element)));
  return written;
}

static Result evaluateQuantizeRows(QuantizeRowsOp op, const Frame &frame) {
  Attribute layout = op.getType().getEncoding();
  if (!isa_and_nonnull<QuantizedRowsAttr, Bf16RowsAttr>(layout))
    return failedAt(op, "expects a result with a layout of rows");
  return single(inLayout(frame.tensor(op.getInput()), layout));
}

//===----------------------------------------------------------------------===//
// Dispatch
//===----------------------------------------------------------------------===//

Result Evaluator::evaluateFlow(Operation *op, const Frame &frame) {
  return llvm::TypeSwitch<Operation *, Result>(op)
      .Case([](WeightRefOp op) -> Result {
        return EvaluatedValues{{op.getWeight()}};
      })
      .Case([&](CacheRefOp op) { return evaluateCacheRef(op); })
      .Case([&](RopeAnglesOp op) {
        return evaluateRopeAngles(op, module, frame);
      })
      .Case([&](RmsNormOp op) -> Result {
        Tensor normed = rmsNorm(
            frame.tensor(op.getInput()), frame.optionalTensor(op.getWeight()),
            op.getEps().convertToDouble(), elementOf(op.getType()));
        return single(asTyped(std::move(normed), op.getResult()));
      })
      .Case([&](ScaleOp op) -> Result {
        return single(scale(frame.tensor(op.getInput()),
                            frame.tensor(op.getFactor()).values[0],
                            elementOf(op.getType())));
      })
      .Case([&](LinearOp op) -> Result {
        return single(product(frame.tensor(op.getInput()), op.getWeight(),
                              frame, std::nullopt, elementOf(op.getType())));
      })
      .Case([&](LmHeadOp op) -> Result {
        return single(product(frame.tensor(op.getInput()), op.getTable(), frame,
                              toDouble(op.getSoftcap()),
                              elementOf(op.getType())));
      })
      .Case([&](GegluOp op) { return evaluateGeglu(op, frame); })
      .Case([&](RopeOp op) { return evaluateRope(op, frame); })
      .Case([&](KvAppendOp op) {
        return appendToCache(op, frame.tensor(op.getKey()),
                             frame.tensor(op.getValue()), frame);
      })
      .Case([&](AttentionOp op) { return evaluateAttention(op, frame); })
      .Case([&](AddRmsNormOp op) { return evaluateAddRmsNorm(op, frame); })
      .Case([&](QkvRopeAppendOp op) { return evaluateQkv(op, frame); })
      .Case<GatedMlpOp, PerLayerGateOp, RouteExpertsOp, RouterOp, MoeOp,
            GroupedMlpOp>([&](auto op) { return evaluateMlp(op, frame); })
      .Case<TopKOp, LmHeadTopKOp>(
          [&](auto op) { return evaluateSelection(op, frame); })
      .Case([&](QuantizeRowsOp op) { return evaluateQuantizeRows(op, frame); })
      .Default([](Operation *op) -> Result { return unknownOp(op); });
}
