// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs a plan of launches: a model on a device, and a sequence through it.

#ifndef FLOW_RUNTIME_DEVICEMODEL_H
#define FLOW_RUNTIME_DEVICEMODEL_H

#include "flow/Runtime/Device.h"
#include "flow/Runtime/Engine.h"

namespace flow::runtime {

/// Bytes of a device's memory that a model and one sequence of it take.
struct DeviceMemoryPlan {
  size_t weights = 0, caches = 0, buffers = 0;
};

/// A model whose weights are on a device. Sequences of it run one at a time.
class DeviceModel {
public:
  /// Packs the weights of `plan`, in as many threads as `options` say, and
  /// places them on `device`, which must have its kernels and outlive the
  /// model. A plan with calls of functions is an error. Where the device has no
  /// memory, the error says for what, and what the plan takes.
  static Result<std::unique_ptr<DeviceModel>>
  create(Plan plan, Device &device, const TensorSource &source,
         const EngineOptions &options);
  /// The same with zeros for weights, for whoever measures launches and has no
  /// use for their results.
  static Result<std::unique_ptr<DeviceModel>>
  createWithoutWeights(Plan plan, Device &device, const EngineOptions &options);
  ~DeviceModel();

  /// What the model and a sequence take, all of it on the device.
  const DeviceMemoryPlan &memoryPlan() const;

private:
  friend class DeviceSequence;
  struct State;
  explicit DeviceModel(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

/// One run of tokens with its caches on the device. Its memory and what kernels
/// are told of it never change, so the launches of a token are recorded once.
class DeviceSequence {
public:
  /// An empty sequence of `model`, which must outlive it.
  static Result<std::unique_ptr<DeviceSequence>> create(DeviceModel &model);
  ~DeviceSequence();

  using LogitsSink = Sequence::LogitsSink;

  /// Appends `tokens`; afterwards `logits` or `candidates` holds those of the
  /// last one. With a sink, the plan must have logits of every row, and the
  /// sink gets them in order. Fails, with nothing appended, on an empty list, a
  /// token outside the vocabulary, or more tokens than there is room for. After
  /// an error of the device or of the sink the sequence must be cleared. Spans
  /// are those of `Sequence::prefill`.
  Status prefill(const std::vector<int32_t> &tokens,
                 const LogitsSink &sink = {},
                 const std::vector<TokenSpan> &spans = {});
  /// Appends one token.
  Status decode(int32_t token);
  /// Counts `count` tokens as appended that nobody computed: their keys and
  /// values are what lies in the caches. The context has room for them.
  void skip(int64_t count);
  /// Forgets every token. The memory stays.
  void clear();

  /// `[vocab]` logits of the last token; null as long as there is none, and
  /// where the plan gives candidates.
  const float *logits() const;
  /// The candidates after the last token, until the next call; nothing as long
  /// as there is none, and where the plan gives logits.
  Candidates candidates() const;
  /// Number of tokens appended.
  int64_t position() const;

private:
  struct State;
  explicit DeviceSequence(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_DEVICEMODEL_H
