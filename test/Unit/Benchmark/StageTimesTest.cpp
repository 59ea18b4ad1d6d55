// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Times of functions get their work, loops their names.

#include "flow/Benchmark/StageTimes.h"

#include <gtest/gtest.h>

#include <tuple>

using namespace flow;

namespace {

void first(void *, int64_t, int64_t) {}
void second(void *, int64_t, int64_t) {}
void nameless(void *, int64_t, int64_t) {}

} // namespace

TEST(StageTimesTest, PutsTimesAndWorkTogether) {
  runtime::Profile profile;
  profile.beginFunction("embed");
  profile.endFunction(1);
  for (const char *name : {"layer", "head"}) {
    profile.beginFunction(name);
    profile.addLoop(first, 2);
    profile.addLoop(second, 7);
    profile.addLoop(nameless, 1);
    profile.endFunction(11);
  }
  // As a test of several tokens counts it.
  std::vector<FunctionWork> work = {{"layer", {{1, 2, 3}, 4}},
                                    {"other", {{9, 9, 9}, 9}},
                                    {"layer", {{1, 2, 3}, 4}}};
  StageTimes times = collectStages(profile, work, [](const void *body) {
    return body == reinterpret_cast<const void *>(first)    ? "f"
           : body == reinterpret_cast<const void *>(second) ? "s"
                                                            : "";
  });
  ASSERT_EQ(times.functions.size(), 3u);
  EXPECT_EQ(times.functions[0].work.readBytes, 0);
  EXPECT_EQ(times.functions[1].name, "layer");
  EXPECT_EQ(times.functions[1].seconds, 11);
  EXPECT_EQ(times.functions[1].work.operations.int8, 6);
  EXPECT_EQ(times.functions[1].work.readBytes, 8);

  std::vector<std::tuple<std::string, int64_t, double>> kernels;
  for (const KernelTime &kernel : times.kernels)
    kernels.emplace_back(kernel.name, kernel.runs, kernel.seconds);
  EXPECT_EQ(
      kernels,
      (std::vector<std::tuple<std::string, int64_t, double>>{
          {"s", 2, 14}, {"f", 2, 4}, {"serial", 3, 3}, {"unknown", 2, 2}}));
}
