// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How long something took.

#ifndef FLOW_SUPPORT_STOPWATCH_H
#define FLOW_SUPPORT_STOPWATCH_H

#include <chrono>

namespace flow {

/// Seconds since it was made.
class Stopwatch {
public:
  double seconds() const {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }

private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point begin = Clock::now();
};

} // namespace flow

#endif // FLOW_SUPPORT_STOPWATCH_H
