// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From work to time: which figure of a data sheet limits a launch.

#include "../Import/TestModels.h"

#include "flow/Benchmark/GpuReport.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/JSON.h"

#include <gtest/gtest.h>

using namespace flow;

namespace {

const GpuDevice &deviceOf(llvm::StringRef name) {
  return *llvm::cantFail(findGpuDevice(name));
}

LaunchWork someWork(int64_t blocks) {
  LaunchWork work;
  work.kernel = "k";
  work.launches = 1;
  work.blocks = work.executed = blocks;
  work.threads = 128;
  return work;
}

} // namespace

TEST(GpuDevices, AreFoundByName) {
  EXPECT_EQ(deviceOf("a100").chip, "sm_80");
  EXPECT_EQ(deviceOf("RTX5090").sms, 170);
  EXPECT_EQ(llvm::toString(findGpuDevice("V100").takeError()),
            "'V100' is no GPU that is known: A100, H100, B200, RTX4090, "
            "RTX5090");
}

// Data sheets agree with themselves: rates are so many operations a cycle.
TEST(GpuDevices, DoSoMuchACycle) {
  for (const GpuDevice &device : gpuDevices()) {
    EXPECT_TRUE(bool(resolveNvvmTarget(device.chip)));
    double perCycle =
        device.mmaRate / (static_cast<double>(device.sms) * device.clock);
    EXPECT_GE(perCycle, 500) << device.name.str();
    EXPECT_LE(perCycle, 2500) << device.name.str();
    EXPECT_LE(device.mmaRate, device.tensorRate);
  }
}

TEST(GpuEstimates, HowManyCtasAnSmHolds) {
  const GpuDevice &device = deviceOf("A100");
  constexpr int64_t shared = 164 * 1024;
  // By threads, by their number, by registers in pieces of 8 a thread, by
  // shared memory with a kilobyte for the driver.
  EXPECT_EQ(blocksOfSm(device, shared, 1024, 16, 0), 2);
  EXPECT_EQ(blocksOfSm(device, shared, 32, 16, 0), 32);
  EXPECT_EQ(blocksOfSm(device, shared, 128, 128, 0), 4);
  EXPECT_EQ(blocksOfSm(device, shared, 128, 129, 0), 3);
  EXPECT_EQ(blocksOfSm(device, shared, 128, 32, 40 * 1024), 4);
  EXPECT_EQ(blocksOfSm(device, shared, 128, 32, 81 * 1024), 2);
  EXPECT_EQ(blocksOfSm(device, shared, 128, 32, 82 * 1024), 1);
  // Nobody knows the registers.
  EXPECT_EQ(blocksOfSm(device, shared, 128, 0, 0), 16);
  EXPECT_EQ(blocksOfSm(deviceOf("RTX4090"), 100 * 1024, 1024, 16, 0), 1);
}

TEST(GpuEstimates, ByMemory) {
  LaunchWork work = someWork(1080);
  work.launches = 3;
  work.readBytes = 2.039e6;
  work.writtenBytes = 2.039e6;
  LaunchEstimate launch = estimate(deviceOf("A100"), work, {});
  EXPECT_EQ(launch.limit, GpuLimit::Memory);
  EXPECT_DOUBLE_EQ(launch.boundSeconds, 2e-6);
  EXPECT_DOUBLE_EQ(launch.expectedSeconds,
                   2e-6 / kMemoryShare + 3 * kLaunchSeconds);
}

TEST(GpuEstimates, ByTensorCores) {
  LaunchWork work = someWork(132);
  work.tensorOperations = 989e6;
  KernelCode code;
  LaunchEstimate launch = estimate(deviceOf("H100"), work, code);
  EXPECT_EQ(launch.limit, GpuLimit::Tensor);
  EXPECT_DOUBLE_EQ(launch.boundSeconds, 1e-6 / 0.62);
  code.hasWarpGroups = true;
  EXPECT_DOUBLE_EQ(estimate(deviceOf("H100"), work, code).boundSeconds, 1e-6);
  // One CTA more than there are SMs takes as long as twice as many.
  work.blocks = 133;
  EXPECT_DOUBLE_EQ(estimate(deviceOf("H100"), work, code).boundSeconds,
                   1e-6 * 2 * 132 / 133);
  work.blocks = 66;
  EXPECT_DOUBLE_EQ(estimate(deviceOf("H100"), work, code).boundSeconds, 2e-6);
  work.tensorOperations = 0;
  work.byteTensorOperations = 0.62 * 1979e6;
  work.blocks = 132;
  EXPECT_DOUBLE_EQ(estimate(deviceOf("H100"), work, code).boundSeconds, 1e-6);
}

TEST(GpuEstimates, ByTheCyclesOfSms) {
  const GpuDevice &device = deviceOf("A100");
  constexpr double cycles = 108 * 1.41e9;
  auto limitOf = [&](double LaunchWork::*count, double amount) {
    LaunchWork work = someWork(108);
    work.*count = amount;
    LaunchEstimate launch = estimate(device, work, {});
    EXPECT_DOUBLE_EQ(launch.boundSeconds, 1);
    EXPECT_DOUBLE_EQ(launch.expectedSeconds,
                     1 / kComputeShare + kLaunchSeconds);
    return launch.limit;
  };
  EXPECT_EQ(limitOf(&LaunchWork::instructions, 4 * cycles), GpuLimit::Issue);
  EXPECT_EQ(limitOf(&LaunchWork::special, cycles / 2), GpuLimit::Special);
  EXPECT_EQ(limitOf(&LaunchWork::sharedWavefronts, cycles), GpuLimit::Shared);
  EXPECT_EQ(limitOf(&LaunchWork::floatOperations, 2 * 64 * cycles),
            GpuLimit::Float);
}

// Steps of a prompt in pieces are the test's together.
TEST(GpuEstimates, OfAModel) {
  TestModelSizes sizes;
  sizes.headDim = 64;
  sizes.vocab = 64;
  TestFile file(gemma3File(sizes));
  GpuEstimateOptions options;
  options.devices = {&deviceOf("RTX4090")};
  options.tests = {{40, 0, 0}, {0, 1, 100}};
  options.chunk = 30;
  auto estimates = estimateModel(file.path(), options);
  ASSERT_TRUE(bool(estimates)) << llvm::toString(estimates.takeError());
  ASSERT_EQ(estimates->size(), 1U);
  for (const GpuDeviceEstimate &device : *estimates) {
    ASSERT_EQ(device.tests.size(), 2U);
    EXPECT_EQ(device.tests[0].test.name(), "pp40");
    EXPECT_EQ(device.tests[1].test.name(), "tg1 @ d100");
    for (const GpuTestEstimate &test : device.tests) {
      EXPECT_GT(test.boundSeconds(), 0);
      EXPECT_GT(test.expectedSeconds(), test.boundSeconds());
      for (const LaunchEstimate &launch : test.launches) {
        EXPECT_GE(launch.blocksOfSm, 1) << launch.work.kernel;
        EXPECT_EQ(bool(launch.code.resources), !findPtxas().empty());
      }
    }
    // 30 rows and 10: two embeddings, of as many CTAs.
    int64_t embeddings = 0;
    for (const LaunchEstimate &launch : device.tests[0].launches)
      if (llvm::StringRef(launch.work.kernel).starts_with("embed"))
        embeddings += launch.work.launches;
    EXPECT_EQ(embeddings, 2);
  }
}

TEST(GpuReports, AsTablesAndAsData) {
  LaunchWork work = someWork(108);
  work.launches = 2;
  work.sharedBytes = 1024;
  work.readBytes = 2 * 2.039e6;
  work.tensorOperations = 2e9;
  KernelCode code;
  code.loop[GpuInstruction::Tensor] = 64;
  code.loop[GpuInstruction::Other] = 36;
  code.resources = KernelResources{"k", 200, 8, 16, 0};
  GpuDeviceEstimate device;
  device.device = &deviceOf("A100");
  GpuTestEstimate &test = device.tests.emplace_back();
  test.test = {512, 0, 4096};
  test.launches = {estimate(*device.device, work, code)};
  test.launches[0].blocksOfSm = 2;
  std::string text;
  llvm::raw_string_ostream out(text);
  writeGpuReport(out, "m.gguf", device, ReportFormat::Markdown);
  EXPECT_EQ(
      text,
      "| model | GPU | test | launches | t/s bound | t/s expected |\n"
      "|---|---|---|--:|--:|--:|\n"
      "| m.gguf | A100 | pp512 @ d4096 | 2 | 79872000 | 38913140 |\n\n"
      "A100, pp512 @ d4096:\n\n"
      "| kernel | launches | CTAs | threads | shared B | registers | spilled B "
      "| CTAs an SM | loop | tensor | ldmatrix | copies | MB | GFLOP | us | "
      "limit |\n"
      "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n"
      "| k | 2 | 108 | 128 | 1024 | 200 | 24 | 2 | 100 | 64 | 0 | 0 | 2.039 | "
      "1.000 | 3.21 | tensor |\n");
  // Nothing is known without ptxas.
  test.launches[0].code.resources.reset();
  text.clear();
  writeGpuReport(out, "m.gguf", device, ReportFormat::Markdown);
  EXPECT_NE(text.find("| 1024 | n/a | n/a | 2 |"), std::string::npos) << text;
  text.clear();
  writeGpuReport(out, "m.gguf", device, ReportFormat::Json);
  auto data = llvm::cantFail(llvm::json::parse(text));
  llvm::json::Value expected = llvm::json::Array{llvm::json::Object{
      {"build_version", FLOW_VERSION},
      {"backends", "CUDA (estimated)"},
      {"gpu_info", "A100"},
      {"gpu_arch", "sm_80"},
      {"model_filename", "m.gguf"},
      {"n_prompt", 512},
      {"n_gen", 0},
      {"n_depth", 4096},
      {"test", "pp512 @ d4096"},
      {"bound_ts", 512 / test.boundSeconds()},
      {"expected_ts", 512 / test.expectedSeconds()},
      {"kernels", llvm::json::Array{llvm::json::Object{
                      {"kernel", "k"},
                      {"launches", 2},
                      {"ctas", 108},
                      {"ctas_executed", 108},
                      {"threads", 128},
                      {"shared_bytes", 1024},
                      {"registers", nullptr},
                      {"spilled_bytes", nullptr},
                      {"ctas_per_sm", 2},
                      {"loop", llvm::json::Object{{"tensor", 64},
                                                  {"ldmatrix", 0},
                                                  {"async_copy", 0},
                                                  {"shared", 0},
                                                  {"global", 0},
                                                  {"special", 0},
                                                  {"float", 0},
                                                  {"barrier", 0},
                                                  {"other", 36}}},
                      {"read_bytes", 4078000},
                      {"written_bytes", 0},
                      {"ops_tensor", 2000000000},
                      {"ops_tensor_int8", 0},
                      {"ops_f32", 0},
                      {"instructions", 0},
                      {"special", 0},
                      {"shared_wavefronts", 0},
                      {"bound_ns", 1e9 * test.boundSeconds()},
                      {"expected_ns", 1e9 * test.expectedSeconds()},
                      {"limit", "tensor"}}}}}};
  EXPECT_EQ(data, expected) << text;
}
