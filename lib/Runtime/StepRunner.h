// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches, buffers and the rows of the step at hand: what runs the steps of a
// schedule.

#ifndef FLOW_LIB_RUNTIME_STEPRUNNER_H
#define FLOW_LIB_RUNTIME_STEPRUNNER_H

#include "ModelState.h"

#include <array>
#include <optional>

namespace flow::runtime {

/// Runs steps of a model. Who makes one says which rows a step has; nothing is
/// checked here.
class StepRunner {
public:
  /// `model` must outlive the runner.
  explicit StepRunner(Model::State &model) : model(model) {}

  /// Makes caches, with a leading dimension of `slots` if they are given, and
  /// buffers for steps of at most `rows` rows.
  Status allocate(std::optional<int64_t> slots, int64_t rows);

  /// The schedule `name`, or null.
  const Schedule *schedule(const char *name) const {
    return model.plan.findSchedule(name);
  }
  /// The front of a buffer, whatever its elements are.
  char *bytes(int64_t index) {
    return reinterpret_cast<char *>(buffers[index].data());
  }
  /// That of one of f32.
  float *buffer(int64_t index) {
    return reinterpret_cast<float *>(buffers[index].data());
  }
  /// Bytes of the caches, touched or not.
  size_t cacheBytes() const;

  /// Describes the buffers of a step of `rows` rows, from row `first` on.
  void describeBuffers(int64_t rows, int64_t first);
  /// Describes the buffers of `block` rows from row `first` on, whose logits go
  /// to the front of their buffer, and runs the steps that serve logits.
  void runHead(const Schedule &schedule, int64_t first, int64_t block);
  /// Runs the steps `[begin, end)` of `schedule`.
  void run(const Schedule &schedule, int64_t begin, int64_t end);

  /// Of the step at hand: a token and an absolute position for each row, and
  /// the scalars that a plan can name.
  std::vector<int32_t> tokens;
  std::vector<int64_t> positions;
  int64_t start = 0, count = 0, total = 0, rows = 0;
  /// (slot, first row, rows, position of the first) of each sequence.
  std::vector<std::array<int32_t, 4>> sequences;
  std::vector<TokenSpan> spans;

private:
  void runStep(const Step &step, Entry entry);
  void embed(const Step &step);
  void call(const Step &step, Entry entry);

  Model::State &model;
  std::vector<PageBlock> keys, values, buffers;
  std::vector<Descriptor> keyDescriptors, valueDescriptors, bufferDescriptors;
  std::vector<void *> arguments;
};

} // namespace flow::runtime

#endif // FLOW_LIB_RUNTIME_STEPRUNNER_H
