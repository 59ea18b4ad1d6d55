// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pool: a generation counter starts a loop, ranges are taken in pieces, and
// a count of finished workers ends it.

#include "flow/Runtime/ThreadPool.h"

#include "flow/Support/Stopwatch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

using namespace flow;
using namespace flow::runtime;

/// Pieces of a thread's range, about. A thread whose core is slow, or taken
/// away for a while, leaves those that it has not begun to the others.
static constexpr int64_t kPieces = 8;

/// Tells the core that this is a spin loop.
static void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

struct ThreadPool::State : flow_runtime_context {
  std::vector<std::thread> workers;
  int threads = 1;

  // The loop at hand. Written before `generation` is raised and read after a
  // worker has seen it raised, which orders the accesses.
  int64_t count = 0;
  flow_loop_body body = nullptr;
  void *closure = nullptr;
  bool running = false;
  Profile *profile = nullptr;

  std::atomic<uint64_t> generation{0};
  std::atomic<int> pending{0};
  std::atomic<bool> stopping{false};

  // Sleepers wait here; `sleepers` lets a hot start skip the lock.
  std::atomic<int> sleepers{0};
  std::mutex mutex;
  std::condition_variable wake;

  /// Where the next piece of a thread's range begins; on a line of its own,
  /// since every thread writes it.
  struct alignas(64) Front {
    std::atomic<int64_t> next{0};
  };
  std::vector<Front> fronts;
  int64_t piece = 1;

  int64_t rangeBegin(int thread) const { return count * thread / threads; }

  /// Runs pieces of the range of `owner` until none is left.
  void drain(int owner) {
    int64_t end = rangeBegin(owner + 1);
    std::atomic<int64_t> &next = fronts[owner].next;
    // A look first: a range that is done is only read.
    while (next.load(std::memory_order_relaxed) < end) {
      int64_t begin = next.fetch_add(piece, std::memory_order_relaxed);
      if (begin < end)
        body(closure, begin, std::min(begin + piece, end));
    }
  }

  /// The thread's own range, and then what others have left of theirs.
  void runRanges(int thread) {
    for (int i = 0; i != threads; ++i)
      drain((thread + i) % threads);
  }

  /// Waits for a generation other than `seen`: first spinning, then asleep.
  void await(uint64_t seen) {
    auto deadline =
        std::chrono::steady_clock::now() + std::chrono::microseconds(50);
    while (true) {
      for (int i = 0; i != 64; ++i) {
        if (generation.load(std::memory_order_acquire) != seen)
          return;
        relax();
      }
      if (std::chrono::steady_clock::now() > deadline)
        break;
    }
    std::unique_lock<std::mutex> lock(mutex);
    sleepers.fetch_add(1);
    wake.wait(lock, [&] { return generation.load() != seen; });
    sleepers.fetch_sub(1);
  }

  /// Runs a loop of at least one index.
  void runLoop(int64_t loopCount, flow_loop_body loopBody, void *loopClosure) {
    if (running) {
      loopBody(loopClosure, 0, loopCount);
      return;
    }
    if (!profile) {
      runOnThreads(loopCount, loopBody, loopClosure);
      return;
    }
    // A loop of one index runs here, and loops inside it are part of it.
    Profile *mine = std::exchange(profile, nullptr);
    Stopwatch watch;
    runOnThreads(loopCount, loopBody, loopClosure);
    mine->addLoop(loopBody, watch.seconds());
    profile = mine;
  }

  void runOnThreads(int64_t loopCount, flow_loop_body loopBody,
                    void *loopClosure) {
    if (threads == 1 || loopCount == 1) {
      loopBody(loopClosure, 0, loopCount);
      return;
    }
    running = true;
    count = loopCount;
    body = loopBody;
    closure = loopClosure;
    piece = std::max<int64_t>(1, count / threads / kPieces);
    for (int thread = 0; thread != threads; ++thread)
      fronts[thread].next.store(rangeBegin(thread), std::memory_order_relaxed);
    pending.store(threads - 1, std::memory_order_relaxed);
    start();
    runRanges(0);
    while (pending.load(std::memory_order_acquire) != 0)
      relax();
    running = false;
  }

  void workerLoop(int thread) {
    uint64_t seen = 0;
    while (true) {
      await(seen);
      ++seen;
      if (stopping.load())
        return;
      runRanges(thread);
      pending.fetch_sub(1, std::memory_order_release);
    }
  }

  /// Raises the generation and wakes whoever sleeps. A worker that is about to
  /// sleep has announced itself under the lock before it looks again, so with
  /// sequentially consistent operations one of the two sees the other.
  void start() {
    generation.fetch_add(1);
    if (sleepers.load() != 0 || stopping.load()) {
      std::lock_guard<std::mutex> lock(mutex);
      wake.notify_all();
    }
  }
};

ThreadPool::ThreadPool(int threads) : state(std::make_unique<State>()) {
  state->threads = threads < 1 ? 1 : threads;
  state->fronts = std::vector<State::Front>(state->threads);
  state->parallel_for = [](flow_runtime_context *self, int64_t count,
                           flow_loop_body body, void *closure) {
    auto *pool = static_cast<State *>(self);
    if (count > 0)
      pool->runLoop(count, body, closure);
  };
  // The system may have fewer threads to give, and says so by throwing. Workers
  // read the number of threads after the first start only.
  try {
    for (int thread = 1; thread < state->threads; ++thread)
      state->workers.emplace_back(
          [pool = state.get(), thread] { pool->workerLoop(thread); });
  } catch (const std::system_error &) {
    state->threads = 1 + static_cast<int>(state->workers.size());
  }
}

ThreadPool::~ThreadPool() {
  state->stopping.store(true);
  state->start();
  for (std::thread &worker : state->workers)
    worker.join();
}

int ThreadPool::threads() const { return state->threads; }

void ThreadPool::parallelFor(int64_t count, flow_loop_body body,
                             void *closure) {
  state->parallel_for(state.get(), count, body, closure);
}

void ThreadPool::setProfile(Profile *profile) { state->profile = profile; }

flow_runtime_context *ThreadPool::context() { return state.get(); }
