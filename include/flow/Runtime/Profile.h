// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the time of a model's steps goes.

#ifndef FLOW_RUNTIME_PROFILE_H
#define FLOW_RUNTIME_PROFILE_H

#include "flow/Runtime/Abi.h"

#include <cstdint>
#include <string>
#include <vector>

namespace flow::runtime {

/// Times of functions of a plan, and of the parallel loops in them, added up
/// over all that ran while the profile was the model's.
class Profile {
public:
  /// Parallel loops with the same body.
  struct Loop {
    /// The compiled function that runs a range of the loop.
    flow_loop_body body = nullptr;
    int64_t runs = 0;
    /// From the start of the loop to the end of its last thread.
    double seconds = 0;
  };
  struct Function {
    /// Of a call; `embed` and `rope_angles` for what the runtime does itself.
    std::string name;
    int64_t runs = 0;
    /// With all loops.
    double seconds = 0;
    /// In the order in which they first ran.
    std::vector<Loop> loops;
  };

  /// In the order in which they first ran.
  const std::vector<Function> &functions() const { return list; }

  /// For the runtime: what follows up to `endFunction` is part of `name`.
  void beginFunction(const std::string &name);
  void addLoop(flow_loop_body body, double seconds);
  void endFunction(double seconds);

private:
  std::vector<Function> list;
  /// The function that runs now.
  size_t current = 0;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_PROFILE_H
