// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a loaded model holds, for the classes that run it.

#ifndef FLOW_LIB_RUNTIME_MODELSTATE_H
#define FLOW_LIB_RUNTIME_MODELSTATE_H

#include "flow/Runtime/Engine.h"
#include "flow/Runtime/Memory.h"
#include "flow/Runtime/ThreadPool.h"

namespace flow::runtime {

/// Positions of a panel of keys, and columns of a panel of weights.
constexpr int64_t kPanel = 32;

inline int64_t roundUp(int64_t value, int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// A memref descriptor of any rank up to `kMaxRank`: sizes and strides follow
/// each other, so their place depends on the rank.
struct Descriptor {
  static constexpr int kMaxRank = 5;

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

/// A compiled function; see flow/Runtime/Abi.h.
using Entry = void (*)(void **);

struct Model::State {
  Plan plan;
  EngineOptions options;
  std::unique_ptr<ThreadPool> pool;
  LoadedWeights weights;
  /// Descriptors of the parts of each weight.
  std::vector<std::vector<Descriptor>> weightDescriptors;
  /// Entries by schedule and step; null where a step is no call.
  std::vector<std::vector<Entry>> entries;

  /// Who is told of the steps, or null.
  Profile *profile = nullptr;

  /// Rows of the largest step of one sequence.
  int64_t maxRows() const {
    return largestStep(plan, options.context, options.prefillChunk);
  }

  /// What is wrong with `tokens` after `position` others, if anything.
  Status check(const int32_t *tokens, int64_t count, int64_t position) const;
};

} // namespace flow::runtime

#endif // FLOW_LIB_RUNTIME_MODELSTATE_H
