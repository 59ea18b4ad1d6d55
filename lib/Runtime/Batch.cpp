// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packs rows of several sequences into steps and takes their logits out.

#include "flow/Runtime/Batch.h"

#include "StepRunner.h"

#include <algorithm>
#include <limits>

using namespace flow;
using namespace flow::runtime;

namespace {

/// Slots at most: they and rows are 32 bits in the table of a step.
constexpr int64_t kMaxSlots = 1 << 16;

/// Rows of one part in the step at hand.
struct Piece {
  int64_t part, slot;
  /// First of its rows, and how many.
  int64_t first, count;
  /// The last token of the part is among them.
  bool endsPart;

  int64_t last() const { return first + count - 1; }
};

} // namespace

struct Batch::State {
  explicit State(Model::State &model) : model(model), runner(model) {}

  Model::State &model;
  StepRunner runner;
  /// Of rows of any sequences, and of one row of each.
  const Schedule *rowsSchedule = nullptr, *decodeSchedule = nullptr;
  std::vector<int64_t> positions;
  /// By slot; empty as long as there are none.
  std::vector<std::vector<float>> lastLogits;

  // Of the step at hand.
  const Schedule *schedule = nullptr;
  std::vector<Piece> pieces;
  /// The logits of the last row of each piece, kept until it is appended.
  std::vector<std::vector<float>> pieceLogits;

  int64_t slots() const { return static_cast<int64_t>(positions.size()); }

  /// Rows of the largest step.
  int64_t maxRows() const {
    // All sequences at once and in full, if the chunk is larger than that.
    int64_t all = slots() * roundUp(model.options.context, model.plan.rowTile);
    return roundUp(std::min(model.options.prefillChunk, all),
                   model.plan.rowTile);
  }

  /// What the rows of each part, and those of the step, are padded to.
  int64_t rowUnit() const {
    return schedule == decodeSchedule ? 1 : model.plan.rowTile;
  }

  Status check(const std::vector<Part> &parts) const;
  /// Fills the step with the tokens of `parts` from `done` of each on.
  void beginStep(const std::vector<Part> &parts,
                 const std::vector<size_t> &done);
  void gatherLastRows();
  void keepLogits(size_t piece, const float *logits) {
    pieceLogits[piece].assign(logits, logits + model.plan.vocab);
  }
  void lastRowLogits();
  Status allLogits(const LogitsSink &sink);
};

Status Batch::State::check(const std::vector<Part> &parts) const {
  if (parts.empty())
    return Error{"a batch must have at least one sequence"};
  std::vector<bool> isUsed(positions.size());
  for (const Part &part : parts) {
    auto refuse = [&](const std::string &why) {
      return Error{"slot " + std::to_string(part.slot) + ": " + why};
    };
    if (part.slot < 0 || part.slot >= slots())
      return refuse("the batch has " + std::to_string(slots()) + " slots");
    if (isUsed[part.slot])
      return refuse("it is in two parts of one call");
    isUsed[part.slot] = true;
    if (Status status = model.check(part.tokens.data(),
                                    static_cast<int64_t>(part.tokens.size()),
                                    positions[part.slot]);
        !status)
      return refuse(status.error());
  }
  return {};
}

void Batch::State::beginStep(const std::vector<Part> &parts,
                             const std::vector<size_t> &done) {
  pieces.clear();
  runner.tokens.clear();
  runner.positions.clear();
  runner.sequences.clear();
  schedule = decodeSchedule;
  for (size_t i = 0; i != parts.size(); ++i)
    if (parts[i].tokens.size() > done[i] + 1)
      schedule = rowsSchedule;
  for (size_t i = 0; i != parts.size(); ++i) {
    const Part &part = parts[i];
    int64_t left = static_cast<int64_t>(part.tokens.size() - done[i]);
    int64_t first = static_cast<int64_t>(runner.tokens.size());
    // A ring has room for the window and the largest step of one sequence.
    int64_t count =
        std::min({left, maxRows() - first, model.options.prefillChunk});
    if (count <= 0)
      continue;
    int64_t start = positions[part.slot];
    pieces.push_back(
        {static_cast<int64_t>(i), part.slot, first, count, count == left});
    runner.sequences.push_back(
        {static_cast<int32_t>(part.slot), static_cast<int32_t>(first),
         static_cast<int32_t>(count), static_cast<int32_t>(start)});
    auto token = part.tokens.begin() + static_cast<ptrdiff_t>(done[i]);
    runner.tokens.insert(runner.tokens.end(), token, token + count);
    for (int64_t t = 0; t != count; ++t)
      runner.positions.push_back(start + t);
    // Rows of padding hold token 0 at position 0.
    size_t padded = roundUp(first + count, rowUnit());
    runner.tokens.resize(padded);
    runner.positions.resize(padded);
  }
  runner.rows = static_cast<int64_t>(runner.tokens.size());
  runner.describeBuffers(runner.rows, 0);
  pieceLogits.assign(pieces.size(), {});
}

/// Moves the rows whose logits are wanted to the front of all that the head
/// reads, which treats each row alone. The i-th piece begins at row i or later,
/// so that no row is overwritten before it is moved.
void Batch::State::gatherLastRows() {
  std::vector<bool> isMoved(model.plan.buffers.size());
  for (size_t i = schedule->headBegin; i != schedule->steps.size(); ++i)
    for (const Argument &argument : schedule->steps[i].args)
      if (argument.kind == Argument::Kind::Buffer)
        isMoved[argument.index] = true;
  isMoved[schedule->logits] = false;
  for (size_t i = 0; i != isMoved.size(); ++i) {
    const std::vector<int64_t> &dims = model.plan.buffers[i].dims;
    if (!isMoved[i] || dims.front() >= 0)
      continue;
    int64_t length = bytesOf(model.plan.buffers[i].element);
    for (size_t d = 1; d != dims.size(); ++d)
      length *= dims[d];
    char *rows = runner.bytes(static_cast<int64_t>(i)), *out = rows;
    for (const Piece &piece : pieces)
      if (piece.endsPart) {
        if (const char *row = rows + piece.last() * length; row != out)
          std::copy_n(row, length, out);
        out += length;
      }
  }
}

void Batch::State::lastRowLogits() {
  std::vector<size_t> ending;
  for (size_t i = 0; i != pieces.size(); ++i)
    if (pieces[i].endsPart)
      ending.push_back(i);
  gatherLastRows();
  const int64_t most = logitsRows(model.plan);
  int64_t wanted = static_cast<int64_t>(ending.size());
  for (int64_t first = 0; first < wanted; first += most) {
    int64_t valid = std::min(most, wanted - first);
    runner.runHead(*schedule, first, roundUp(valid, rowUnit()));
    for (int64_t row = 0; row != valid; ++row)
      keepLogits(ending[first + row],
                 runner.buffer(schedule->logits) + row * model.plan.vocab);
  }
}

Status Batch::State::allLogits(const LogitsSink &sink) {
  const int64_t most = logitsRows(model.plan);
  for (int64_t first = 0; first < runner.rows; first += most) {
    int64_t end = std::min(first + most, runner.rows);
    runner.runHead(*schedule, first, end - first);
    for (size_t i = 0; i != pieces.size(); ++i) {
      const Piece &piece = pieces[i];
      int64_t from = std::max(piece.first, first);
      int64_t to = std::min(piece.last() + 1, end);
      if (from >= to)
        continue;
      const float *logits =
          runner.buffer(schedule->logits) + (from - first) * model.plan.vocab;
      if (Status status = sink(piece.slot, logits, to - from); !status)
        return status;
      if (to == piece.last() + 1)
        keepLogits(i, logits + (to - from - 1) * model.plan.vocab);
    }
  }
  return {};
}

Batch::Batch(std::unique_ptr<State> state) : state(std::move(state)) {}
Batch::~Batch() = default;
int64_t Batch::slots() const { return state->slots(); }
int64_t Batch::position(int64_t slot) const { return state->positions[slot]; }
size_t Batch::cacheBytes() const { return state->runner.cacheBytes(); }

const float *Batch::logits(int64_t slot) const {
  const std::vector<float> &logits = state->lastLogits[slot];
  return logits.empty() ? nullptr : logits.data();
}

void Batch::clear(int64_t slot) {
  // What the caches hold lies behind the position, where nobody looks.
  state->positions[slot] = 0;
  state->lastLogits[slot].clear();
}

Result<std::unique_ptr<Batch>> Batch::create(Model &model, int64_t slots) {
  if (slots < 1 || slots > kMaxSlots)
    return Error{"a batch has 1 to " + std::to_string(kMaxSlots) +
                 " slots, got " + std::to_string(slots)};
  auto state = std::make_unique<State>(*model.state);
  state->rowsSchedule = state->runner.schedule("batch");
  state->decodeSchedule = state->runner.schedule("batch_decode");
  if (!state->rowsSchedule || !state->decodeSchedule)
    return Error{"the model was not compiled for batches"};
  state->positions.resize(slots);
  state->lastLogits.resize(slots);
  if (Status status = state->runner.allocate(slots, state->maxRows()); !status)
    return Error{status.error()};
  return std::unique_ptr<Batch>(new Batch(std::move(state)));
}

Status Batch::append(const std::vector<Part> &parts, const LogitsSink &sink) {
  if (Status status = state->check(parts); !status)
    return status;
  std::vector<size_t> done(parts.size());
  for (;;) {
    state->beginStep(parts, done);
    if (state->pieces.empty())
      return {};
    const Schedule &schedule = *state->schedule;
    state->runner.run(schedule, 0, schedule.headBegin);
    if (!sink)
      state->lastRowLogits();
    else if (Status status = state->allLogits(sink); !status)
      return status;
    for (size_t i = 0; i != state->pieces.size(); ++i) {
      const Piece &piece = state->pieces[i];
      done[piece.part] += piece.count;
      state->positions[piece.slot] += piece.count;
      if (!state->pieceLogits[i].empty())
        state->lastLogits[piece.slot].swap(state->pieceLogits[i]);
    }
  }
}
