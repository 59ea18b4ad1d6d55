// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Executes the steps of a schedule one by one.

#include "StepRunner.h"

#include "RopeAngles.h"
#include "flow/Support/Stopwatch.h"

#include <algorithm>

using namespace flow;
using namespace flow::runtime;

namespace {

/// Dimensions of a buffer of a plan at most.
constexpr size_t kMaxBufferRank = 4;

/// Bytes of `dims` values; nothing if no machine has as many.
std::optional<size_t> blockBytes(const std::vector<int64_t> &dims,
                                 ElementType element) {
  int64_t bytes = bytesOf(element);
  for (int64_t dim : dims)
    if (__builtin_mul_overflow(bytes, dim, &bytes))
      return std::nullopt;
  return static_cast<size_t>(bytes);
}

Result<PageBlock> allocateBlock(const std::vector<int64_t> &dims,
                                ElementType element) {
  std::optional<size_t> bytes = blockBytes(dims, element);
  if (!bytes)
    return Error{"its size overflows"};
  return PageBlock::allocate(*bytes, false);
}

} // namespace

Status StepRunner::allocate(std::optional<int64_t> slots, int64_t rowsOfStep) {
  const Plan &plan = model.plan;
  for (const CachePlan &cache : plan.caches) {
    int64_t capacity =
        cachePositions(cache, model.options.context, model.maxRows());
    std::vector<int64_t> keyDims = {cache.kvHeads, capacity / kPanel,
                                    cache.headDim, kPanel};
    std::vector<int64_t> valueDims = {cache.kvHeads, cache.headDim / kPanel,
                                      capacity, kPanel};
    if (slots) {
      keyDims.insert(keyDims.begin(), *slots);
      valueDims.insert(valueDims.begin(), *slots);
    }
    for (std::vector<PageBlock> *list : {&keys, &values}) {
      Result<PageBlock> block = allocateBlock(keyDims, cache.element);
      if (!block)
        return Error{"cache " + cache.name + ": " + block.error()};
      list->push_back(std::move(*block));
    }
    keyDescriptors.emplace_back().set(keys.back().data(), keyDims.data(),
                                      static_cast<int>(keyDims.size()));
    valueDescriptors.emplace_back().set(values.back().data(), valueDims.data(),
                                        static_cast<int>(valueDims.size()));
  }
  std::vector<std::vector<int64_t>> shapes = bufferShapes(plan, rowsOfStep);
  for (size_t i = 0; i != shapes.size(); ++i) {
    Result<PageBlock> block = allocateBlock(shapes[i], plan.buffers[i].element);
    if (!block)
      return Error{"buffer " + plan.buffers[i].name + ": " + block.error()};
    buffers.push_back(std::move(*block));
  }
  bufferDescriptors.resize(buffers.size());
  return {};
}

size_t StepRunner::cacheBytes() const {
  size_t bytes = 0;
  for (const std::vector<PageBlock> *list : {&keys, &values})
    for (const PageBlock &block : *list)
      bytes += block.size();
  return bytes;
}

void StepRunner::describeBuffers(int64_t rowCount, int64_t first) {
  for (size_t i = 0; i != buffers.size(); ++i) {
    const std::vector<int64_t> &dims = model.plan.buffers[i].dims;
    int64_t actual[kMaxBufferRank];
    int64_t rowBytes = bytesOf(model.plan.buffers[i].element);
    for (size_t d = 0; d != dims.size(); ++d) {
      actual[d] = dims[d] >= 0 ? dims[d] : rowCount;
      if (d != 0)
        rowBytes *= actual[d];
    }
    bool hasRows = !dims.empty() && dims[0] < 0;
    char *data = bytes(i) + (hasRows ? first * rowBytes : 0);
    bufferDescriptors[i].set(data, actual, static_cast<int>(dims.size()));
  }
}

void StepRunner::runHead(const Schedule &schedule, int64_t first,
                         int64_t block) {
  describeBuffers(block, first);
  int64_t dims[2] = {block, model.plan.vocab};
  bufferDescriptors[schedule.logits].set(buffer(schedule.logits), dims, 2);
  int64_t all = rows;
  rows = block;
  run(schedule, schedule.headBegin, schedule.steps.size());
  rows = all;
}

void StepRunner::embed(const Step &step) {
  const TensorView &table = model.weights.weights[step.weight].raw;
  float scale = static_cast<float>(step.scale);
  float *out = buffer(step.buffer);
  for (int64_t t = 0; t != rows; ++t, out += table.cols) {
    ggml::decodeRow(table.type, table.row(tokens[t]), out, table.cols);
    for (int64_t i = 0; i != table.cols; ++i)
      out[i] *= scale;
  }
}

void StepRunner::call(const Step &step, Entry entry) {
  Descriptor table;
  int64_t tableDims[2] = {static_cast<int64_t>(sequences.size()), 4};
  table.set(sequences.data(), tableDims, 2);
  Descriptor spanTable;
  int64_t spanDims[2] = {static_cast<int64_t>(spans.size()), 2};
  spanTable.set(spans.data(), spanDims, 2);
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
    case Argument::Kind::Sequences:
      arguments.push_back(&table);
      break;
    case Argument::Kind::Spans:
      arguments.push_back(&spanTable);
      break;
    case Argument::Kind::Tokens:
    case Argument::Kind::StepTable:
    case Argument::Kind::Capacity:
      break; // of launches alone, which a model for CPUs has none of
    }
  }
  entry(arguments.data());
}

void StepRunner::runStep(const Step &step, Entry entry) {
  if (step.kind == StepKind::Embed)
    embed(step);
  else if (step.kind == StepKind::RopeAngles)
    computeAngles(step, positions.data(), rows, buffer(step.buffer));
  else
    call(step, entry);
}

/// What a profile calls `step`.
static std::string nameOf(const Step &step) {
  switch (step.kind) {
  case StepKind::Embed:
    return "embed";
  case StepKind::RopeAngles:
    return "rope_angles";
  case StepKind::Call:
  case StepKind::Launch:
    break;
  }
  return step.function;
}

void StepRunner::run(const Schedule &schedule, int64_t begin, int64_t end) {
  const auto &entries = model.entries[&schedule - model.plan.schedules.data()];
  for (int64_t i = begin; i != end; ++i) {
    const Step &step = schedule.steps[i];
    if (!model.profile) {
      runStep(step, entries[i]);
      continue;
    }
    model.profile->beginFunction(nameOf(step));
    Stopwatch watch;
    runStep(step, entries[i]);
    model.profile->endFunction(watch.seconds());
  }
}
