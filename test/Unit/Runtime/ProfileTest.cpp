// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A profile knows what ran, how often, and in which function.

#include "TestMachine.h"

#include "flow/Runtime/Profile.h"
#include "flow/Runtime/ThreadPool.h"

using namespace flow;
using namespace flow::runtime;

namespace {

class ProfileTest : public TestMachine {};

void doNothing(void *, int64_t, int64_t) {}

/// A loop inside a loop.
void runInside(void *pool, int64_t begin, int64_t end) {
  for (; begin != end; ++begin)
    static_cast<ThreadPool *>(pool)->parallelFor(4, doNothing, nullptr);
}

} // namespace

TEST(Profile, AddsUpByFunctionAndLoop) {
  Profile profile;
  profile.beginFunction("a");
  profile.addLoop(doNothing, 1);
  profile.addLoop(runInside, 2);
  profile.addLoop(doNothing, 3);
  profile.endFunction(10);
  profile.beginFunction("b");
  profile.addLoop(doNothing, 4);
  profile.endFunction(5);
  profile.beginFunction("a");
  profile.endFunction(20);
  ASSERT_EQ(profile.functions().size(), 2u);
  const Profile::Function &a = profile.functions()[0],
                          &b = profile.functions()[1];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.runs, 2);
  EXPECT_EQ(a.seconds, 30);
  ASSERT_EQ(a.loops.size(), 2u);
  EXPECT_EQ(a.loops[0].body, doNothing);
  EXPECT_EQ(a.loops[0].runs, 2);
  EXPECT_EQ(a.loops[0].seconds, 4);
  EXPECT_EQ(a.loops[1].seconds, 2);
  EXPECT_EQ(b.runs, 1);
  ASSERT_EQ(b.loops.size(), 1u);
  EXPECT_EQ(b.loops[0].seconds, 4);
}

// A loop inside a loop is part of it, whether the outer one has many indices or
// one, which the caller runs alone.
TEST(Profile, CountsOuterLoopsOnly) {
  for (int threads : {1, 3}) {
    ThreadPool pool(threads);
    Profile profile;
    profile.beginFunction("f");
    pool.setProfile(&profile);
    pool.parallelFor(0, doNothing, nullptr);
    pool.parallelFor(1, runInside, &pool);
    pool.parallelFor(5, runInside, &pool);
    pool.parallelFor(5, doNothing, nullptr);
    pool.setProfile(nullptr);
    pool.parallelFor(5, doNothing, nullptr);
    const auto &loops = profile.functions().front().loops;
    ASSERT_EQ(loops.size(), 2u);
    EXPECT_EQ(loops[0].body, runInside);
    EXPECT_EQ(loops[0].runs, 2);
    EXPECT_GT(loops[0].seconds, 0);
    EXPECT_EQ(loops[1].runs, 1);
  }
}

TEST_F(ProfileTest, NamesTheStepsOfAModel) {
  auto model = create(machinePlan(), {});
  auto sequence = sequenceOf(*model);
  ASSERT_TRUE(sequence->prefill({1, 2, 3}));
  Profile profile;
  model->setProfile(&profile);
  ASSERT_TRUE(sequence->decode(4));
  ASSERT_TRUE(sequence->decode(5));
  model->setProfile(nullptr);
  ASSERT_TRUE(sequence->decode(6));
  std::vector<std::string> names;
  for (const Profile::Function &function : profile.functions()) {
    names.push_back(function.name);
    EXPECT_EQ(function.runs, 2) << function.name;
    EXPECT_GT(function.seconds, 0) << function.name;
  }
  std::vector<std::string> expected;
  for (const Step &step : model->plan().findSchedule("decode")->steps)
    expected.push_back(step.kind == StepKind::Embed        ? "embed"
                       : step.kind == StepKind::RopeAngles ? "rope_angles"
                                                           : step.function);
  EXPECT_EQ(names, expected);
}
