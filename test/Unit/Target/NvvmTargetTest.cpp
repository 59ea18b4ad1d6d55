// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Names of architectures, which GPUs they serve, and failing tools.

#include "flow/Target/NvvmTarget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

using namespace flow;
using testing::ElementsAre;
using testing::StartsWith;

namespace {

/// The chip for a GPU, or the error.
std::string chipFor(int architecture) {
  llvm::Expected<NvvmTarget> target = nvvmTargetFor(architecture);
  return target ? target->chip : llvm::toString(target.takeError());
}

std::string listError(llvm::StringRef list) {
  llvm::Expected<std::vector<NvvmTarget>> targets = resolveNvvmTargets(list);
  return targets ? "(accepted)" : llvm::toString(targets.takeError());
}

} // namespace

TEST(NvvmTargets, ServeTheirGpusAndNewerOnes) {
  EXPECT_EQ(chipFor(80), "sm_80");
  EXPECT_EQ(chipFor(87), "sm_86");
  EXPECT_EQ(chipFor(89), "sm_89");
  EXPECT_EQ(chipFor(90), "sm_90a");
  EXPECT_EQ(chipFor(91), "sm_90");
  EXPECT_EQ(chipFor(103), "sm_100");
  EXPECT_EQ(chipFor(121), "sm_120");
  EXPECT_EQ(chipFor(75), "kernels need sm_80 or newer, the GPU is sm_75");
}

TEST(NvvmTargets, AreSortedAndShareALimit) {
  llvm::Expected<std::vector<NvvmTarget>> targets =
      resolveNvvmTargets("sm_100,sm_86,sm_90");
  ASSERT_TRUE(bool(targets));
  std::vector<std::string> chips;
  for (const NvvmTarget &target : *targets) {
    chips.push_back(target.chip);
    EXPECT_EQ(target.sharedMemoryLimit, 99 * 1024);
  }
  EXPECT_THAT(chips, ElementsAre("sm_86", "sm_90", "sm_100"));
  llvm::Expected<std::vector<NvvmTarget>> one = resolveNvvmTargets("sm_90");
  ASSERT_TRUE(bool(one));
  EXPECT_EQ(one->front().sharedMemoryLimit, 227 * 1024);
}

TEST(NvvmTargets, HaveWarpgroupsIfAllHave) {
  for (auto [list, have] :
       {std::pair{"sm_90a", true}, {"sm_90a,sm_90", false}, {"sm_80", false}}) {
    llvm::Expected<std::vector<NvvmTarget>> targets = resolveNvvmTargets(list);
    ASSERT_TRUE(bool(targets));
    for (const NvvmTarget &target : *targets)
      EXPECT_EQ(target.hasWarpgroups, have) << list << ": " << target.chip;
  }
}

TEST(NvvmTargets, AreNamedOnceAndRight) {
  EXPECT_EQ(listError("sm_90,sm_80,sm_90a,sm_90"), "'sm_90' is named twice");
  EXPECT_THAT(listError("sm_80,"), StartsWith("'' is no GPU architecture"));
  EXPECT_THAT(listError("sm_80;sm_90"), StartsWith("'sm_80;sm_90' is no GPU"));
}

TEST(Fatbins, SayWhatTheToolSays) {
  llvm::Expected<std::string> failed =
      buildFatbin({{"code", "sm_80", false}}, "/bin/false");
  ASSERT_FALSE(bool(failed));
  EXPECT_EQ(llvm::toString(failed.takeError()), "fatbinary refuses the code: ");
  llvm::Expected<std::string> missing =
      buildFatbin({{"code", "sm_80", false}}, "/no/such/fatbinary");
  ASSERT_FALSE(bool(missing));
  EXPECT_THAT(llvm::toString(missing.takeError()),
              StartsWith("fatbinary refuses the code: "));
}
