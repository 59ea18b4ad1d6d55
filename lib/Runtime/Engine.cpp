// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Executes the schedules of a plan step by step.

#include "flow/Runtime/Engine.h"

#include "flow/Runtime/Memory.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

using namespace flow;
using namespace flow::runtime;

namespace {

constexpr int kMaxRank = 4;
/// Positions of a panel of keys.
constexpr int64_t kPanel = 32;

int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Bytes of `dims` f32 values; nothing if no machine has as many.
std::optional<size_t> f32Bytes(const std::vector<int64_t> &dims) {
  int64_t bytes = sizeof(float);
  for (int64_t dim : dims)
    if (__builtin_mul_overflow(bytes, dim, &bytes))
      return std::nullopt;
  return static_cast<size_t>(bytes);
}

/// A memref descriptor of any rank up to `kMaxRank`: sizes and strides follow
/// each other, so their place depends on the rank.
struct Descriptor {
  void *allocated = nullptr, *aligned = nullptr;
  int64_t offset = 0;
  int64_t sizesAndStrides[2 * kMaxRank] = {};

  void set(void *data, const int64_t *dims, int rank) {
    allocated = aligned = data;
    int64_t stride = 1;
    for (int i = rank - 1; i >= 0; --i) {
      sizesAndStrides[i] = dims[i];
      sizesAndStrides[rank + i] = stride;
      stride *= dims[i];
    }
  }
};

int64_t panels(const PackedWeight &weight) { return weight.rows / kPanel; }

Descriptor describe(const PackedWeight &weight, const LoadedWeight &loaded,
                    int64_t part) {
  Descriptor descriptor;
  void *data = loaded.parts[part].data();
  if (weight.packing == Packing::Dense) {
    int64_t dims[2] = {weight.rows, weight.cols};
    // A vector has one dimension.
    if (weight.rows == 1)
      descriptor.set(data, dims + 1, 1);
    else
      descriptor.set(data, dims, 2);
  } else if (weight.packing == Packing::PanelsF32) {
    int64_t dims[3] = {panels(weight), weight.cols, kPanel};
    descriptor.set(data, dims, 3);
  } else if (weight.packing == Packing::PanelsBf16) {
    int64_t dims[3] = {panels(weight), weight.cols / 2, 2 * kPanel};
    descriptor.set(data, dims, 3);
  } else if (part == 0) {
    int64_t dims[3] = {panels(weight), weight.cols / 4, 4 * kPanel};
    descriptor.set(data, dims, 3);
  } else {
    int64_t dims[3] = {panels(weight), weight.cols / weight.block, kPanel};
    descriptor.set(data, dims, 3);
  }
  return descriptor;
}

Result<PageBlock> allocateF32(const std::vector<int64_t> &dims) {
  std::optional<size_t> bytes = f32Bytes(dims);
  if (!bytes)
    return Error{"its size overflows"};
  return PageBlock::allocate(*bytes, false);
}

using Entry = void (*)(void **);

} // namespace

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

struct Model::State {
  Plan plan;
  EngineOptions options;
  std::unique_ptr<ThreadPool> pool;
  std::vector<LoadedWeight> weights;
  /// Descriptors of the parts of each weight.
  std::vector<std::vector<Descriptor>> weightDescriptors;
  /// Entries by schedule and step; null where a step is no call.
  std::vector<std::vector<Entry>> entries;

  /// Rows of the largest step.
  int64_t maxRows() const {
    return largestStep(plan, options.context, options.prefillChunk);
  }
};

Model::Model(std::unique_ptr<State> state) : state(std::move(state)) {}
Model::~Model() = default;
const Plan &Model::plan() const { return state->plan; }
int64_t Model::context() const { return state->options.context; }

size_t Model::weightBytes() const {
  size_t bytes = 0;
  for (const LoadedWeight &weight : state->weights)
    for (const PageBlock &part : weight.parts)
      bytes += part.size();
  return bytes;
}

Result<std::unique_ptr<Model>> Model::create(Plan plan,
                                             const SymbolLookup &lookup,
                                             const TensorSource &source,
                                             const EngineOptions &options) {
  auto state = std::make_unique<State>();
  state->options = options;
  if (options.context < 0 || options.context > plan.context)
    return Error{"a context of " + std::to_string(options.context) +
                 " positions is more than the model's " +
                 std::to_string(plan.context)};
  if (options.context == 0)
    state->options.context = plan.context;
  if (options.prefillChunk < 1)
    return Error{"a prefill chunk must hold at least one token, got " +
                 std::to_string(options.prefillChunk)};
  state->pool = std::make_unique<ThreadPool>(options.threads);

  for (const Schedule &schedule : plan.schedules) {
    std::vector<Entry> &entries = state->entries.emplace_back();
    for (const Step &step : schedule.steps) {
      Entry entry = nullptr;
      if (step.kind == StepKind::Call) {
        entry = reinterpret_cast<Entry>(lookup(step.function));
        if (!entry)
          return Error{"the code has no function '" + step.function + "'"};
      }
      entries.push_back(entry);
    }
  }
  Result<std::vector<LoadedWeight>> weights =
      loadWeights(plan, source, *state->pool);
  if (!weights)
    return Error{weights.error()};
  state->weights = std::move(*weights);
  for (size_t i = 0; i != plan.weights.size(); ++i) {
    std::vector<Descriptor> &parts = state->weightDescriptors.emplace_back();
    for (size_t part = 0; part != state->weights[i].parts.size(); ++part)
      parts.push_back(describe(plan.weights[i], state->weights[i], part));
  }
  state->plan = std::move(plan);
  return std::unique_ptr<Model>(new Model(std::move(state)));
}

//===----------------------------------------------------------------------===//
// Sequence
//===----------------------------------------------------------------------===//

struct Sequence::State {
  explicit State(Model::State &model) : model(model) {}

  Model::State &model;
  std::vector<PageBlock> keys, values, buffers;
  std::vector<Descriptor> keyDescriptors, valueDescriptors;
  int64_t position = 0;
  const float *lastLogits = nullptr;
  /// The logits before the chunk at hand, which is appended only if the sink
  /// takes its own.
  std::vector<float> keptLogits;

  // Of the step at hand.
  std::vector<int32_t> tokens;
  int64_t start = 0, count = 0, total = 0, rows = 0;
  std::vector<Descriptor> bufferDescriptors;
  std::vector<void *> arguments;

  const Schedule *schedule(const char *name) const {
    return model.plan.findSchedule(name);
  }
  float *buffer(int64_t index) {
    return reinterpret_cast<float *>(buffers[index].data());
  }

  Status allocate();
  /// Describes the buffers of a step of `rows` rows, from row `first` on.
  void describeBuffers(int64_t rows, int64_t first);
  void embed(const Step &step);
  void angles(const Step &step);
  void call(const Step &step, Entry entry);
  void run(const Schedule &schedule, int64_t begin, int64_t end);
  Status check(const int32_t *tokens, int64_t count) const;
  void beginStep(const int32_t *tokens, int64_t count, int64_t rows);
  Status allLogits(const Schedule &schedule, const LogitsSink &sink);
  /// `allLogits` for a sink, whose refusal leaves `logits` as it was.
  Status offerLogits(const Schedule &schedule, const LogitsSink &sink);
};

Status Sequence::State::allocate() {
  const Plan &plan = model.plan;
  int64_t chunk = model.maxRows();
  for (const CachePlan &cache : plan.caches) {
    int64_t capacity = cachePositions(cache, model.options.context, chunk);
    std::vector<int64_t> dims = {cache.kvHeads, capacity, cache.headDim};
    for (std::vector<PageBlock> *list : {&keys, &values}) {
      Result<PageBlock> block = allocateF32(dims);
      if (!block)
        return Error{"cache " + cache.name + ": " + block.error()};
      list->push_back(std::move(*block));
    }
    int64_t keyDims[4] = {cache.kvHeads, capacity / kPanel, cache.headDim,
                          kPanel};
    int64_t valueDims[3] = {cache.kvHeads, capacity, cache.headDim};
    keyDescriptors.emplace_back().set(keys.back().data(), keyDims, 4);
    valueDescriptors.emplace_back().set(values.back().data(), valueDims, 3);
  }
  std::vector<std::vector<int64_t>> shapes = bufferShapes(plan, chunk);
  for (size_t i = 0; i != shapes.size(); ++i) {
    Result<PageBlock> block = allocateF32(shapes[i]);
    if (!block)
      return Error{"buffer " + plan.buffers[i].name + ": " + block.error()};
    buffers.push_back(std::move(*block));
  }
  bufferDescriptors.resize(buffers.size());
  return {};
}

void Sequence::State::describeBuffers(int64_t rows, int64_t first) {
  for (size_t i = 0; i != buffers.size(); ++i) {
    const std::vector<int64_t> &dims = model.plan.buffers[i].dims;
    int64_t actual[kMaxRank], rowElements = 1;
    for (size_t d = 0; d != dims.size(); ++d) {
      actual[d] = dims[d] >= 0 ? dims[d] : rows;
      if (d != 0)
        rowElements *= actual[d];
    }
    bool hasRows = !dims.empty() && dims[0] < 0;
    float *data = buffer(i) + (hasRows ? first * rowElements : 0);
    bufferDescriptors[i].set(data, actual, static_cast<int>(dims.size()));
  }
}

void Sequence::State::embed(const Step &step) {
  const TensorView &table = model.weights[step.weight].raw;
  float scale = static_cast<float>(step.scale);
  float *out = buffer(step.buffer);
  for (int64_t t = 0; t != rows; ++t, out += table.cols) {
    ggml::decodeRow(table.type, table.row(tokens[t]), out, table.cols);
    for (int64_t i = 0; i != table.cols; ++i)
      out[i] *= scale;
  }
}

void Sequence::State::angles(const Step &step) {
  int64_t half = step.headDim / 2;
  float *out = buffer(step.buffer);
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t i = 0; i != half; ++i, out += 2) {
      double angle = 0;
      if (i < step.pairs)
        angle = static_cast<double>(start + t) *
                std::pow(step.theta, -2.0 * static_cast<double>(i) /
                                         static_cast<double>(step.headDim)) /
                step.factor;
      out[0] = static_cast<float>(std::cos(angle));
      out[1] = static_cast<float>(std::sin(angle));
    }
}

void Sequence::State::call(const Step &step, Entry entry) {
  arguments.clear();
  arguments.push_back(model.pool->context());
  for (const Argument &argument : step.args) {
    switch (argument.kind) {
    case Argument::Kind::Buffer:
      arguments.push_back(&bufferDescriptors[argument.index]);
      break;
    case Argument::Kind::Weight:
      arguments.push_back(
          &model.weightDescriptors[argument.index][argument.part]);
      break;
    case Argument::Kind::Keys:
      arguments.push_back(&keyDescriptors[argument.index]);
      break;
    case Argument::Kind::Values:
      arguments.push_back(&valueDescriptors[argument.index]);
      break;
    case Argument::Kind::Scalar:
      arguments.push_back(argument.scalar == Scalar::Start   ? &start
                          : argument.scalar == Scalar::Count ? &count
                          : argument.scalar == Scalar::Total ? &total
                                                             : &rows);
      break;
    }
  }
  entry(arguments.data());
}

void Sequence::State::run(const Schedule &schedule, int64_t begin,
                          int64_t end) {
  const auto &entries = model.entries[&schedule - model.plan.schedules.data()];
  for (int64_t i = begin; i != end; ++i) {
    const Step &step = schedule.steps[i];
    if (step.kind == StepKind::Embed)
      embed(step);
    else if (step.kind == StepKind::RopeAngles)
      angles(step);
    else
      call(step, entries[i]);
  }
}

Status Sequence::State::check(const int32_t *tokens, int64_t count) const {
  if (count == 0)
    return Error{"a prompt must have at least one token"};
  int64_t room = model.options.context - position;
  if (count > room)
    return Error{std::to_string(count) + " tokens do not fit: the context of " +
                 std::to_string(model.options.context) + " has room for " +
                 std::to_string(room)};
  for (int64_t i = 0; i != count; ++i)
    if (tokens[i] < 0 || tokens[i] >= model.plan.vocab)
      return Error{"token " + std::to_string(tokens[i]) +
                   " is outside the vocabulary of " +
                   std::to_string(model.plan.vocab)};
  return {};
}

void Sequence::State::beginStep(const int32_t *first, int64_t tokenCount,
                                int64_t rowCount) {
  tokens.assign(first, first + tokenCount);
  tokens.resize(rowCount); // rows of padding hold token 0
  start = position;
  count = tokenCount;
  total = start + count;
  rows = rowCount;
  describeBuffers(rows, 0);
}

Status Sequence::State::allLogits(const Schedule &schedule,
                                  const LogitsSink &sink) {
  const int64_t vocab = model.plan.vocab, all = rows;
  const int64_t most = logitsRows(model.plan);
  // Without a sink nobody reads more than the last row.
  for (int64_t first = sink ? 0 : (count - 1) / most * most; first < count;
       first += most) {
    int64_t block = std::min(most, all - first);
    describeBuffers(block, first);
    // The logits of each block go to the front of their buffer.
    int64_t dims[2] = {block, vocab};
    bufferDescriptors[schedule.logits].set(buffer(schedule.logits), dims, 2);
    rows = block;
    run(schedule, schedule.headBegin, schedule.steps.size());
    rows = all;
    int64_t valid = std::min(block, count - first);
    lastLogits = buffer(schedule.logits) + (valid - 1) * vocab;
    if (sink)
      if (Status status = sink(buffer(schedule.logits), valid); !status)
        return status;
  }
  return {};
}

Status Sequence::State::offerLogits(const Schedule &schedule,
                                    const LogitsSink &sink) {
  const float *before = lastLogits;
  if (before && before != keptLogits.data()) {
    keptLogits.assign(before, before + model.plan.vocab);
    before = keptLogits.data();
  }
  Status status = allLogits(schedule, sink);
  if (!status)
    lastLogits = before;
  return status;
}

Sequence::Sequence(std::unique_ptr<State> state) : state(std::move(state)) {}
Sequence::~Sequence() = default;
const float *Sequence::logits() const { return state->lastLogits; }
int64_t Sequence::position() const { return state->position; }

size_t Sequence::cacheBytes() const {
  size_t bytes = 0;
  for (const std::vector<PageBlock> *list : {&state->keys, &state->values})
    for (const PageBlock &block : *list)
      bytes += block.size();
  return bytes;
}

Result<std::unique_ptr<Sequence>> Sequence::create(Model &model) {
  auto state = std::make_unique<State>(*model.state);
  if (Status status = state->allocate(); !status)
    return Error{status.error()};
  return std::unique_ptr<Sequence>(new Sequence(std::move(state)));
}

Status Sequence::prefill(const std::vector<int32_t> &tokens,
                         const LogitsSink &sink) {
  int64_t size = static_cast<int64_t>(tokens.size());
  if (Status status = state->check(tokens.data(), size); !status)
    return status;
  const Schedule *schedule = state->schedule("prefill");
  if (!schedule || schedule->rows != 0)
    return Error{"the plan has no schedule for prefill"};
  if (sink && !schedule->logitsAll)
    return Error{"the model was compiled for logits of the last token only"};
  int64_t chunk = state->model.options.prefillChunk;
  for (int64_t first = 0; first < size; first += chunk) {
    int64_t count = std::min(chunk, size - first);
    state->beginStep(tokens.data() + first, count,
                     roundUp(count, state->model.plan.rowTile));
    state->run(*schedule, 0, schedule->headBegin);
    bool isLast = first + count == size;
    if (sink) {
      // Rows of a chunk that is not appended lie behind the position, where
      // nobody looks, and a ring has room for them beside its window.
      if (Status status = state->offerLogits(*schedule, sink); !status)
        return status;
    } else if (schedule->logitsAll && isLast) {
      if (Status status = state->allLogits(*schedule, sink); !status)
        return status;
    } else if (isLast) {
      state->run(*schedule, schedule->headBegin, schedule->steps.size());
      state->lastLogits = state->buffer(schedule->logits);
    }
    state->position += count;
  }
  return {};
}

Status Sequence::decode(int32_t token) {
  if (Status status = state->check(&token, 1); !status)
    return status;
  const Schedule *schedule = state->schedule("decode");
  if (!schedule || schedule->rows != 1)
    return Error{"the plan has no schedule for decode"};
  state->beginStep(&token, 1, 1);
  state->run(*schedule, 0, schedule->steps.size());
  state->lastLogits = state->buffer(schedule->logits);
  state->position += 1;
  return {};
}
