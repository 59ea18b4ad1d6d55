// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Executes schedules of launches on a device.

#include "flow/Runtime/DeviceModel.h"

#include "Requests.h"
#include "flow/Runtime/Memory.h"

#include <algorithm>
#include <optional>

using namespace flow;
using namespace flow::runtime;

namespace {

/// Keys of a tile of attention: a ring has whole ones.
constexpr int64_t kKeyTile = 64;

/// The largest grid in its second and third dimension that a device takes.
constexpr int64_t kMostBlocks = 65535;

/// The step's table: position of its first row, rows, and spans.
constexpr size_t kTableBytes = 3 * sizeof(int32_t);

/// Memory of a device that goes when its owner does.
class DeviceBlock {
public:
  static Result<DeviceBlock> allocate(Device &device, size_t bytes,
                                      const std::string &name) {
    Result<DeviceAddress> address = device.allocate(bytes, name);
    if (!address)
      return Error{address.error()};
    return DeviceBlock(device, *address);
  }
  static Result<DeviceBlock> place(Device &device, const void *host,
                                   size_t bytes, const std::string &name) {
    Result<DeviceAddress> address = device.place(host, bytes, name);
    if (!address)
      return Error{address.error()};
    return DeviceBlock(device, *address);
  }
  DeviceBlock(DeviceBlock &&other) noexcept
      : device(other.device), at(other.at) {
    other.device = nullptr;
  }
  DeviceBlock &operator=(DeviceBlock &&) = delete;
  ~DeviceBlock() {
    if (device)
      device->free(at);
  }

  DeviceAddress address() const { return at; }

private:
  DeviceBlock(Device &device, DeviceAddress at) : device(&device), at(at) {}

  Device *device;
  DeviceAddress at;
};

/// A launch and the values that its parameters point to, so it is no copy.
struct PreparedLaunch {
  PreparedLaunch() = default;
  PreparedLaunch(PreparedLaunch &&) = default;

  DeviceLaunch launch;
  std::vector<DeviceAddress> pointers;
  std::vector<TensorMap> maps;
};

/// The launches of a step.
struct Recording {
  std::vector<PreparedLaunch> launches;
  std::unique_ptr<DeviceGraph> graph;
};

} // namespace

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

struct DeviceModel::State {
  State(Plan plan, Device &device) : plan(std::move(plan)), device(device) {}

  /// Of a plan that is checked, without weights.
  static Result<std::unique_ptr<State>> create(Plan plan, Device &device,
                                               const EngineOptions &options);

  Plan plan;
  EngineOptions options;
  Device &device;
  /// Behind `weights` where the device shares the host's memory.
  LoadedWeights packed;
  std::vector<DeviceBlock> weights;

  DeviceMemoryPlan memory;

  int64_t maxRows() const {
    return largestStep(plan, options.context, options.prefillChunk);
  }
  /// Positions that a cache has room for.
  int64_t capacity(const CachePlan &cache) const {
    // A row of one may be written while others read whole tiles of its window.
    int64_t rows = std::max(maxRows(), kKeyTile);
    int64_t positions = cachePositions(cache, options.context, rows);
    return (positions + kKeyTile - 1) / kKeyTile * kKeyTile;
  }
  /// Bytes of the spans of a step, which has no more of them than rows.
  size_t spanBytes() const {
    return plan.hasSpans() ? sizeof(TokenSpan) * maxRows() : 0;
  }
  /// Bytes of each buffer of a sequence.
  std::vector<size_t> bufferBytes() const;
  DeviceMemoryPlan planMemory() const;
  /// `reason`, why something has no place, with what everything takes.
  Error withMemoryPlan(const std::string &reason) const;
  Status placeWeights(ThreadPool &pool, const TensorSource &source);
};

std::vector<size_t> DeviceModel::State::bufferBytes() const {
  std::vector<size_t> sizes;
  std::vector<std::vector<int64_t>> shapes = bufferShapes(plan, maxRows());
  for (size_t i = 0; i != shapes.size(); ++i) {
    int64_t bytes = bytesOf(plan.buffers[i].element);
    for (int64_t dim : shapes[i])
      bytes *= dim;
    sizes.push_back(static_cast<size_t>(bytes));
  }
  return sizes;
}

DeviceMemoryPlan DeviceModel::State::planMemory() const {
  DeviceMemoryPlan planned;
  for (const PackedWeight &weight : plan.weights)
    planned.weights += packedBytes(weight).front();
  for (const CachePlan &cache : plan.caches)
    planned.caches +=
        static_cast<size_t>(capacity(cache) * cache.positionBytes());
  planned.buffers =
      kTableBytes + static_cast<size_t>(4 * maxRows()) + spanBytes();
  for (size_t bytes : bufferBytes())
    planned.buffers += bytes;
  return planned;
}

Error DeviceModel::State::withMemoryPlan(const std::string &reason) const {
  return Error{reason + "; weights take " + std::to_string(memory.weights) +
               " bytes, caches " + std::to_string(memory.caches) +
               ", buffers " + std::to_string(memory.buffers)};
}

Status DeviceModel::State::placeWeights(ThreadPool &pool,
                                        const TensorSource &source) {
  Result<LoadedWeights> loaded = loadWeights(plan, source, pool);
  if (!loaded)
    return Error{loaded.error()};
  packed = std::move(*loaded);
  for (size_t i = 0; i != plan.weights.size(); ++i) {
    const BlockSlice &part = packed.weights[i].parts.front();
    Result<DeviceBlock> block = DeviceBlock::place(
        device, part.data(), part.size(), "weight " + plan.weights[i].name);
    if (!block)
      return withMemoryPlan(block.error());
    weights.push_back(std::move(*block));
  }
  if (device.placesCopies())
    packed = {};
  return {};
}

DeviceModel::DeviceModel(std::unique_ptr<State> state)
    : state(std::move(state)) {}
DeviceModel::~DeviceModel() = default;

const DeviceMemoryPlan &DeviceModel::memoryPlan() const {
  return state->memory;
}

/// Why `plan` cannot run on a device, if it cannot.
static Status checkPlan(const Plan &plan) {
  for (const Schedule &schedule : plan.schedules) {
    for (const Step &step : schedule.steps)
      if (step.kind != StepKind::Launch)
        return Error{"the plan has a step of the host, which a device does not "
                     "run"};
  }
  for (const PackedWeight &weight : plan.weights)
    if (weight.packing != Packing::Dense &&
        weight.packing != Packing::DenseBf16 &&
        weight.packing != Packing::WeightBlocks)
      return Error{"weight '" + weight.name + "' is packed for a CPU"};
  return {};
}

Result<std::unique_ptr<DeviceModel::State>>
DeviceModel::State::create(Plan plan, Device &device,
                           const EngineOptions &options) {
  Result<EngineOptions> resolved = resolveOptions(plan, options);
  if (!resolved)
    return Error{resolved.error()};
  if (Status status = checkPlan(plan); !status)
    return Error{status.error()};
  auto state = std::make_unique<State>(std::move(plan), device);
  state->options = *resolved;
  state->memory = state->planMemory();
  return state;
}

Result<std::unique_ptr<DeviceModel>>
DeviceModel::createWithoutWeights(Plan plan, Device &device,
                                  const EngineOptions &options) {
  Result<std::unique_ptr<State>> created =
      State::create(std::move(plan), device, options);
  if (!created)
    return Error{created.error()};
  std::unique_ptr<State> state = std::move(*created);
  for (const PackedWeight &weight : state->plan.weights) {
    Result<DeviceBlock> block =
        DeviceBlock::allocate(device, packedBytes(weight).front(), weight.name);
    if (!block)
      return state->withMemoryPlan(block.error());
    state->weights.push_back(std::move(*block));
  }
  return std::unique_ptr<DeviceModel>(new DeviceModel(std::move(state)));
}

Result<std::unique_ptr<DeviceModel>>
DeviceModel::create(Plan plan, Device &device, const TensorSource &source,
                    const EngineOptions &options) {
  Result<std::unique_ptr<State>> created =
      State::create(std::move(plan), device, options);
  if (!created)
    return Error{created.error()};
  std::unique_ptr<State> state = std::move(*created);
  ThreadPool pool(options.threads);
  if (Status status = state->placeWeights(pool, source); !status)
    return Error{status.error()};
  return std::unique_ptr<DeviceModel>(new DeviceModel(std::move(state)));
}

//===----------------------------------------------------------------------===//
// Sequence
//===----------------------------------------------------------------------===//

struct DeviceSequence::State {
  explicit State(DeviceModel::State &model)
      : model(model), device(model.device) {}

  Status allocate();
  /// Makes room on the device for something called `name`.
  Status add(std::vector<DeviceBlock> &list, size_t bytes,
             const std::string &name);
  const Schedule *schedule(const char *name, int64_t rows) const;

  /// Hands the tokens of a step to the device.
  Status beginStep(const int32_t *tokens, int64_t count);
  /// Tells kernels of `rows` rows from row `first` of the step on.
  Status writeTable(int64_t first, int64_t rows);
  /// Runs the steps [begin, end) for `rows` rows from row `first` on.
  Status run(const Schedule &schedule, int64_t begin, int64_t end,
             int64_t first, int64_t rows);
  Result<PreparedLaunch> prepare(const Schedule &schedule, const Step &step,
                                 int64_t first, int64_t rows) const;
  /// The map of the matrix at `address`, `argument` from row `first` on.
  Result<TensorMap> tensorMap(const Argument &argument, DeviceAddress address,
                              int64_t first) const;
  /// Runs all steps for the one row of `schedule`, by one graph.
  Status replay(const Schedule &schedule);
  Result<Recording> record(const Schedule &schedule);
  /// Downloads the logits of the last step, of `rows` rows, or its candidates.
  Status readResult(const Schedule &schedule, int64_t rows);
  Status readCandidates(const Schedule::Candidates &best);
  /// What the last step has left is nobody's any more.
  void dropResult();
  /// Runs the head for `rows` rows from row `first` on and downloads them.
  Status runHead(const Schedule &schedule, int64_t first, int64_t rows);
  Status prefill(const Schedule &schedule, const std::vector<int32_t> &tokens,
                 const LogitsSink &sink,
                 const std::vector<TokenSpan> &spansOfAll);

  DeviceModel::State &model;
  Device &device;
  std::vector<DeviceBlock> keys, values, buffers, table, tokenRows, spanRows;
  std::vector<std::vector<int64_t>> bufferShapes;
  std::vector<int32_t> capacities;
  /// Of the step at hand.
  std::vector<TokenSpan> spans;
  int64_t position = 0;
  std::vector<float> hostLogits;
  /// Row of `hostLogits` that is the last token's; null if there is none.
  const float *lastLogits = nullptr;
  std::vector<int32_t> hostTokens;
  /// In `hostLogits` and `hostTokens`, or nothing.
  Candidates lastCandidates;
  /// Whether a token was decoded, and its kernels launched one by one.
  bool hasDecoded = false;
  /// What a token launches, once it is recorded.
  std::optional<Recording> recording;
};

Status DeviceSequence::State::add(std::vector<DeviceBlock> &list, size_t bytes,
                                  const std::string &name) {
  Result<DeviceBlock> block = DeviceBlock::allocate(device, bytes, name);
  if (!block)
    return model.withMemoryPlan(block.error());
  list.push_back(std::move(*block));
  return {};
}

Status DeviceSequence::State::allocate() {
  const Plan &plan = model.plan;
  for (const CachePlan &cache : plan.caches) {
    int64_t capacity = model.capacity(cache);
    capacities.push_back(static_cast<int32_t>(capacity));
    auto bytes = static_cast<size_t>(capacity * cache.positionBytes() / 2);
    for (auto [list, what] :
         {std::pair{&keys, "keys of "}, std::pair{&values, "values of "}})
      if (Status status = add(*list, bytes, what + cache.name); !status)
        return status;
  }
  bufferShapes = runtime::bufferShapes(plan, model.maxRows());
  std::vector<size_t> sizes = model.bufferBytes();
  for (size_t i = 0; i != sizes.size(); ++i)
    if (Status status =
            add(buffers, sizes[i], "buffer " + plan.buffers[i].name);
        !status)
      return status;
  if (Status status = add(table, kTableBytes, "the step's table"); !status)
    return status;
  if (size_t bytes = model.spanBytes())
    if (Status status = add(spanRows, bytes, "the step's spans"); !status)
      return status;
  return add(tokenRows, static_cast<size_t>(4 * model.maxRows()),
             "the step's tokens");
}

const Schedule *DeviceSequence::State::schedule(const char *name,
                                                int64_t rows) const {
  const Schedule *found = model.plan.findSchedule(name);
  return found && found->rows == rows ? found : nullptr;
}

Status DeviceSequence::State::writeTable(int64_t first, int64_t rows) {
  int32_t fields[3] = {static_cast<int32_t>(position + first),
                       static_cast<int32_t>(rows),
                       static_cast<int32_t>(spans.size())};
  return device.upload(table.front().address(), fields, sizeof(fields));
}

Status DeviceSequence::State::beginStep(const int32_t *tokens, int64_t count) {
  if (Status status = device.upload(tokenRows.front().address(), tokens,
                                    static_cast<size_t>(4 * count));
      !status)
    return status;
  if (!spans.empty())
    if (Status status = device.upload(spanRows.front().address(), spans.data(),
                                      sizeof(TokenSpan) * spans.size());
        !status)
      return status;
  return writeTable(0, count);
}

Result<TensorMap> DeviceSequence::State::tensorMap(const Argument &argument,
                                                   DeviceAddress address,
                                                   int64_t first) const {
  MatrixBoxes boxes;
  boxes.address = address;
  boxes.boxRows = argument.boxRows;
  boxes.boxColumns = argument.boxColumns;
  if (argument.kind == Argument::Kind::Weight) {
    const PackedWeight &weight = model.plan.weights[argument.index];
    boxes.rows = weight.rows;
    boxes.columns = weight.cols;
    return device.tensorMap(boxes);
  }
  if (argument.kind == Argument::Kind::Keys ||
      argument.kind == Argument::Kind::Values) {
    const CachePlan &cache = model.plan.caches[argument.index];
    boxes.rows = capacities[argument.index];
    boxes.columns = cache.kvHeads * cache.headDim;
    return device.tensorMap(boxes);
  }
  // All rows that there is room for: the map is the same in every step.
  const std::vector<int64_t> &shape = bufferShapes[argument.index];
  bool isOpen = model.plan.buffers[argument.index].dims.front() < 0;
  boxes.rows = shape.front() - (isOpen ? first : 0);
  boxes.columns = 1;
  for (size_t d = 1; d != shape.size(); ++d)
    boxes.columns *= shape[d];
  return device.tensorMap(boxes);
}

Result<PreparedLaunch> DeviceSequence::State::prepare(const Schedule &schedule,
                                                      const Step &step,
                                                      int64_t first,
                                                      int64_t rows) const {
  PreparedLaunch prepared;
  DeviceLaunch &launch = prepared.launch;
  launch.kernel = step.function;
  launch.threads = static_cast<uint32_t>(step.threads);
  launch.sharedBytes = static_cast<uint32_t>(step.sharedBytes);
  for (size_t i = 0; i != step.grid.size(); ++i) {
    int64_t blocks = step.grid[i].blocks(rows);
    if (i != 0 && blocks > kMostBlocks)
      return Error{"kernel '" + step.function + "' would need " +
                   std::to_string(blocks) + " blocks in a dimension of " +
                   std::to_string(kMostBlocks) + " at most"};
    launch.grid[i] = static_cast<uint32_t>(blocks);
  }
  std::vector<DeviceAddress> &pointers = prepared.pointers;
  pointers.resize(step.args.size());
  for (size_t i = 0; i != step.args.size(); ++i) {
    const Argument &argument = step.args[i];
    launch.parameters.push_back(&pointers[i]);
    switch (argument.kind) {
    case Argument::Kind::Buffer: {
      const BufferPlan &plan = model.plan.buffers[argument.index];
      pointers[i] = buffers[argument.index].address();
      // Logits of a piece of the rows are at the front of their buffer.
      if (plan.dims.front() >= 0 || argument.index == schedule.logits)
        break;
      int64_t rowBytes = bytesOf(plan.element);
      for (size_t d = 1; d != plan.dims.size(); ++d)
        rowBytes *= plan.dims[d];
      pointers[i] += static_cast<DeviceAddress>(first * rowBytes);
      break;
    }
    case Argument::Kind::Weight:
      pointers[i] = model.weights[argument.index].address();
      break;
    case Argument::Kind::Keys:
      pointers[i] = keys[argument.index].address();
      break;
    case Argument::Kind::Values:
      pointers[i] = values[argument.index].address();
      break;
    case Argument::Kind::Tokens:
      pointers[i] = tokenRows.front().address();
      break;
    case Argument::Kind::StepTable:
      pointers[i] = table.front().address();
      break;
    case Argument::Kind::Spans:
      pointers[i] = spanRows.front().address();
      break;
    case Argument::Kind::Capacity:
      launch.parameters.back() = &capacities[argument.index];
      break;
    case Argument::Kind::Scalar:
    case Argument::Kind::Sequences:
      break; // of calls alone, which a plan for a device has none of
    }
    if (!argument.isTensorMap())
      continue;
    Result<TensorMap> map = tensorMap(argument, pointers[i], first);
    if (!map)
      return Error{map.error()};
    // As many as there may be, since the launch has their addresses.
    prepared.maps.resize(step.args.size());
    prepared.maps[i] = *map;
    launch.parameters.back() = &prepared.maps[i];
  }
  return Result<PreparedLaunch>(std::move(prepared));
}

Status DeviceSequence::State::run(const Schedule &schedule, int64_t begin,
                                  int64_t end, int64_t first, int64_t rows) {
  for (int64_t i = begin; i != end; ++i) {
    Result<PreparedLaunch> prepared =
        prepare(schedule, schedule.steps[i], first, rows);
    if (!prepared)
      return Error{prepared.error()};
    if (Status status = device.launch(prepared->launch); !status)
      return status;
  }
  return {};
}

Result<Recording> DeviceSequence::State::record(const Schedule &schedule) {
  Recording made;
  std::vector<DeviceLaunch> launches;
  for (const Step &step : schedule.steps) {
    Result<PreparedLaunch> prepared = prepare(schedule, step, 0, schedule.rows);
    if (!prepared)
      return Error{prepared.error()};
    launches.push_back(prepared->launch);
    made.launches.push_back(std::move(*prepared));
  }
  Result<std::unique_ptr<DeviceGraph>> graph =
      device.record(std::move(launches));
  if (!graph)
    return Error{graph.error()};
  made.graph = std::move(*graph);
  return Result<Recording>(std::move(made));
}

Status DeviceSequence::State::replay(const Schedule &schedule) {
  if (!recording) {
    Result<Recording> made = record(schedule);
    if (!made)
      return Error{made.error()};
    recording = std::move(*made);
  }
  return recording->graph->replay();
}

void DeviceSequence::State::dropResult() {
  lastLogits = nullptr;
  lastCandidates = {};
}

Status DeviceSequence::State::readCandidates(const Schedule::Candidates &best) {
  int64_t count = model.plan.candidateCount();
  hostLogits.resize(count);
  hostTokens.resize(count);
  const auto bytes = static_cast<size_t>(4 * count);
  if (Status status = device.download(hostLogits.data(),
                                      buffers[best.logits].address(), bytes);
      !status)
    return status;
  if (Status status = device.download(hostTokens.data(),
                                      buffers[best.tokens].address(), bytes);
      !status)
    return status;
  lastCandidates = {hostLogits.data(), hostTokens.data(), count};
  return {};
}

Status DeviceSequence::State::readResult(const Schedule &schedule,
                                         int64_t rows) {
  if (schedule.candidates)
    return readCandidates(*schedule.candidates);
  int64_t rowsOfLogits = schedule.logitsAll ? rows : 1;
  hostLogits.resize(rowsOfLogits * model.plan.vocab);
  if (Status status =
          device.download(hostLogits.data(), buffers[schedule.logits].address(),
                          4 * hostLogits.size());
      !status)
    return status;
  lastLogits = hostLogits.data() + (rowsOfLogits - 1) * model.plan.vocab;
  return {};
}

Status DeviceSequence::State::runHead(const Schedule &schedule, int64_t first,
                                      int64_t rows) {
  auto end = static_cast<int64_t>(schedule.steps.size());
  if (Status status = run(schedule, schedule.headBegin, end, first, rows);
      !status)
    return status;
  return readResult(schedule, rows);
}

Status DeviceSequence::State::prefill(
    const Schedule &schedule, const std::vector<int32_t> &tokens,
    const LogitsSink &sink, const std::vector<TokenSpan> &spansOfAll) {
  auto size = static_cast<int64_t>(tokens.size());
  for (int64_t start = 0, count; start != size; start += count) {
    int64_t next = endOfStep(spansOfAll, position, position + size - start,
                             model.options.prefillChunk);
    count = next - position;
    spans = spansOfStep(spansOfAll, position, next);
    dropResult();
    if (Status status = beginStep(tokens.data() + start, count); !status)
      return status;
    if (Status status = run(schedule, 0, schedule.headBegin, 0, count); !status)
      return status;
    bool isLast = start + count == size;
    if (!schedule.logitsAll && isLast) {
      if (Status status = runHead(schedule, 0, count); !status)
        return status;
    }
    // Pieces of the rows; without a sink the last one is enough.
    int64_t block = logitsRows(model.plan);
    int64_t first = sink ? 0 : count - std::min(count, block);
    for (; schedule.logitsAll && (sink || isLast) && first < count;
         first += block) {
      int64_t rows = std::min(block, count - first);
      if (Status status = writeTable(first, rows); !status)
        return status;
      if (Status status = runHead(schedule, first, rows); !status)
        return status;
      if (sink)
        if (Status status = sink(hostLogits.data(), rows); !status)
          return status;
    }
    position += count;
  }
  return {};
}

DeviceSequence::DeviceSequence(std::unique_ptr<State> state)
    : state(std::move(state)) {}
DeviceSequence::~DeviceSequence() = default;

Result<std::unique_ptr<DeviceSequence>>
DeviceSequence::create(DeviceModel &model) {
  auto state = std::make_unique<State>(*model.state);
  if (Status status = state->allocate(); !status)
    return Error{status.error()};
  return std::unique_ptr<DeviceSequence>(new DeviceSequence(std::move(state)));
}

Status DeviceSequence::prefill(const std::vector<int32_t> &tokens,
                               const LogitsSink &sink,
                               const std::vector<TokenSpan> &spans) {
  if (Status status = checkTokens(
          state->model.plan, state->model.options.context, tokens.data(),
          static_cast<int64_t>(tokens.size()), state->position);
      !status)
    return status;
  const Schedule *schedule = state->schedule("prefill", 0);
  if (!schedule)
    return Error{"the plan has no schedule for prefill"};
  if (sink && !schedule->logitsAll)
    return Error{"the model was compiled for logits of the last token only"};
  if (Status status = checkSpans(state->model.plan, spans, state->position,
                                 static_cast<int64_t>(tokens.size()),
                                 state->model.options.prefillChunk);
      !status)
    return status;
  return state->prefill(*schedule, tokens, sink, spans);
}

Status DeviceSequence::decode(int32_t token) {
  if (Status status =
          checkTokens(state->model.plan, state->model.options.context, &token,
                      1, state->position);
      !status)
    return status;
  const Schedule *schedule = state->schedule("decode", 1);
  if (!schedule)
    return Error{"the plan has no schedule for decode"};
  state->dropResult();
  state->spans.clear();
  if (Status status = state->beginStep(&token, 1); !status)
    return status;
  // A kernel may have to be loaded first, which a recording does not allow, and
  // a single token is not worth one.
  auto end = static_cast<int64_t>(schedule->steps.size());
  Status status = state->hasDecoded
                      ? state->replay(*schedule)
                      : state->run(*schedule, 0, end, 0, schedule->rows);
  if (!status)
    return status;
  state->hasDecoded = true;
  if (Status read = state->readResult(*schedule, schedule->rows); !read)
    return read;
  ++state->position;
  return {};
}

void DeviceSequence::skip(int64_t count) {
  state->position += count;
  state->dropResult();
}

void DeviceSequence::clear() {
  // Keys and values of before lie behind the position, where nobody looks.
  state->position = 0;
  state->dropResult();
}

const float *DeviceSequence::logits() const { return state->lastLogits; }
Candidates DeviceSequence::candidates() const { return state->lastCandidates; }
int64_t DeviceSequence::position() const { return state->position; }
