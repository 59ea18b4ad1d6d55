// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The choice of the largest logits in the emulator against a sort.

#include "KernelModule.h"
#include "flow/Codegen/GPU/SelectionKernels.h"
#include "llvm/ADT/STLExtras.h"
#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <limits>

using namespace flow;
using namespace flow::cuda;

namespace {

constexpr float kInfinity = INFINITY;

/// Chooses `count` of `logits` by kernels; they must be those that a sort by
/// the rules of `flow.top_k` gives, bit for bit. Says how many launches it
/// took.
size_t expectBest(const std::vector<float> &logits, int64_t count) {
  SCOPED_TRACE(std::to_string(count) + " of " + std::to_string(logits.size()));
  KernelModule module;
  TopKLaunches launches =
      buildTopK(module.builder(), module.target(),
                {static_cast<int64_t>(logits.size()), count});
  // What nobody has left is found to be wrong.
  std::vector<float> values(count, 7);
  std::vector<int32_t> tokens(count, 7), before, after;
  for (const auto &[launch, ints] : launches.steps) {
    KernelArguments arguments;
    if (!before.empty())
      arguments.input(before);
    arguments.input(logits);
    after.assign(ints, 7);
    if (ints == 0)
      arguments.output(values).output(tokens);
    else
      arguments.output(after);
    runKernel(module, launch, 1, arguments);
    before = after;
  }

  std::vector<int32_t> order;
  for (size_t i = 0; i != logits.size(); ++i)
    if (logits[i] > -kInfinity)
      order.push_back(static_cast<int32_t>(i));
  llvm::sort(order, [&](int32_t a, int32_t b) {
    return logits[a] != logits[b] ? logits[a] > logits[b] : a < b;
  });
  auto rows = static_cast<int64_t>(order.size());
  for (int64_t i = 0; i != count; ++i) {
    int32_t token = i < rows ? order[i] : -1;
    float value = i < rows ? logits[token] : -kInfinity;
    EXPECT_EQ(tokens[i], token) << "place " << i;
    EXPECT_EQ(std::memcmp(&values[i], &value, sizeof(value)), 0)
        << "place " << i;
  }
  return launches.steps.size();
}

} // namespace

TEST(TopKKernels, VocabulariesOfAnySize) {
  for (int64_t columns : {1, 63, 65, 1000, 4095, 4096, 4097, 10007})
    for (int64_t count : {1, 8, 64})
      if (count <= columns)
        expectBest(someFloats(columns, 1), count);
}

TEST(TopKKernels, RoundsUntilOnePieceIsLeft) {
  EXPECT_EQ(expectBest(someFloats(4096, 1), 64), 1U);
  EXPECT_EQ(expectBest(someFloats(4097, 1), 64), 2U);
  EXPECT_EQ(expectBest(someFloats(30000, 1), 512), 2U);
  EXPECT_EQ(expectBest(someFloats(40000, 1), 512), 3U);
  expectBest(someFloats(9000, 1), 2048);
}

TEST(TopKKernels, EqualLogitsByTheLowerToken) {
  expectBest(std::vector<float>(5000, 0.25F), 64);
  std::vector<float> logits = someFloats(9000, 2);
  for (float &logit : logits)
    logit = std::round(logit * 4) / 4; // and both zeros
  expectBest(logits, 64);
  expectBest({-0.0F, 0.0F, -0.0F, 0.0F, -1.0F}, 5);
}

TEST(TopKKernels, NumbersOfEverySize) {
  const float least = std::numeric_limits<float>::denorm_min(),
              most = std::numeric_limits<float>::max();
  expectBest({-most, least, -least, most, 0, kInfinity, 1, -1}, 8);
}

TEST(TopKKernels, NothingBelowAndNoNumber) {
  std::vector<float> logits(5000, -kInfinity);
  expectBest(logits, 64);
  logits[17] = -3;
  logits[4999] = NAN;
  logits[4500] = 2;
  logits[0] = std::copysign(NAN, -1.0F);
  expectBest(logits, 8);
  expectBest({NAN, 1, -kInfinity}, 3);
}
