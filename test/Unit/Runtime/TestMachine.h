// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model whose compiled functions are written here and record their calls.

#ifndef FLOW_TEST_RUNTIME_TESTMACHINE_H
#define FLOW_TEST_RUNTIME_TESTMACHINE_H

#include "TestTensors.h"
#include "flow/Runtime/Engine.h"

#include <gtest/gtest.h>

#include <array>

namespace flow::runtime {

/// A memref as generated code sees it.
template <size_t Rank> struct MemRef {
  float *allocated, *aligned;
  int64_t offset;
  std::array<int64_t, Rank> sizes, strides;
};

template <size_t Rank> MemRef<Rank> &memref(void *argument) {
  return *static_cast<MemRef<Rank> *>(argument);
}

/// One call of `layer` or `head`.
struct Call {
  std::string function;
  int64_t start = 0, count = 0, total = 0, rows = 0;
  /// Tokens of the rows, read back from the embeddings.
  std::vector<float> tokens;
  std::vector<float> angles;
  const float *x = nullptr, *keys = nullptr, *values = nullptr;
  std::array<int64_t, 4> keySizes = {};
  std::array<int64_t, 4> valueSizes = {};
};

/// The calls since the machine was made; compiled functions know nobody else.
inline std::vector<Call> calls;

constexpr int64_t kVocab = 50, kHidden = 4;

/// Tokens of the rows of `x`: an embedding is {3 t, 3 t + 1, ...} / 2.
inline std::vector<float> tokensOf(const MemRef<2> &x) {
  std::vector<float> tokens;
  for (int64_t row = 0; row != x.sizes[0]; ++row)
    tokens.push_back(x.aligned[row * x.strides[0]] * 2 / 3);
  return tokens;
}

/// layer(x, angles, y, keys, values, start, count, total, rows): y = x.
inline void layerFunction(void **args) {
  Call call;
  call.function = "layer";
  MemRef<2> &x = memref<2>(args[1]), &y = memref<2>(args[3]);
  MemRef<3> &angles = memref<3>(args[2]);
  MemRef<4> &keys = memref<4>(args[4]);
  MemRef<4> &values = memref<4>(args[5]);
  call.start = *static_cast<int64_t *>(args[6]);
  call.count = *static_cast<int64_t *>(args[7]);
  call.total = *static_cast<int64_t *>(args[8]);
  call.rows = *static_cast<int64_t *>(args[9]);
  call.tokens = tokensOf(x);
  call.angles.assign(angles.aligned,
                     angles.aligned + angles.sizes[0] * angles.strides[0]);
  call.x = x.aligned;
  call.keys = keys.aligned;
  call.values = values.aligned;
  call.keySizes = keys.sizes;
  call.valueSizes = values.sizes;
  // Values remember the token of their position, plus one.
  for (int64_t t = 0; t != call.count; ++t)
    values.aligned[(call.start + t) % values.sizes[2] * values.strides[2]] =
        call.tokens[t] + 1;
  auto *context = static_cast<flow_runtime_context *>(args[0]);
  struct Copy {
    MemRef<2> &from, &to;
  } copy{x, y};
  context->parallel_for(
      context, x.sizes[0],
      [](void *closure, int64_t begin, int64_t end) {
        auto &[from, to] = *static_cast<Copy *>(closure);
        for (int64_t row = begin; row != end; ++row)
          for (int64_t i = 0; i != kHidden; ++i)
            to.aligned[row * to.strides[0] + i] =
                from.aligned[row * from.strides[0] + i];
      },
      &copy);
  calls.push_back(std::move(call));
}

/// head(y, logits, count, rows): the logits of token v after token t are
/// 100 t + v, for the last row only or for every row, as the logits have it.
inline void headFunction(void **args) {
  Call call;
  call.function = "head";
  MemRef<2> &y = memref<2>(args[1]), &logits = memref<2>(args[2]);
  call.count = *static_cast<int64_t *>(args[3]);
  call.rows = *static_cast<int64_t *>(args[4]);
  call.tokens = tokensOf(y);
  call.x = y.aligned;
  int64_t first = logits.sizes[0] == 1 ? call.count - 1 : 0;
  for (int64_t row = 0; row != logits.sizes[0]; ++row)
    for (int64_t v = 0; v != kVocab; ++v)
      logits.aligned[row * logits.strides[0] + v] =
          100 * call.tokens[first + row] + static_cast<float>(v);
  calls.push_back(std::move(call));
}

/// A cache with a window of 9 as a `ring`, of all positions otherwise.
inline Plan machinePlan(bool logitsAll = false, bool ring = true) {
  Plan plan;
  plan.hidden = kHidden;
  plan.vocab = kVocab;
  plan.context = 200;
  plan.rowTile = 4;
  PackedWeight table;
  table.name = "table";
  table.sources = {"token_embd.weight"};
  table.packing = Packing::Raw;
  table.rows = kVocab;
  table.cols = kHidden;
  plan.weights = {table};
  plan.caches = {{"cache", 2, 64, ring ? 9 : 0}};
  plan.buffers = {{"x", {-1, kHidden}},
                  {"angles", {-1, 3, 2}},
                  {"y", {-1, kHidden}},
                  {"logits", {logitsAll ? -1 : 1, kVocab}},
                  {"last", {1, kVocab}}};
  Step embed;
  embed.kind = StepKind::Embed;
  embed.scale = 0.5;
  Step angles;
  angles.kind = StepKind::RopeAngles;
  angles.theta = 10000;
  angles.factor = 8;
  angles.headDim = 6;
  angles.pairs = 2;
  angles.buffer = 1;
  Step layer;
  layer.function = "layer";
  layer.args = {Argument::buffer(0),
                Argument::buffer(1),
                Argument::buffer(2),
                Argument::keys(0),
                Argument::values(0),
                Argument::ofScalar(Scalar::Start),
                Argument::ofScalar(Scalar::Count),
                Argument::ofScalar(Scalar::Total),
                Argument::ofScalar(Scalar::Rows)};
  Step head;
  head.function = "head";
  head.args = {Argument::buffer(2), Argument::buffer(3),
               Argument::ofScalar(Scalar::Count),
               Argument::ofScalar(Scalar::Rows)};
  Schedule prefill;
  prefill.name = "prefill";
  prefill.steps = {embed, angles, layer, head};
  prefill.headBegin = 3;
  prefill.logits = 3;
  prefill.logitsAll = logitsAll;
  Schedule decode = prefill;
  decode.name = "decode";
  decode.rows = 1;
  decode.logitsAll = false;
  decode.logits = 4;
  decode.steps[3].args[1] = Argument::buffer(4);
  plan.schedules = {prefill, decode};
  return plan;
}

/// Calls the layer `Function` with rows of f32 of its own in the place of
/// argument 3, and keeps one byte of each, its token.
template <void Function(void **)> void layerOfBytes(void **args) {
  MemRef<2> bytes = memref<2>(args[3]);
  std::vector<float> rows(bytes.sizes[0] * kHidden);
  MemRef<2> y{
      rows.data(), rows.data(), 0, {bytes.sizes[0], kHidden}, {kHidden, 1}};
  std::vector<void *> own(args, args + 10);
  own[3] = &y;
  Function(own.data());
  auto *out = reinterpret_cast<int8_t *>(bytes.aligned);
  for (float token : tokensOf(y)) {
    *out = static_cast<int8_t>(token);
    out += bytes.strides[0];
  }
}

/// `headFunction` of rows that are one byte, their token.
inline void headOfBytes(void **args) {
  MemRef<2> bytes = memref<2>(args[1]);
  std::vector<float> rows(bytes.sizes[0] * kHidden);
  auto *in = reinterpret_cast<const int8_t *>(bytes.aligned);
  for (int64_t row = 0; row != bytes.sizes[0]; ++row)
    rows[row * kHidden] = in[row * bytes.strides[0]] * 1.5f;
  MemRef<2> y{
      rows.data(), rows.data(), 0, {bytes.sizes[0], kHidden}, {kHidden, 1}};
  void *own[] = {args[0], &y, args[2], args[3], args[4]};
  headFunction(own);
}

/// The tensors of the machine and its functions.
class TestMachine : public testing::Test {
protected:
  TestMachine() {
    calls.clear();
    std::vector<float> table;
    for (int64_t t = 0; t != kVocab; ++t)
      for (int64_t i = 0; i != kHidden; ++i)
        table.push_back(static_cast<float>(3 * t + i));
    tensors.add("token_embd.weight", kVocab, kHidden, table);
  }

  Result<std::unique_ptr<Model>> tryCreate(Plan plan,
                                           const EngineOptions &options) {
    return Model::create(std::move(plan), lookup, tensors.source(), options);
  }

  /// The model, which must come to be.
  std::unique_ptr<Model> create(Plan plan, const EngineOptions &options) {
    Result<std::unique_ptr<Model>> model = tryCreate(std::move(plan), options);
    if (!model) {
      ADD_FAILURE() << model.error();
      return nullptr;
    }
    return std::move(*model);
  }

  static std::unique_ptr<Sequence> sequenceOf(Model &model) {
    Result<std::unique_ptr<Sequence>> sequence = Sequence::create(model);
    if (!sequence) {
      ADD_FAILURE() << sequence.error();
      return nullptr;
    }
    return std::move(*sequence);
  }

  /// `count` tokens that all differ from their neighbours and from token 0.
  static std::vector<int32_t> someTokens(int64_t count) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i != count; ++i)
      tokens.push_back(static_cast<int32_t>(1 + i * 7 % (kVocab - 1)));
    return tokens;
  }

  static std::vector<Call> callsOf(const std::string &function) {
    std::vector<Call> result;
    for (const Call &call : calls)
      if (call.function == function)
        result.push_back(call);
    return result;
  }

  TestTensors tensors;
  SymbolLookup lookup = [](const std::string &name) -> void * {
    if (name == "layer")
      return reinterpret_cast<void *>(&layerFunction);
    if (name == "head")
      return reinterpret_cast<void *>(&headFunction);
    return nullptr;
  };
};

} // namespace flow::runtime

#endif // FLOW_TEST_RUNTIME_TESTMACHINE_H
