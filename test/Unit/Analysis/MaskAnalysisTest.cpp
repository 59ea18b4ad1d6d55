// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is proven of masks, against counting visible keys one by one.

#include "flow/Analysis/MaskAnalysis.h"

#include "flow/IR/FlowDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

#include <limits>
#include <random>

using namespace flow;

namespace {

class MaskAnalysisTest : public testing::Test {
protected:
  MaskAnalysisTest() { context.loadDialect<FlowDialect>(); }

  MaskAttr causal(int64_t window = 0) {
    return MaskAttr::get(&context, MaskPattern::Causal, window);
  }
  MaskAttr full() { return MaskAttr::get(&context, MaskPattern::Full, 0); }

  mlir::MLIRContext context;
};

/// The definition: a block by its keys, a key by the predicate.
BlockCounts countByHand(MaskAttr mask, int64_t query, int64_t total,
                        int64_t size) {
  BlockCounts counts;
  for (int64_t begin = 0; begin < total; begin += size) {
    int64_t end = std::min(begin + size, total), visible = 0;
    for (int64_t key = begin; key < end; ++key)
      visible += mask.isVisible(query, key);
    if (visible == 0)
      ++counts.skipped;
    else if (visible == end - begin)
      ++counts.full;
    else
      ++counts.partial;
  }
  return counts;
}

void expectSame(MaskAttr mask, int64_t query, int64_t total, int64_t size) {
  BlockCounts expected = countByHand(mask, query, total, size);
  BlockCounts found = countBlocks(mask, query, total, size);
  EXPECT_TRUE(found.skipped == expected.skipped &&
              found.full == expected.full && found.partial == expected.partial)
      << "window " << mask.getWindow() << ", query " << query << ", total "
      << total << ", size " << size << ": expected " << expected.skipped << "/"
      << expected.full << "/" << expected.partial << ", found " << found.skipped
      << "/" << found.full << "/" << found.partial;
}

/// True if a window hides a key that the mask without it shows.
bool hidesSomething(MaskAttr mask, MaskAttr without, int64_t context) {
  for (int64_t query = 0; query < context; ++query)
    for (int64_t key = 0; key < context; ++key)
      if (mask.isVisible(query, key) != without.isVisible(query, key))
        return true;
  return false;
}

TEST_F(MaskAnalysisTest, CountsEveryEdgeOfSmallMasks) {
  for (int64_t window = 0; window <= 9; ++window)
    for (int64_t total = 1; total <= 12; ++total)
      for (int64_t query = 0; query < total; ++query)
        for (int64_t size : {1, 2, 3, 4, 16})
          expectSame(causal(window), query, total, size);
}

TEST_F(MaskAnalysisTest, CountsRandomMasks) {
  constexpr unsigned kSeed = 20240917;
  std::mt19937 random(kSeed);
  auto upTo = [&](int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n)(random);
  };
  for (int i = 0; i < 20000; ++i) {
    int64_t total = 1 + upTo(300);
    MaskAttr mask = upTo(7) == 0 ? full() : causal(upTo(total + 2));
    expectSame(mask, upTo(total - 1), total, 1 + upTo(40));
    ASSERT_FALSE(HasFailure()) << "seed " << kSeed << ", case " << i;
  }
}

TEST_F(MaskAnalysisTest, CountsQueriesThatSeeNothing) {
  // The window has moved past the last key: padding after the end.
  expectSame(causal(4), 20, 10, 4);
  EXPECT_EQ(countBlocks(causal(4), 20, 10, 4).skipped, 3);
  EXPECT_EQ(countBlocks(causal(), 0, 0, 4).skipped, 0);
}

TEST_F(MaskAnalysisTest, CountsWithoutOverflow) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  BlockCounts counts = countBlocks(causal(kLargest), 99, 100, 32);
  EXPECT_EQ(counts.full, 4);
  EXPECT_EQ(counts.skipped + counts.partial, 0);
  counts = countBlocks(causal(512), kLargest - 1, kLargest, 32);
  EXPECT_EQ(counts.full + counts.partial, 17);
}

TEST_F(MaskAnalysisTest, WindowBindsWhereItHidesAKey) {
  for (int64_t window = 0; window <= 12; ++window)
    for (int64_t context = 1; context <= 10; ++context)
      EXPECT_EQ(canWindowBind(causal(window), context),
                hidesSomething(causal(window), causal(), context))
          << "window " << window << ", context " << context;
}

TEST_F(MaskAnalysisTest, DropsAnIdleWindowAlone) {
  EXPECT_EQ(dropIdleWindow(causal(8), 8), causal());
  EXPECT_EQ(dropIdleWindow(causal(8), 7), causal());
  EXPECT_EQ(dropIdleWindow(causal(8), 9), causal(8));
  EXPECT_EQ(dropIdleWindow(causal(), 9), causal());
  EXPECT_EQ(dropIdleWindow(full(), 9), full());
}

TEST_F(MaskAnalysisTest, FirstBlockSkipsNoVisibleKey) {
  EXPECT_EQ(getBlockStart(causal()), BlockStart::Zero);
  EXPECT_EQ(getBlockStart(full()), BlockStart::Zero);
  EXPECT_EQ(getBlockStart(causal(8)), BlockStart::Window);
  // The first block by the formula of #flow.key_blocks is the first that
  // countBlocks does not skip.
  for (int64_t window = 1; window <= 9; ++window)
    for (int64_t query = 0; query < 40; ++query)
      for (int64_t size : {1, 3, 8}) {
        int64_t first = std::max<int64_t>(0, query - window + 1) / size;
        EXPECT_EQ(countBlocks(causal(window), query, query + 1, size).skipped,
                  first);
      }
}

} // namespace
