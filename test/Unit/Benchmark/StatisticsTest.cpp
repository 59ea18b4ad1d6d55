// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mean and spread of a few samples.

#include "flow/Benchmark/Statistics.h"

#include <gtest/gtest.h>

#include <cmath>

using namespace flow;

TEST(StatisticsTest, Mean) {
  EXPECT_EQ(mean({}), 0);
  EXPECT_EQ(mean({7}), 7);
  EXPECT_EQ(mean({1, 2, 6}), 3);
}

TEST(StatisticsTest, DividesByOneLess) {
  EXPECT_EQ(standardDeviation({}), 0);
  EXPECT_EQ(standardDeviation({7}), 0);
  // Squares of -2, -1 and 3 are 14 together.
  EXPECT_DOUBLE_EQ(standardDeviation({1, 2, 6}), std::sqrt(7.0));
}

// The squares of such numbers differ by less than an f64 can tell.
TEST(StatisticsTest, SmallSpreadOfLargeNumbers) {
  EXPECT_DOUBLE_EQ(standardDeviation({1e9 - 1, 1e9, 1e9 + 1}), 1);
}
