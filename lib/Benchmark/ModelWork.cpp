// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Counts operations and bytes from a plan and the numbers of its model.

#include "flow/Benchmark/ModelWork.h"

#include "flow/Runtime/Memory.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/ADT/StringSet.h"

#include <algorithm>

using namespace flow;

Operations &Operations::operator+=(const Operations &other) {
  f32 += other.f32;
  bf16 += other.bf16;
  int8 += other.int8;
  return *this;
}

Operations flow::operator*(double factor, const Operations &operations) {
  return {factor * operations.f32, factor * operations.bf16,
          factor * operations.int8};
}

Work &Work::operator+=(const Work &other) {
  operations += other.operations;
  readBytes += other.readBytes;
  return *this;
}

Work flow::total(llvm::ArrayRef<FunctionWork> functions) {
  Work work;
  for (const FunctionWork &each : functions)
    work += each.work;
  return work;
}

namespace {

/// `count` operations of a product with such a weight.
Operations operationsOf(runtime::Packing packing, double count) {
  switch (packing) {
  case runtime::Packing::Raw:
  case runtime::Packing::Dense:
  case runtime::Packing::PanelsF32:
    break;
  case runtime::Packing::DenseBf16:
  case runtime::Packing::WeightBlocks:
  case runtime::Packing::PanelsBf16:
    return {0, count, 0};
  case runtime::Packing::PanelsI8:
    return {0, 0, count};
  }
  return {count, 0, 0};
}

/// The weights that `step` reads, each once however many parts it has.
std::vector<int64_t> weightsOf(const runtime::Step &step) {
  std::vector<int64_t> weights;
  for (const runtime::Argument &argument : step.args)
    if (argument.kind == runtime::Argument::Kind::Weight && argument.part == 0)
      weights.push_back(argument.index);
  return weights;
}

/// Caches whose keys `step` reads.
llvm::SmallSetVector<int64_t, 2> cachesOf(const runtime::Step &step) {
  llvm::SmallSetVector<int64_t, 2> caches;
  for (const runtime::Argument &argument : step.args)
    if (argument.kind == runtime::Argument::Kind::Keys)
      caches.insert(argument.index);
  return caches;
}

/// Rows that `source` gives to a weight of `cols` columns.
int64_t rowsOf(const runtime::WeightSource &source, int64_t cols,
               const ModelFile &file) {
  if (source.part)
    return source.part->rows;
  const ModelTensor *tensor = file.findTensor(source.name);
  int64_t elements = 1;
  for (int64_t dim : tensor->dims)
    elements *= dim;
  return elements / cols;
}

/// Names of tensors that are not for every token.
struct SpecialTensors {
  explicit SpecialTensors(const ImportedModel &model) {
    auto add = [&](llvm::StringSet<> &set, size_t layer, llvm::StringRef name) {
      set.insert(model.file->nameOf(
          ("blk." + std::to_string(layer) + "." + name + ".weight").str()));
    };
    size_t layers = model.config.layers.size();
    for (llvm::StringRef name :
         {"attn_q", "attn_output", "ffn_gate", "ffn_up", "ffn_down",
          "ffn_gate_inp", "ffn_gate_exps", "ffn_up_exps", "ffn_gate_up_exps",
          "ffn_down_exps", "inp_gate", "proj"})
      add(behindKeys, layers - 1, name);
    if (model.config.experts.count == 0)
      return;
    for (size_t layer = 0; layer != layers; ++layer)
      for (llvm::StringRef name : {"ffn_gate_exps", "ffn_up_exps",
                                   "ffn_gate_up_exps", "ffn_down_exps"})
        add(experts, layer, name);
  }

  /// Matrices of the last layer other than those of keys and values.
  llvm::StringSet<> behindKeys;
  llvm::StringSet<> experts;
};

} // namespace

int64_t flow::visibleKeys(int64_t first, int64_t count, int64_t window) {
  // Of the queries before `end`: a triangle, and whole windows.
  auto before = [&](int64_t end) {
    int64_t growing = window == 0 ? end : std::min(end, window);
    return growing * (growing + 1) / 2 + (end - growing) * window;
  };
  return before(first + count) - before(first);
}

std::optional<double> flow::secondsAtPeak(const Operations &operations,
                                          const MachineSpeed &speed) {
  double seconds = 0;
  for (auto [count, peak] :
       {std::pair<double, double>{operations.f32, speed.f32},
        {operations.bf16, speed.bf16},
        {operations.int8, speed.int8}}) {
    if (count == 0)
      continue;
    if (peak == 0)
      return std::nullopt;
    seconds += count / peak;
  }
  return seconds;
}

ModelWork::ModelWork(const runtime::Plan &plan, const ImportedModel &model)
    : experts(model.config.experts) {
  for (const GemmaLayer &layer : model.config.layers)
    layers.push_back({model.config.heads, layer.headDim,
                      layer.sliding ? model.config.window : 0,
                      /*cachedBytes=*/0});
  prefillCalls = countCalls(plan, "prefill", model);
  decodeCalls = countCalls(plan, "decode", model);
  batchCalls = countCalls(plan, "batch_decode", model);
}

std::vector<ModelWork::Call> ModelWork::countCalls(const runtime::Plan &plan,
                                                   const char *name,
                                                   const ImportedModel &model) {
  std::vector<Call> calls;
  const runtime::Schedule *schedule = plan.findSchedule(name);
  if (!schedule)
    return calls;
  SpecialTensors special(model);
  size_t nextLayer = 0;
  for (auto [index, step] : llvm::enumerate(schedule->steps)) {
    if (step.kind != runtime::StepKind::Call)
      continue;
    Call &call = calls.emplace_back();
    call.function = step.function;
    // Layers come in order, each with the cache that it reads.
    for (int64_t cache : cachesOf(step)) {
      if (nextLayer == layers.size())
        break;
      layers[nextLayer].cachedBytes = plan.caches[cache].positionBytes();
      call.layers.push_back(nextLayer++);
    }
    bool isHead = static_cast<int64_t>(index) >= schedule->headBegin;
    for (int64_t number : weightsOf(step)) {
      const runtime::PackedWeight &weight = plan.weights[number];
      double bytes = 0;
      for (auto [part, size] : llvm::enumerate(runtime::packedBytes(weight)))
        if (!weight.isLowBits(static_cast<int64_t>(part)))
          bytes += static_cast<double>(size);
      bool isExperts = special.experts.contains(weight.sources.front().name);
      (isHead      ? call.onceBytes
       : isExperts ? call.expertBytes
                   : call.stepBytes) += bytes;
      // A vector is a factor or a sum, no product of a matrix.
      if (weight.rows == 1)
        continue;
      for (const runtime::WeightSource &source : weight.sources) {
        double count =
            2.0 * static_cast<double>(weight.cols *
                                      rowsOf(source, weight.cols, *model.file));
        if (isExperts)
          count *= expertShare(1);
        bool once = isHead || special.behindKeys.contains(source.name);
        (once ? call.once : call.token) += operationsOf(weight.packing, count);
      }
    }
  }
  return calls;
}

/// The part of the experts that a step of so many tokens reads at most.
double ModelWork::expertShare(int64_t tokens) const {
  if (experts.count == 0)
    return 0;
  return std::min(1.0, static_cast<double>(experts.used) *
                           static_cast<double>(tokens) /
                           static_cast<double>(experts.count));
}

/// Bytes of keys and values that `call` finds behind `position` others.
double ModelWork::cachedBytes(const Call &call, int64_t position) const {
  double bytes = 0;
  for (size_t index : call.layers) {
    const Attention &layer = layers[index];
    int64_t seen =
        layer.window == 0 ? position : std::min(position, layer.window - 1);
    bytes += static_cast<double>(layer.cachedBytes * seen);
  }
  return bytes;
}

/// Adds `work` to that of `function`.
static void add(std::vector<FunctionWork> &functions,
                const std::string &function, const Work &work) {
  auto known = llvm::find_if(functions, [&](const FunctionWork &each) {
    return each.function == function;
  });
  if (known == functions.end())
    functions.push_back({function, work});
  else
    known->work += work;
}

std::vector<FunctionWork> ModelWork::prefill(int64_t position, int64_t count,
                                             int64_t chunk) const {
  std::vector<FunctionWork> functions;
  for (const Call &call : prefillCalls) {
    Work work;
    work.operations = static_cast<double>(count) * call.token;
    work.operations += call.once;
    for (size_t index : call.layers) {
      const Attention &layer = layers[index];
      bool isLast = index + 1 == layers.size();
      int64_t first = isLast ? position + count - 1 : position;
      int64_t keys = visibleKeys(first, isLast ? 1 : count, layer.window);
      work.operations.f32 += 4.0 *
                             static_cast<double>(layer.heads * layer.headDim) *
                             static_cast<double>(keys);
    }
    for (int64_t begin = 0; begin < count; begin += chunk)
      work.readBytes +=
          call.stepBytes +
          expertShare(std::min(chunk, count - begin)) * call.expertBytes +
          cachedBytes(call, position + begin);
    work.readBytes += call.onceBytes;
    add(functions, call.function, work);
  }
  return functions;
}

std::vector<FunctionWork> ModelWork::decode(int64_t position,
                                            int64_t sequences) const {
  std::vector<FunctionWork> functions;
  auto times = static_cast<double>(sequences);
  for (const Call &call : sequences == 1 ? decodeCalls : batchCalls) {
    Work work;
    work.operations = call.token;
    work.operations += call.once;
    for (size_t index : call.layers) {
      const Attention &layer = layers[index];
      work.operations.f32 +=
          4.0 * static_cast<double>(layer.heads * layer.headDim) *
          static_cast<double>(visibleKeys(position, 1, layer.window));
    }
    work.operations = times * work.operations;
    work.readBytes = call.stepBytes + call.onceBytes +
                     expertShare(sequences) * call.expertBytes +
                     times * cachedBytes(call, position);
    add(functions, call.function, work);
  }
  return functions;
}
