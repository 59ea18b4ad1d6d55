// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Instructions and loops of PTX, and of what ptxas makes of it for each
// architecture.

#include "flow/Target/GpuInstructions.h"
#include "gtest/gtest.h"

using namespace flow;
using Kind = GpuInstruction;

namespace {

/// A loop with so many of each kind in it, and a shorter one behind it.
std::string loopOf(const NvvmTarget &target, int tensor, int copies) {
  std::string body;
  for (int i = 0; i != tensor; ++i)
    body += "\tmma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
            "{%f0,%f1,%f2,%f3}, {%r0,%r1,%r2,%r3}, {%r4,%r5}, "
            "{%f0,%f1,%f2,%f3};\n";
  for (int i = 0; i != copies; ++i)
    body += "\tcp.async.cg.shared.global [%r6+" + std::to_string(i * 16) +
            "], [%rd0+" + std::to_string(i * 16) + "], 16;\n";
  llvm::StringRef version = llvm::StringRef(target.features).drop_front(4);
  return (llvm::Twine(".version ") + version.drop_back() + "." +
          version.take_back() + "\n.target " + target.chip + R"(
.address_size 64
.visible .entry k(
	.param .u64 k_param_0
)
{
	.reg .pred %p<3>;
	.reg .b32 %r<9>;
	.reg .f32 %f<5>;
	.reg .b64 %rd<2>;
	.shared .align 16 .b8 tile[1024];

	ld.param.u64 %rd0, [k_param_0];
	cvta.to.global.u64 %rd0, %rd0;
	mov.u32 %r6, tile;
	mov.u32 %r7, 0;
	mov.f32 %f0, 0f00000000;
	mov.f32 %f1, %f0;
	mov.f32 %f2, %f0;
	mov.f32 %f3, %f0;
$L__BB0_1:
	.pragma "nounroll";
	ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0,%r1,%r2,%r3}, [%r6];
	ld.volatile.shared.u32 %r4, [%r6];
	{ld.volatile.global.u32 %r5, [%rd0];}
)" + body +
          R"(
	ex2.approx.ftz.f32 %f0, %f0;
	fma.rn.f32 %f1, %f1, %f0, %f2;
	bar.sync 0; // of all
	add.u32 %r7, %r7, 1;
	setp.lt.u32 %p1, %r7, 9;
	@%p1 bra $L__BB0_1;
$L__BB0_2:
	.pragma "nounroll";
	st.volatile.global.f32 [%rd0], %f0;
	st.volatile.global.f32 [%rd0], %f1;
	add.u32 %r7, %r7, 1;
	setp.lt.u32 %p2, %r7, 900;
	@%p2 bra $L__BB0_2;
	st.global.f32 [%rd0], %f2;
	st.global.f32 [%rd0+4], %f3;
	ret;
}
)")
      .str();
}

class GpuInstructions : public testing::TestWithParam<std::string> {
protected:
  void check(const InstructionMix &loop) {
    EXPECT_EQ(loop[Kind::Tensor], 5);
    EXPECT_EQ(loop[Kind::MatrixLoad], 1);
    EXPECT_EQ(loop[Kind::AsyncCopy], 3);
    EXPECT_EQ(loop[Kind::Shared], 1);
    EXPECT_EQ(loop[Kind::Global], 1);
    EXPECT_EQ(loop[Kind::Special], 1);
    EXPECT_EQ(loop[Kind::Float], 1);
    EXPECT_EQ(loop[Kind::Barrier], 1);
  }

  NvvmTarget target = llvm::cantFail(resolveNvvmTarget(GetParam()));
};

} // namespace

TEST_P(GpuInstructions, OfPtx) {
  std::vector<KernelInstructions> kernels =
      readPtxInstructions(loopOf(target, 5, 3));
  ASSERT_EQ(kernels.size(), 1U);
  EXPECT_EQ(kernels.front().kernel, "k");
  check(kernels.front().loop);
  EXPECT_FALSE(kernels.front().hasWarpGroups);
  // The counter, its comparison and the branch.
  EXPECT_EQ(kernels.front().loop[Kind::Other], 3);
  EXPECT_EQ(kernels.front().all[Kind::Global], 5);
}

TEST_P(GpuInstructions, OfMachineCode) {
  std::string ptxas = findPtxas();
  if (ptxas.empty())
    GTEST_SKIP() << "no ptxas";
  AssembledPtx assembled =
      llvm::cantFail(assemblePtx(loopOf(target, 5, 3), target, ptxas));
  llvm::Expected<std::vector<KernelInstructions>> kernels =
      readMachineInstructions(assembled.cubin, target);
  ASSERT_TRUE(bool(kernels)) << llvm::toString(kernels.takeError());
  ASSERT_EQ(kernels->size(), 1U);
  EXPECT_EQ(kernels->front().kernel, "k");
  check(kernels->front().loop);
  EXPECT_EQ(kernels->front().all[Kind::Global], 5);
}

INSTANTIATE_TEST_SUITE_P(Chips, GpuInstructions,
                         testing::Values("sm_80", "sm_86", "sm_89", "sm_90",
                                         "sm_100", "sm_120"),
                         [](const auto &info) { return info.param; });

TEST(GpuInstructionsOf, SeveralKernelsAndNone) {
  EXPECT_TRUE(readPtxInstructions(".version 8.0\n").empty());
  std::vector<KernelInstructions> kernels =
      readPtxInstructions(".entry a(.param .u32 a_0)\n{\n\tret;\n}\n"
                          ".visible .entry b()\n{\n\tmov.u32 %r1, 1;\n"
                          "\tret;\n}\n");
  ASSERT_EQ(kernels.size(), 2U);
  EXPECT_EQ(kernels[0].kernel, "a");
  EXPECT_EQ(kernels[0].all.total(), 1);
  EXPECT_EQ(kernels[0].loop.total(), 0);
  EXPECT_EQ(kernels[1].kernel, "b");
  EXPECT_EQ(kernels[1].all.total(), 2);
}

TEST(GpuInstructionsOf, WarpGroups) {
  std::vector<KernelInstructions> kernels = readPtxInstructions(
      ".entry a()\n{\n\twgmma.fence.sync.aligned;\n"
      "\twgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0}, %rd0, "
      "%rd1, 1, 1, 1, 0, 0;\n\tred.shared.add.u32 [%r0], 1;\n\tret;\n}\n");
  ASSERT_EQ(kernels.size(), 1U);
  EXPECT_EQ(kernels[0].all[Kind::Tensor], 1);
  EXPECT_EQ(kernels[0].all[Kind::Shared], 1);
  EXPECT_TRUE(kernels[0].hasWarpGroups);
}

TEST(GpuInstructionsOf, WhatIsNoImage) {
  NvvmTarget target = llvm::cantFail(resolveNvvmTarget("sm_80"));
  EXPECT_TRUE(llvm::errorToBool(
      readMachineInstructions("no image", target).takeError()));
}
