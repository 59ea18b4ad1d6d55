// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The predicate of #flow.mask against tables written by hand.

#include "flow/IR/FlowAttributes.h"
#include "flow/IR/FlowDialect.h"
#include "mlir/IR/MLIRContext.h"
#include "gtest/gtest.h"

#include <limits>
#include <string>

using namespace flow;

namespace {

class MaskAttrTest : public testing::Test {
protected:
  MaskAttrTest() { context.loadDialect<FlowDialect>(); }

  MaskAttr causal(int64_t window = 0, SpanRule spans = SpanRule::None) {
    return MaskAttr::get(&context, MaskPattern::Causal, window, spans);
  }
  MaskAttr full() { return MaskAttr::get(&context, MaskPattern::Full); }

  /// One character for each of the keys 0 to `keys - 1`: x visible, . hidden.
  std::string row(MaskAttr mask, int64_t query, int64_t keys,
                  llvm::ArrayRef<PositionSpan> spans = {}) {
    std::string result;
    for (int64_t key = 0; key < keys; ++key)
      result += mask.isVisible(query, key, spans) ? 'x' : '.';
    return result;
  }

  mlir::MLIRContext context;
};

TEST_F(MaskAttrTest, CausalShowsThePastAndItself) {
  EXPECT_EQ(row(causal(), 0, 6), "x.....");
  EXPECT_EQ(row(causal(), 1, 6), "xx....");
  EXPECT_EQ(row(causal(), 4, 6), "xxxxx.");
  EXPECT_EQ(row(causal(), 5, 6), "xxxxxx");
  EXPECT_EQ(row(causal(), 9, 6), "xxxxxx");
}

TEST_F(MaskAttrTest, WindowOfThreeShowsThreeKeys) {
  EXPECT_EQ(row(causal(3), 0, 8), "x.......");
  EXPECT_EQ(row(causal(3), 1, 8), "xx......");
  EXPECT_EQ(row(causal(3), 2, 8), "xxx.....");
  EXPECT_EQ(row(causal(3), 3, 8), ".xxx....");
  EXPECT_EQ(row(causal(3), 4, 8), "..xxx...");
  EXPECT_EQ(row(causal(3), 7, 8), ".....xxx");
  EXPECT_EQ(row(causal(3), 9, 8), ".......x");
  EXPECT_EQ(row(causal(3), 10, 8), "........");
}

TEST_F(MaskAttrTest, WindowOfOneShowsTheQueryAlone) {
  EXPECT_EQ(row(causal(1), 0, 4), "x...");
  EXPECT_EQ(row(causal(1), 2, 4), "..x.");
  EXPECT_EQ(row(causal(1), 3, 4), "...x");
}

TEST_F(MaskAttrTest, WindowOfGemmaEndsBetween511And512) {
  MaskAttr mask = causal(512);
  EXPECT_TRUE(mask.isVisible(511, 0));
  EXPECT_FALSE(mask.isVisible(512, 0));
  EXPECT_TRUE(mask.isVisible(512, 1));
  EXPECT_TRUE(mask.isVisible(1000, 489));
  EXPECT_FALSE(mask.isVisible(1000, 488));
  EXPECT_TRUE(mask.isVisible(1000, 1000));
  EXPECT_FALSE(mask.isVisible(1000, 1001));
}

// T6: a query at position q sees min(q + 1, W) keys, wherever the step began.
TEST_F(MaskAttrTest, WindowShowsExactlyItsWidth) {
  for (int64_t window : {1, 2, 16, 31, 32, 33, 512})
    for (int64_t query :
         {int64_t(0), window - 2, window - 1, window, window + 1, int64_t(99),
          int64_t(100), int64_t(511), int64_t(512), int64_t(700)}) {
      if (query < 0)
        continue;
      int64_t visible = 0;
      for (int64_t key = 0; key < 1000; ++key)
        visible += causal(window).isVisible(query, key);
      EXPECT_EQ(visible, std::min(query + 1, window))
          << "window " << window << ", query " << query;
    }
}

TEST_F(MaskAttrTest, WindowLongerThanThePastIsCausal) {
  for (int64_t query = 0; query < 16; ++query)
    EXPECT_EQ(row(causal(16), query, 20), row(causal(), query, 20))
        << "query " << query;
  EXPECT_NE(row(causal(16), 16, 20), row(causal(), 16, 20));
}

TEST_F(MaskAttrTest, FullShowsEveryPosition) {
  EXPECT_EQ(row(full(), 0, 5), "xxxxx");
  EXPECT_EQ(row(full(), 2, 5), "xxxxx");
}

// T9: the rows of a span of four positions, before it and behind it.
TEST_F(MaskAttrTest, RowsOfASpanSeeEachOther) {
  PositionSpan span{2, 6};
  MaskAttr mask = causal(0, SpanRule::Free);
  EXPECT_EQ(row(mask, 1, 8, span), "xx......");
  EXPECT_EQ(row(mask, 2, 8, span), "xxxxxx..");
  EXPECT_EQ(row(mask, 4, 8, span), "xxxxxx..");
  EXPECT_EQ(row(mask, 5, 8, span), "xxxxxx..");
  EXPECT_EQ(row(mask, 6, 8, span), "xxxxxxx.");
}

TEST_F(MaskAttrTest, FreeSpansReachBeforeTheWindow) {
  PositionSpan span{2, 6};
  MaskAttr mask = causal(2, SpanRule::Free);
  EXPECT_EQ(row(mask, 1, 8, span), "xx......");
  EXPECT_EQ(row(mask, 2, 8, span), ".xxxxx..");
  EXPECT_EQ(row(mask, 3, 8, span), "..xxxx..");
  EXPECT_EQ(row(mask, 5, 8, span), "..xxxx..");
  EXPECT_EQ(row(mask, 6, 8, span), ".....xx.");
}

TEST_F(MaskAttrTest, WindowedSpansEndAtTheWindow) {
  PositionSpan span{2, 6};
  MaskAttr mask = causal(2, SpanRule::Windowed);
  EXPECT_EQ(row(mask, 1, 8, span), "xx......");
  EXPECT_EQ(row(mask, 2, 8, span), ".xxxxx..");
  EXPECT_EQ(row(mask, 3, 8, span), "..xxxx..");
  EXPECT_EQ(row(mask, 5, 8, span), "....xx..");
  EXPECT_EQ(row(mask, 6, 8, span), ".....xx.");
  // Behind a row the window hides nothing.
  EXPECT_EQ(row(causal(1, SpanRule::Windowed), 3, 8, span), "...xxx..");
}

TEST_F(MaskAttrTest, SpansSideBySideStayApart) {
  PositionSpan spans[] = {{1, 3}, {3, 5}};
  MaskAttr mask = causal(1, SpanRule::Free);
  EXPECT_EQ(row(mask, 2, 6, spans), ".xx...");
  EXPECT_EQ(row(mask, 3, 6, spans), "...xx.");
  EXPECT_EQ(row(mask, 5, 6, spans), ".....x");
}

TEST_F(MaskAttrTest, WithoutSpansNoneAreLookedAt) {
  PositionSpan span{0, 8};
  EXPECT_EQ(row(causal(2), 3, 6, span), "..xx..");
  EXPECT_EQ(row(causal(2, SpanRule::Free), 3, 6), "..xx..");
}

TEST_F(MaskAttrTest, NoPositionLiesBeforeTheFirst) {
  for (MaskAttr mask : {causal(), causal(4), full()}) {
    EXPECT_FALSE(mask.isVisible(2, -1));
    EXPECT_FALSE(mask.isVisible(0, std::numeric_limits<int64_t>::min()));
  }
}

TEST_F(MaskAttrTest, LargePositionsDoNotOverflow) {
  constexpr int64_t kLast = std::numeric_limits<int64_t>::max();
  EXPECT_TRUE(causal().isVisible(kLast, 0));
  EXPECT_TRUE(causal(1).isVisible(kLast, kLast));
  EXPECT_FALSE(causal(1).isVisible(kLast, kLast - 1));
  EXPECT_TRUE(causal(kLast).isVisible(kLast, 1));
  EXPECT_FALSE(causal(kLast).isVisible(kLast, 0));
}

} // namespace
