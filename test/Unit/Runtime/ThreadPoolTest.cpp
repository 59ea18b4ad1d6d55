// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pool runs every index once, in contiguous ranges, whatever its state.

#include "flow/Runtime/ThreadPool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include <sys/resource.h>

using namespace flow::runtime;

namespace {

struct Range {
  int64_t begin, end;
};

/// The ranges of one loop over [0, count), in order.
std::vector<Range> rangesOf(ThreadPool &pool, int64_t count) {
  std::mutex mutex;
  std::vector<Range> ranges;
  pool.parallelFor(count, [&](int64_t begin, int64_t end) {
    std::lock_guard<std::mutex> lock(mutex);
    ranges.push_back({begin, end});
  });
  std::sort(ranges.begin(), ranges.end(),
            [](Range a, Range b) { return a.begin < b.begin; });
  return ranges;
}

/// Checks that `ranges` follow each other from 0 to `count`, none empty.
void expectPartition(const std::vector<Range> &ranges, int64_t count) {
  int64_t next = 0;
  for (Range range : ranges) {
    EXPECT_EQ(range.begin, next);
    EXPECT_LT(range.begin, range.end);
    next = range.end;
  }
  EXPECT_EQ(next, count);
}

/// Holds the threads that arrive until all of them have: fewer would wait for
/// ever, so they give up after a while and say so.
class Meeting {
public:
  explicit Meeting(int expected) : expected(expected) {}

  bool arrive() {
    arrived.fetch_add(1);
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (arrived.load() < expected) {
      if (std::chrono::steady_clock::now() > deadline)
        return false;
      std::this_thread::yield();
    }
    return true;
  }

private:
  int expected;
  std::atomic<int> arrived{0};
};

} // namespace

TEST(ThreadPool, HasTheThreadsAskedForAndAtLeastOne) {
  EXPECT_EQ(ThreadPool(3).threads(), 3);
  EXPECT_EQ(ThreadPool(1).threads(), 1);
  EXPECT_EQ(ThreadPool(0).threads(), 1);
  EXPECT_EQ(ThreadPool(-5).threads(), 1);
}

TEST(ThreadPool, CallsNothingForAnEmptyLoop) {
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    EXPECT_TRUE(rangesOf(pool, 0).empty());
    EXPECT_TRUE(rangesOf(pool, -1).empty());
  }
}

TEST(ThreadPool, SplitsALoopInContiguousRanges) {
  for (int threads : {1, 2, 3, 4, 7})
    for (int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 100, 1001}) {
      SCOPED_TRACE(testing::Message() << threads << " threads, " << count);
      ThreadPool pool(threads);
      std::vector<Range> ranges = rangesOf(pool, count);
      expectPartition(ranges, count);
      // Some pieces for each thread, however long the loop is.
      EXPECT_LE(ranges.size(), static_cast<size_t>(16 * threads));
    }
}

TEST(ThreadPool, ThreadsBeginInRangesOfTheirOwn) {
  constexpr int kThreads = 4, kCount = 400;
  ThreadPool pool(kThreads);
  Meeting meeting(kThreads);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  std::set<int64_t> firsts;
  pool.parallelFor(kCount, [&](int64_t begin, int64_t) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      if (!threads.insert(std::this_thread::get_id()).second)
        return;
      firsts.insert(begin);
    }
    EXPECT_TRUE(meeting.arrive());
  });
  EXPECT_EQ(firsts, (std::set<int64_t>{0, 100, 200, 300}));
}

TEST(ThreadPool, TakesWhatASlowThreadHasLeft) {
  constexpr int64_t kCount = 160;
  ThreadPool pool(2);
  std::thread::id caller = std::this_thread::get_id();
  Meeting meeting(2);
  std::atomic<int64_t> left{kCount};
  bool isLeftToTheCaller = false;
  std::set<std::thread::id> begun;
  std::mutex mutex;
  pool.parallelFor(kCount, [&](int64_t begin, int64_t end) {
    std::thread::id self = std::this_thread::get_id();
    bool isFirst;
    {
      std::lock_guard<std::mutex> lock(mutex);
      isFirst = begun.insert(self).second;
    }
    if (isFirst) {
      EXPECT_TRUE(meeting.arrive());
    }
    left.fetch_sub(end - begin);
    if (self == caller || !isFirst)
      return;
    // The worker is stuck in its first piece until all the rest is done.
    auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (left.load() != 0 && std::chrono::steady_clock::now() < deadline)
      std::this_thread::yield();
    isLeftToTheCaller = left.load() == 0;
  });
  EXPECT_TRUE(isLeftToTheCaller);
}

TEST(ThreadPool, OneThreadIsAPlainCall) {
  ThreadPool pool(1);
  std::thread::id caller = std::this_thread::get_id(), runner;
  int calls = 0;
  pool.parallelFor(10, [&](int64_t begin, int64_t end) {
    ++calls;
    runner = std::this_thread::get_id();
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 10);
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(runner, caller);
}

TEST(ThreadPool, OneIndexStaysOnTheCaller) {
  ThreadPool pool(3);
  std::thread::id runner;
  pool.parallelFor(
      1, [&](int64_t, int64_t) { runner = std::this_thread::get_id(); });
  EXPECT_EQ(runner, std::this_thread::get_id());
}

TEST(ThreadPool, UsesAllThreadsAtOnce) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  Meeting meeting(kThreads);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  pool.parallelFor(kThreads, [&](int64_t, int64_t) {
    // Ranges that ran one after the other would never meet.
    EXPECT_TRUE(meeting.arrive());
    std::lock_guard<std::mutex> lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 4u);
  EXPECT_EQ(threads.count(std::this_thread::get_id()), 1u);
}

TEST(ThreadPool, ReturnsWhenAllRangesAreDone) {
  ThreadPool pool(2);
  std::thread::id caller = std::this_thread::get_id();
  Meeting meeting(2);
  std::atomic<int> done{0};
  pool.parallelFor(2, [&](int64_t, int64_t) {
    EXPECT_TRUE(meeting.arrive()); // one index for each thread
    if (std::this_thread::get_id() != caller)
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    done.fetch_add(1);
  });
  EXPECT_EQ(done.load(), 2);
}

TEST(ThreadPool, WhatALoopWroteIsSeenAfterIt) {
  ThreadPool pool(3);
  std::vector<int64_t> values(1000);
  for (int64_t round = 1; round != 200; ++round) {
    pool.parallelFor(1000, [&](int64_t begin, int64_t end) {
      // Reads what the loop before wrote, with another split.
      for (int64_t i = begin; i != end; ++i)
        values[i] += round;
    });
    pool.parallelFor(7, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin * 100; i != end * 100; ++i)
        values[i] -= round;
    });
  }
  for (int64_t i = 0; i != 1000; ++i)
    ASSERT_EQ(values[i], i < 700 ? 0 : 199 * 200 / 2) << i;
}

TEST(ThreadPool, RunsManyLoopsInARow) {
  ThreadPool pool(3);
  std::atomic<int64_t> total{0};
  for (int i = 0; i != 2000; ++i)
    pool.parallelFor(3, [&](int64_t begin, int64_t end) {
      total.fetch_add(end - begin, std::memory_order_relaxed);
    });
  EXPECT_EQ(total.load(), 6000);
}

TEST(ThreadPool, WakesThreadsThatWentToSleep) {
  ThreadPool pool(3);
  // Around the 50 us of spinning a worker may be anywhere between awake and
  // asleep; 2 ms later it sleeps.
  for (int pause : {2000, 40, 45, 50, 55, 60, 2000, 50})
    for (int round = 0; round != 20; ++round) {
      std::this_thread::sleep_for(std::chrono::microseconds(pause));
      expectPartition(rangesOf(pool, 30), 30);
    }
}

TEST(ThreadPool, ALoopInsideALoopRunsSerially) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> visits(12);
  pool.parallelFor(3, [&](int64_t outer, int64_t outerEnd) {
    for (; outer != outerEnd; ++outer) {
      std::thread::id self = std::this_thread::get_id();
      int calls = 0;
      pool.parallelFor(4, [&](int64_t begin, int64_t end) {
        ++calls;
        EXPECT_EQ(std::this_thread::get_id(), self);
        for (int64_t i = begin; i != end; ++i)
          visits[4 * outer + i].fetch_add(1);
      });
      EXPECT_EQ(calls, 1);
    }
  });
  for (std::atomic<int> &count : visits)
    EXPECT_EQ(count.load(), 1);
  // The pool is parallel again afterwards.
  EXPECT_EQ(rangesOf(pool, 3).size(), 3u);
}

TEST(ThreadPool, GeneratedCodeReachesItThroughTheContext) {
  ThreadPool pool(3);
  flow_runtime_context *context = pool.context();
  std::vector<int> visits(50);
  context->parallel_for(
      context, 50,
      [](void *closure, int64_t begin, int64_t end) {
        for (int64_t i = begin; i != end; ++i)
          ++static_cast<int *>(closure)[i];
      },
      visits.data());
  EXPECT_EQ(visits, std::vector<int>(50, 1));
}

TEST(ThreadPool, EndsWhileItsThreadsSpinOrSleep) {
  for (int round = 0; round != 50; ++round) {
    ThreadPool unused(3);
    ThreadPool hot(3);
    EXPECT_EQ(rangesOf(hot, 3).size(), 3u);
    ThreadPool asleep(2);
    if (round % 10 == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// A sanitizer ends the process when memory that it wants for itself is refused,
// so it cannot look at a thread that does not start.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define FLOW_TEST_IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define FLOW_TEST_IS_SANITIZED 1
#endif
#endif

#ifndef FLOW_TEST_IS_SANITIZED
TEST(ThreadPoolDeathTest, DoesWithTheThreadsThatTheSystemGives) {
  // In a process of its own, whose memory has room for some fifty stacks.
  auto run = [] {
    constexpr rlimit kLimit = {rlim_t(512) << 20, rlim_t(512) << 20};
    setrlimit(RLIMIT_AS, &kLimit);
    ThreadPool pool(10000);
    std::atomic<int64_t> done{0};
    pool.parallelFor(10000, [&](int64_t begin, int64_t end) {
      done.fetch_add(end - begin);
    });
    std::_Exit(pool.threads() < 10000 && done.load() == 10000 ? 0 : 1);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}
#endif
