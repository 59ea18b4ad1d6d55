// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loads models, and cuts the tokens of a sequence into steps.

#include "Requests.h"
#include "StepRunner.h"

#include <algorithm>
#include <numeric>

using namespace flow;
using namespace flow::runtime;

namespace {

Descriptor describe(const PackedWeight &weight, const LoadedWeight &loaded,
                    int64_t part) {
  Descriptor descriptor;
  std::vector<int64_t> dims = partShape(weight, part);
  descriptor.set(loaded.parts[part].data(), dims.data(),
                 static_cast<int>(dims.size()));
  return descriptor;
}

} // namespace

//===----------------------------------------------------------------------===//
// Model
//===----------------------------------------------------------------------===//

Model::Model(std::unique_ptr<State> state) : state(std::move(state)) {}
Model::~Model() = default;
const Plan &Model::plan() const { return state->plan; }
int64_t Model::context() const { return state->options.context; }

size_t Model::weightBytes() const {
  size_t bytes = 0;
  for (const LoadedWeight &weight : state->weights.weights)
    for (const BlockSlice &part : weight.parts)
      bytes += part.size();
  return bytes;
}

void Model::setProfile(Profile *profile) {
  state->profile = profile;
  state->pool->setProfile(profile);
}

Status Model::State::check(const int32_t *tokens, int64_t count,
                           int64_t position) const {
  return checkTokens(plan, options.context, tokens, count, position);
}

Result<std::unique_ptr<Model>> Model::create(Plan plan,
                                             const SymbolLookup &lookup,
                                             const TensorSource &source,
                                             const EngineOptions &options) {
  auto state = std::make_unique<State>();
  Result<EngineOptions> resolved = resolveOptions(plan, options);
  if (!resolved)
    return Error{resolved.error()};
  state->options = *resolved;
  state->pool = std::make_unique<ThreadPool>(options.threads);

  for (const Schedule &schedule : plan.schedules) {
    std::vector<Entry> &entries = state->entries.emplace_back();
    for (const Step &step : schedule.steps) {
      Entry entry = nullptr;
      if (step.kind == StepKind::Launch)
        return Error{"the plan launches '" + step.function +
                     "', which needs a GPU"};
      if (step.kind == StepKind::Call) {
        entry = reinterpret_cast<Entry>(lookup(step.function));
        if (!entry)
          return Error{"the code has no function '" + step.function + "'"};
      }
      entries.push_back(entry);
    }
  }
  Result<LoadedWeights> weights = loadWeights(plan, source, *state->pool);
  if (!weights)
    return Error{weights.error()};
  state->weights = std::move(*weights);
  for (size_t i = 0; i != plan.weights.size(); ++i) {
    std::vector<Descriptor> &parts = state->weightDescriptors.emplace_back();
    for (size_t part = 0; part != state->weights.weights[i].parts.size();
         ++part)
      parts.push_back(
          describe(plan.weights[i], state->weights.weights[i], part));
  }
  state->plan = std::move(plan);
  return std::unique_ptr<Model>(new Model(std::move(state)));
}

//===----------------------------------------------------------------------===//
// Sequence
//===----------------------------------------------------------------------===//

struct Sequence::State {
  explicit State(Model::State &model) : model(model), runner(model) {}

  Model::State &model;
  StepRunner runner;
  int64_t position = 0;
  /// One past the last position that caches were ever written at.
  int64_t written = 0;
  const float *lastLogits = nullptr;
  Candidates lastCandidates;
  /// The logits of the last `verify` if nothing was appended after it, and the
  /// position of its first token.
  const float *verified = nullptr;
  int64_t firstVerified = 0;
  /// The logits before the chunk at hand, which is appended only if the sink
  /// takes its own.
  std::vector<float> keptLogits;

  Status check(const int32_t *tokens, int64_t count) const {
    return model.check(tokens, count, position);
  }
  void beginStep(const int32_t *tokens, int64_t count, int64_t rows);
  /// Why the next token cannot stand at `next`, if anything that it sees is
  /// gone.
  Status checkWindow(int64_t next) const;
  /// Makes what the schedule has left the logits or candidates.
  void takeResult(const Schedule &schedule);
  Status allLogits(const Schedule &schedule, const LogitsSink &sink);
  /// `allLogits` for a sink, whose refusal leaves `logits` as it was.
  Status offerLogits(const Schedule &schedule, const LogitsSink &sink);
};

void Sequence::State::beginStep(const int32_t *first, int64_t count,
                                int64_t rows) {
  runner.tokens.assign(first, first + count);
  runner.spans.clear();
  runner.tokens.resize(rows); // rows of padding hold token 0
  runner.positions.resize(rows);
  std::iota(runner.positions.begin(), runner.positions.end(), position);
  runner.start = position;
  runner.count = count;
  runner.total = position + count;
  runner.rows = rows;
  runner.describeBuffers(rows, 0);
  written = std::max(written, position + count);
  verified = nullptr;
}

Status Sequence::State::checkWindow(int64_t next) const {
  for (const CachePlan &cache : model.plan.caches) {
    int64_t capacity =
        cachePositions(cache, model.options.context, model.maxRows());
    // What was written at a position has taken the place of what lay a capacity
    // before it.
    int64_t oldest = written - capacity;
    int64_t seen =
        cache.window == 0 ? 0 : std::max<int64_t>(0, next - cache.window + 1);
    if (seen < next && seen < oldest)
      return Error{"a sequence cannot be taken back to " +
                   std::to_string(next) + " tokens: the next one sees those " +
                   "from position " + std::to_string(seen) + " on, and cache " +
                   cache.name + " has none before " + std::to_string(oldest)};
  }
  return {};
}

void Sequence::State::takeResult(const Schedule &schedule) {
  const std::optional<Schedule::Candidates> &best = schedule.candidates;
  if (!best) {
    lastLogits = runner.buffer(schedule.logits);
    return;
  }
  lastCandidates.logits = runner.buffer(best->logits);
  lastCandidates.tokens =
      reinterpret_cast<const int32_t *>(runner.bytes(best->tokens));
  lastCandidates.count = model.plan.candidateCount();
}

Status Sequence::State::allLogits(const Schedule &schedule,
                                  const LogitsSink &sink) {
  const int64_t most = logitsRows(model.plan), count = runner.count;
  // Without a sink nobody reads more than the last row.
  for (int64_t first = sink ? 0 : (count - 1) / most * most; first < count;
       first += most) {
    int64_t block = std::min(most, runner.rows - first);
    runner.runHead(schedule, first, block);
    int64_t valid = std::min(block, count - first);
    const float *logits = runner.buffer(schedule.logits);
    lastLogits = logits + (valid - 1) * model.plan.vocab;
    if (sink)
      if (Status status = sink(logits, valid); !status)
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
Candidates Sequence::candidates() const { return state->lastCandidates; }
int64_t Sequence::position() const { return state->position; }

size_t Sequence::cacheBytes() const { return state->runner.cacheBytes(); }

Result<std::unique_ptr<Sequence>> Sequence::create(Model &model) {
  auto state = std::make_unique<State>(*model.state);
  if (Status status =
          state->runner.allocate(std::nullopt, model.state->maxRows());
      !status)
    return Error{status.error()};
  return std::unique_ptr<Sequence>(new Sequence(std::move(state)));
}

Status Sequence::prefill(const std::vector<int32_t> &tokens,
                         const LogitsSink &sink,
                         const std::vector<TokenSpan> &spans) {
  int64_t size = static_cast<int64_t>(tokens.size());
  if (Status status = state->check(tokens.data(), size); !status)
    return status;
  const Schedule *schedule = state->runner.schedule("prefill");
  if (!schedule || schedule->rows != 0)
    return Error{"the plan has no schedule for prefill"};
  if (sink && !schedule->logitsAll)
    return Error{"the model was compiled for logits of the last token only"};
  int64_t chunk = state->model.options.prefillChunk;
  const int64_t begin = state->position;
  if (Status status = checkSpans(state->model.plan, spans, begin, size, chunk);
      !status)
    return status;
  for (int64_t first = 0, count; first < size; first += count) {
    int64_t next = endOfStep(spans, begin + first, begin + size, chunk);
    count = next - begin - first;
    state->beginStep(tokens.data() + first, count,
                     roundUp(count, state->model.plan.rowTile));
    state->runner.spans = spansOfStep(spans, begin + first, next);
    state->runner.run(*schedule, 0, schedule->headBegin);
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
      state->runner.run(*schedule, schedule->headBegin, schedule->steps.size());
      state->takeResult(*schedule);
    }
    state->position += count;
  }
  return {};
}

void Sequence::clear() {
  // Keys and values of before lie behind the position, where nobody looks.
  state->position = state->written = 0;
  state->verified = nullptr;
  state->lastLogits = nullptr;
  state->lastCandidates = {};
}

Status Sequence::decode(int32_t token) {
  if (Status status = state->check(&token, 1); !status)
    return status;
  const Schedule *schedule = state->runner.schedule("decode");
  if (!schedule || schedule->rows != 1)
    return Error{"the plan has no schedule for decode"};
  state->beginStep(&token, 1, 1);
  state->runner.run(*schedule, 0, schedule->steps.size());
  state->takeResult(*schedule);
  state->position += 1;
  return {};
}

int64_t Sequence::verifiedAtOnce() const {
  // A ring has room for the largest step, and the logits of a block are kept.
  return std::min(state->model.maxRows(), logitsRows(state->model.plan));
}

const float *Sequence::verified(int64_t row) const {
  return state->verified + row * state->model.plan.vocab;
}

Status Sequence::verify(const std::vector<int32_t> &tokens) {
  int64_t size = static_cast<int64_t>(tokens.size());
  if (Status status = state->check(tokens.data(), size); !status)
    return status;
  if (size > verifiedAtOnce())
    return Error{std::to_string(size) + " tokens are more than the " +
                 std::to_string(verifiedAtOnce()) +
                 " that are verified at once"};
  const Schedule *schedule = state->runner.schedule("verify");
  if (!schedule)
    return Error{"the model was not compiled to verify drafts"};
  state->beginStep(tokens.data(), size, size);
  state->runner.run(*schedule, 0, schedule->steps.size());
  state->verified = state->runner.buffer(schedule->logits);
  state->firstVerified = state->position;
  state->position += size;
  state->lastLogits = verified(size - 1);
  return {};
}

Status Sequence::truncate(int64_t position) {
  if (position < 0 || position > state->position)
    return Error{"a sequence of " + std::to_string(state->position) +
                 " tokens cannot be taken back to " + std::to_string(position)};
  if (position == state->position)
    return {};
  if (position == 0) {
    clear();
    return {};
  }
  if (Status status = state->checkWindow(position); !status)
    return status;
  state->position = position;
  int64_t row = position - 1 - state->firstVerified;
  bool isVerified = state->verified && row >= 0;
  state->lastLogits = isVerified ? verified(row) : nullptr;
  state->lastCandidates = {};
  return {};
}
