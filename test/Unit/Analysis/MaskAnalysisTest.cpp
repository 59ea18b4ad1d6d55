// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is proven of masks, against looking at visible keys one by one.

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

  MaskAttr causal(int64_t window = 0, SpanRule spans = SpanRule::None) {
    return MaskAttr::get(&context, MaskPattern::Causal, window, spans);
  }
  MaskAttr full() { return MaskAttr::get(&context, MaskPattern::Full); }

  mlir::MLIRContext context;
};

/// How the rows of a tile see the keys of a block, by the definition: each by
/// the predicate.
BlockView viewByHand(MaskAttr mask, const QueryTile &tile, int64_t block,
                     int64_t size) {
  int64_t begin = block * size, end = std::min(begin + size, tile.total);
  bool seesSome = false, seesAll = true;
  for (int64_t query = tile.first; query <= tile.last; ++query)
    for (int64_t key = begin; key < end; ++key) {
      bool visible = mask.isVisible(query, key, tile.spans);
      seesSome |= visible;
      seesAll &= visible;
    }
  if (!seesSome)
    return BlockView::Skipped;
  return seesAll ? BlockView::Full : BlockView::Partial;
}

/// Compares all that is proven of `mask` and `tile` with the definition; false
/// and a description if they differ.
testing::AssertionResult isProvenRight(MaskAttr mask, const QueryTile &tile,
                                       int64_t size) {
  auto failure = [&](int64_t block) {
    return testing::AssertionFailure()
           << "block " << block << " of " << size << ", "
           << stringifyMaskPattern(mask.getPattern()).str() << ", window "
           << mask.getWindow() << ", spans "
           << stringifySpanRule(mask.getSpans()).str() << " ("
           << tile.spans.size() << "), rows " << tile.first << " to "
           << tile.last << ", total " << tile.total << ": ";
  };
  IndexRange visited =
      getVisitedBlocks(chooseKeyBlocks(mask, size), mask, tile);
  BlockCounts expected, counts = countBlocks(mask, tile, size);
  int64_t firstSeen = -1, lastSeen = -1;
  for (int64_t block = 0; block * size < tile.total; ++block) {
    BlockView byHand = viewByHand(mask, tile, block, size);
    ++(byHand == BlockView::Skipped ? expected.skipped
       : byHand == BlockView::Full  ? expected.full
                                    : expected.partial);
    if (classifyBlock(mask, tile, block, size) != byHand)
      return failure(block) << "seen as " << int(byHand);
    if (byHand == BlockView::Skipped)
      continue;
    if (block < visited.begin || block >= visited.end)
      return failure(block) << "visible, not visited";
    if (firstSeen < 0)
      firstSeen = block;
    lastSeen = block;
  }
  // Neither too little nor, where all rows hold tokens, too much.
  bool visitsMore = firstSeen != visited.begin || lastSeen + 1 != visited.end;
  if (tile.last < tile.total && visitsMore)
    return failure(visited.begin) << "visits unseen blocks";
  if (counts.skipped != expected.skipped || counts.full != expected.full ||
      counts.partial != expected.partial)
    return failure(-1) << "counted wrongly";
  return testing::AssertionSuccess();
}

/// Random ascending, disjoint spans, some of them adjacent.
std::vector<PositionSpan>
randomSpans(int64_t positions, llvm::function_ref<int64_t(int64_t)> upTo) {
  std::vector<PositionSpan> spans;
  int64_t longest = 1 + upTo(positions / 2);
  for (int64_t from = upTo(longest); from < positions;) {
    int64_t end = from + 1 + upTo(longest);
    spans.push_back({from, end});
    from = end + (upTo(3) == 0 ? 0 : upTo(longest));
  }
  return spans;
}

// T8, T9: for random steps of random masks, the chosen loop visits every block
// with a visible key and no other, and each block is called what it is.
TEST_F(MaskAnalysisTest, ChoosesForRandomSteps) {
  constexpr unsigned kSeed = 20240917;
  std::mt19937 random(kSeed);
  auto upTo = [&](int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n)(random);
  };
  for (int i = 0; i < 24000; ++i) {
    int64_t start = upTo(120), rows = 1 + upTo(24), total = start + rows;
    auto rule = SpanRule(upTo(2));
    int64_t window = upTo(2) == 0 ? 0 : 1 + upTo(total + 2);
    if (rule == SpanRule::Windowed && window == 0)
      window = 1 + upTo(total);
    MaskAttr mask = upTo(7) == 0 ? full() : causal(window, rule);
    std::vector<PositionSpan> spans;
    if (upTo(3) != 0)
      spans = randomSpans(total + upTo(8), upTo);
    // A tile of the step; in the last one some rows may be padding.
    int64_t first = start + upTo(rows - 1), last = first + upTo(12);
    if (upTo(3) != 0)
      last = std::min(last, total - 1);
    EXPECT_TRUE(isProvenRight(mask, {first, last, total, spans}, 1 + upTo(40)));
    ASSERT_FALSE(HasFailure()) << "seed " << kSeed << ", case " << i;
  }
}

// T8: what a mask is simplified to shows the same keys in every step.
TEST_F(MaskAnalysisTest, SimplifiesToTheSameKeys) {
  constexpr unsigned kSeed = 20240918;
  std::mt19937 random(kSeed);
  auto upTo = [&](int64_t n) {
    return std::uniform_int_distribution<int64_t>(0, n)(random);
  };
  int windowsDropped = 0, spansDropped = 0;
  for (int i = 0; i < 20000; ++i) {
    int64_t context = 1 + upTo(40);
    auto rule = SpanRule(upTo(2));
    int64_t window = upTo(context + 3);
    if (rule == SpanRule::Windowed && window == 0)
      window = 1;
    MaskAttr mask = upTo(7) == 0 ? full() : causal(window, rule);
    StepBounds bounds{upTo(3) == 0 ? 0 : context, upTo(1) == 0};
    MaskAttr simple = simplifyMask(mask, bounds);
    windowsDropped += mask.getWindow() != simple.getWindow();
    spansDropped += mask.hasSpans() && !simple.hasSpans();
    std::vector<PositionSpan> spans = randomSpans(context, upTo);
    int64_t query = upTo(context - 1);
    int64_t total = bounds.endsAtRow ? query + 1 : context;
    for (int64_t key = 0; key < total; ++key)
      ASSERT_EQ(mask.isVisible(query, key, spans),
                simple.isVisible(query, key, spans))
          << "seed " << kSeed << ", case " << i << ": query " << query
          << ", key " << key << ", window " << window << ", context "
          << bounds.context << ", rule " << stringifySpanRule(rule).str();
  }
  EXPECT_GT(windowsDropped, 1000);
  EXPECT_GT(spansDropped, 1000);
}

TEST_F(MaskAnalysisTest, CountsEveryEdgeOfSmallMasks) {
  for (int64_t window = 0; window <= 9; ++window)
    for (int64_t total = 1; total <= 12; ++total)
      for (int64_t query = 0; query < total; ++query)
        for (int64_t size : {1, 2, 3, 4, 16})
          EXPECT_TRUE(
              isProvenRight(causal(window), {query, query, total}, size));
}

TEST_F(MaskAnalysisTest, VisitsEveryEdgeOfSmallSpans) {
  for (int64_t begin = 0; begin < 9; ++begin)
    for (int64_t end = begin + 1; end <= 9; ++end)
      for (int64_t window : {0, 1, 2, 4})
        for (SpanRule rule : {SpanRule::Free, SpanRule::Windowed}) {
          if (rule == SpanRule::Windowed && window == 0)
            continue;
          PositionSpan span{begin, end};
          for (int64_t first = 0; first < 8; ++first)
            for (int64_t size : {1, 2, 3})
              EXPECT_TRUE(isProvenRight(causal(window, rule),
                                        {first, first + 1, 9, span}, size));
        }
}

TEST_F(MaskAnalysisTest, CountsQueriesThatSeeNothing) {
  // The window has moved past the last key: padding after the end.
  EXPECT_TRUE(isProvenRight(causal(4), {20, 20, 10}, 4));
  EXPECT_EQ(countBlocks(causal(4), {20, 20, 10}, 4).skipped, 3);
  EXPECT_EQ(countBlocks(causal(), {0, 0, 0}, 4).skipped, 0);
  EXPECT_EQ(countBlocks(full(), {0, 0, 0}, 4).skipped, 0);
  EXPECT_EQ(getVisitedBlocks(chooseKeyBlocks(full(), 4), full(), {0, 0, 0}).end,
            0);
}

TEST_F(MaskAnalysisTest, CountsWithoutOverflow) {
  constexpr int64_t kLargest = std::numeric_limits<int64_t>::max();
  BlockCounts counts = countBlocks(causal(kLargest), {99, 99, 100}, 32);
  EXPECT_EQ(counts.full, 4);
  EXPECT_EQ(counts.skipped + counts.partial, 0);
  counts = countBlocks(causal(512), {kLargest - 1, kLargest - 1, kLargest}, 32);
  EXPECT_EQ(counts.full + counts.partial, 17);
}

/// True if a window hides a key that the mask without it shows.
bool hidesSomething(MaskAttr mask, MaskAttr without, int64_t context) {
  for (int64_t query = 0; query < context; ++query)
    for (int64_t key = 0; key < context; ++key)
      if (mask.isVisible(query, key) != without.isVisible(query, key))
        return true;
  return false;
}

TEST_F(MaskAnalysisTest, WindowBindsWhereItHidesAKey) {
  for (int64_t window = 0; window <= 12; ++window)
    for (int64_t context = 1; context <= 10; ++context)
      EXPECT_EQ(canWindowBind(causal(window), context),
                hidesSomething(causal(window), causal(), context))
          << "window " << window << ", context " << context;
}

TEST_F(MaskAnalysisTest, DropsAnIdleWindowAlone) {
  EXPECT_EQ(simplifyMask(causal(8), {8}), causal());
  EXPECT_EQ(simplifyMask(causal(8), {7}), causal());
  EXPECT_EQ(simplifyMask(causal(8), {9}), causal(8));
  EXPECT_EQ(simplifyMask(causal(8), {}), causal(8));
  EXPECT_EQ(simplifyMask(causal(), {9}), causal());
  EXPECT_EQ(simplifyMask(full(), {9}), full());
  // Spans that the window limited are free of it.
  EXPECT_EQ(simplifyMask(causal(8, SpanRule::Windowed), {8}),
            causal(0, SpanRule::Free));
}

TEST_F(MaskAnalysisTest, DropsSpansThatShowNothing) {
  constexpr SpanRule kFree = SpanRule::Free, kWindowed = SpanRule::Windowed;
  EXPECT_EQ(simplifyMask(causal(8, kWindowed), {0, true}), causal(8));
  EXPECT_EQ(simplifyMask(causal(0, kFree), {0, true}), causal());
  EXPECT_EQ(simplifyMask(causal(8, kWindowed), {8, true}), causal());
  // Before the window a free span shows keys to a row at the end, too.
  EXPECT_EQ(simplifyMask(causal(8, kFree), {0, true}), causal(8, kFree));
  EXPECT_EQ(simplifyMask(causal(8, kFree), {9, true}), causal(8, kFree));
  // With rows behind, a span shows them.
  EXPECT_EQ(simplifyMask(causal(8, kWindowed), {9}), causal(8, kWindowed));
  EXPECT_EQ(simplifyMask(causal(0, kFree), {9}), causal(0, kFree));
  EXPECT_EQ(simplifyMask(causal(0, kFree), {1}), causal());
}

TEST_F(MaskAnalysisTest, ChoosesTheCheapestLegalBlocks) {
  auto blocks = [&](BlockStart first, BlockEnd last) {
    return KeyBlocksAttr::get(&context, first, last, 32);
  };
  EXPECT_EQ(chooseKeyBlocks(causal(), 32),
            blocks(BlockStart::Zero, BlockEnd::Row));
  EXPECT_EQ(chooseKeyBlocks(full(), 32),
            blocks(BlockStart::Zero, BlockEnd::Total));
  EXPECT_EQ(chooseKeyBlocks(causal(8), 32),
            blocks(BlockStart::Window, BlockEnd::Row));
  EXPECT_EQ(chooseKeyBlocks(causal(8, SpanRule::Windowed), 32),
            blocks(BlockStart::Window, BlockEnd::Span));
  EXPECT_EQ(chooseKeyBlocks(causal(8, SpanRule::Free), 32),
            blocks(BlockStart::Span, BlockEnd::Span));
  EXPECT_EQ(chooseKeyBlocks(causal(0, SpanRule::Free), 32),
            blocks(BlockStart::Zero, BlockEnd::Span));
}

} // namespace
