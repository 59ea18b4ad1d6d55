// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A small pool of threads that runs parallel loops of generated code.

#ifndef FLOW_RUNTIME_THREADPOOL_H
#define FLOW_RUNTIME_THREADPOOL_H

#include "flow/Runtime/Abi.h"
#include "flow/Runtime/Profile.h"

#include <cstdint>
#include <memory>
#include <type_traits>

namespace flow::runtime {

/// `threads` threads in all, the caller's among them. Workers spin for some
/// 50 us after a loop, since the next one usually follows, and then sleep.
/// One thread at a time may start loops; a loop inside a loop runs serially.
class ThreadPool {
public:
  /// `threads` is at least 1; smaller numbers count as 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const;

  /// Runs `body(closure, begin, end)` over [0, count) in contiguous pieces and
  /// returns when all are done. Each index runs once. A thread goes through a
  /// range of its own from front to back, and then takes pieces that others
  /// have not begun.
  void parallelFor(int64_t count, flow_loop_body body, void *closure);

  /// The same for a callable of (begin, end).
  template <typename Callable>
  void parallelFor(int64_t count, Callable &&callable) {
    using Target = std::remove_reference_t<Callable>;
    parallelFor(
        count,
        [](void *closure, int64_t begin, int64_t end) {
          (*static_cast<Target *>(closure))(begin, end);
        },
        const_cast<void *>(static_cast<const void *>(&callable)));
  }

  /// From now on each loop that is not inside another is timed and told to
  /// `profile`, which must live as long as it is the pool's; null = none is.
  void setProfile(Profile *profile);

  /// What generated code gets as its first argument.
  flow_runtime_context *context();

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_THREADPOOL_H
