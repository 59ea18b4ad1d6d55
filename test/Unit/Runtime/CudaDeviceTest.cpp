// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The CUDA device, over a driver that emulates and, where there is a GPU, over
// NVIDIA's.

#include "flow/Runtime/CudaDevice.h"

#include <cstdlib>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>
#include <thread>

using namespace flow;
using namespace flow::runtime;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace {

constexpr const char *kEmulating = FLOW_TEST_CUDA_DRIVER;

/// `accumulate` adds `in * n` to `out`. `keep` puts a number at the end of
/// `bytes` of shared memory and takes it from there to `out`.
const std::string kKernels = R"(.version 8.0
.target sm_80
.address_size 64
.extern .shared .align 16 .b8 shared_memory[];
.visible .entry accumulate(.param .u64 a_out, .param .u64 a_in, .param .u32 a_n)
{
    .reg .b64 %rd<5>;
    .reg .b32 %r<5>;
    ld.param.u64 %rd1, [a_out];
    ld.param.u64 %rd2, [a_in];
    ld.param.u32 %r3, [a_n];
    cvta.to.global.u64 %rd3, %rd1;
    cvta.to.global.u64 %rd4, %rd2;
    ld.global.u32 %r1, [%rd3];
    ld.global.u32 %r2, [%rd4];
    mad.lo.s32 %r4, %r2, %r3, %r1;
    st.global.u32 [%rd3], %r4;
    ret;
}
.visible .entry keep(.param .u64 k_out, .param .u32 k_bytes)
{
    .reg .b64 %rd<3>;
    .reg .b32 %r<6>;
    ld.param.u64 %rd1, [k_out];
    ld.param.u32 %r1, [k_bytes];
    cvta.to.global.u64 %rd2, %rd1;
    mov.u32 %r2, shared_memory;
    add.s32 %r3, %r2, %r1;
    mov.u32 %r4, 77;
    st.shared.u32 [%r3+-4], %r4;
    ld.shared.u32 %r5, [%r3+-4];
    st.global.u32 [%rd2], %r5;
    ret;
}
)";

/// A device over one of the drivers.
class CudaDevices : public testing::TestWithParam<const char *> {
protected:
  void SetUp() override {
    auto opened = CudaDevice::open(GetParam());
    if (!opened && GetParam() != kEmulating)
      GTEST_SKIP() << opened.error();
    ASSERT_TRUE(bool(opened)) << opened.error();
    device = std::move(*opened);
  }

  void loadKernels() {
    Status status = device->load(kKernels);
    ASSERT_TRUE(bool(status)) << status.error();
  }
  DeviceAddress makeNumber(int32_t value) {
    auto address = device->allocate(sizeof(value), "a number");
    EXPECT_TRUE(bool(address)) << address.error();
    EXPECT_TRUE(bool(device->upload(*address, &value, sizeof(value))));
    return *address;
  }
  int32_t read(DeviceAddress address) {
    int32_t value = -1;
    Status status = device->download(&value, address, sizeof(value));
    EXPECT_TRUE(bool(status)) << status.error();
    return value;
  }
  static DeviceLaunch makeLaunch(const char *kernel,
                                 std::vector<const void *> parameters) {
    DeviceLaunch launch;
    launch.kernel = kernel;
    launch.threads = 1;
    launch.parameters = std::move(parameters);
    return launch;
  }

  std::unique_ptr<CudaDevice> device;
};

/// A device that FLOW_TEST_CUDA describes, as the emulating driver reads it.
class EmulatingDriver : public testing::Test {
protected:
  ~EmulatingDriver() override { unsetenv("FLOW_TEST_CUDA"); }

  static Result<std::unique_ptr<CudaDevice>> open(const std::string &settings) {
    setenv("FLOW_TEST_CUDA", settings.c_str(), 1);
    return CudaDevice::open(kEmulating);
  }
  static std::string refusal(const std::string &driver) {
    auto opened = CudaDevice::open(driver);
    return opened ? "(opened)" : opened.error();
  }
};

} // namespace

INSTANTIATE_TEST_SUITE_P(Drivers, CudaDevices,
                         testing::Values(kEmulating, CudaDevice::kDriver),
                         [](const auto &info) {
                           return info.param == kEmulating ? "Emulating"
                                                           : "Nvidia";
                         });

TEST_P(CudaDevices, ClearWhatTheyAllocate) {
  auto block = device->allocate(100'000, "block");
  ASSERT_TRUE(bool(block)) << block.error();
  EXPECT_EQ(*block % 256, 0U);
  std::vector<char> bytes(100'000, 'x');
  ASSERT_TRUE(bool(device->download(bytes.data(), *block, bytes.size())));
  EXPECT_EQ(bytes, std::vector<char>(100'000));
  device->free(*block);
  auto nothing = device->allocate(0, "nothing");
  ASSERT_TRUE(bool(nothing)) << nothing.error();
  device->free(*nothing);
}

// Fewer and more than fit into the memory that uploads pass through, and so
// many small ones that it is used again.
TEST_P(CudaDevices, ReadUploadsBeforeTheyReturn) {
  constexpr size_t kWords = 50'000;
  auto block = device->allocate(4 * kWords, "block");
  ASSERT_TRUE(bool(block)) << block.error();
  std::vector<int32_t> words(kWords, 5), found(kWords);
  ASSERT_TRUE(bool(device->upload(*block, words.data(), 4 * kWords)));
  words.assign(kWords, 6);
  ASSERT_TRUE(bool(device->download(found.data(), *block, 4 * kWords)));
  EXPECT_EQ(found, std::vector<int32_t>(kWords, 5));
  for (size_t i = 0; i != kWords; ++i) {
    auto word = static_cast<int32_t>(i);
    ASSERT_TRUE(bool(device->upload(*block + 4 * i, &word, 4)));
    words[i] = word;
  }
  ASSERT_TRUE(bool(device->download(found.data(), *block, 4 * kWords)));
  EXPECT_EQ(found, words);
  device->free(*block);
}

TEST_P(CudaDevices, PlaceCopies) {
  EXPECT_TRUE(device->placesCopies());
  std::vector<int32_t> weights(1000, 3), found(1000);
  auto placed = device->place(weights.data(), 4000, "weights");
  ASSERT_TRUE(bool(placed)) << placed.error();
  weights.assign(1000, 4);
  ASSERT_TRUE(bool(device->download(found.data(), *placed, 4000)));
  EXPECT_EQ(found, std::vector<int32_t>(1000, 3));
  device->free(*placed);
}

TEST_P(CudaDevices, LaunchInOrder) {
  loadKernels();
  DeviceAddress out = makeNumber(1), in = makeNumber(10);
  int32_t factor = 2;
  DeviceLaunch launch = makeLaunch("accumulate", {&out, &in, &factor});
  ASSERT_TRUE(bool(device->launch(launch)));
  // Parameters are those of the launch, memory is that of its turn.
  factor = 3;
  int32_t hundred = 100;
  ASSERT_TRUE(bool(device->upload(in, &hundred, 4)));
  ASSERT_TRUE(bool(device->launch(launch)));
  EXPECT_EQ(read(out), 1 + 10 * 2 + 100 * 3);
  device->free(out);
  device->free(in);
}

TEST_P(CudaDevices, ReplayWithWhatIsInMemory) {
  loadKernels();
  DeviceAddress out = makeNumber(0), in = makeNumber(1);
  int32_t one = 1, ten = 10;
  std::vector<DeviceLaunch> launches{
      makeLaunch("accumulate", {&out, &in, &one}),
      makeLaunch("accumulate", {&out, &in, &ten})};
  ASSERT_TRUE(bool(device->launch(launches[0])));
  auto graph = device->record(launches);
  ASSERT_TRUE(bool(graph)) << graph.error();
  EXPECT_EQ(read(out), 1);
  ASSERT_TRUE(bool((*graph)->replay()));
  EXPECT_EQ(read(out), 1 + 11);
  int32_t hundred = 100;
  ASSERT_TRUE(bool(device->upload(in, &hundred, 4)));
  ASSERT_TRUE(bool((*graph)->replay()) && bool((*graph)->replay()));
  EXPECT_EQ(read(out), 1 + 11 + 2 * 1100);
  device->free(out);
  device->free(in);
}

TEST_P(CudaDevices, ServeAnyThread) {
  loadKernels();
  DeviceAddress out = makeNumber(0), in = makeNumber(7);
  std::thread([&] {
    int32_t factor = 2;
    Status status =
        device->launch(makeLaunch("accumulate", {&out, &in, &factor}));
    EXPECT_TRUE(bool(status)) << status.error();
    EXPECT_EQ(read(out), 14);
  }).join();
  device->free(out);
  device->free(in);
}

TEST_P(CudaDevices, GiveMoreSharedMemoryThanAKernelHasUnasked) {
  loadKernels();
  DeviceAddress out = makeNumber(0);
  int32_t bytes = 60'000;
  DeviceLaunch launch = makeLaunch("keep", {&out, &bytes});
  launch.sharedBytes = bytes;
  Status status = device->launch(launch);
  ASSERT_TRUE(bool(status)) << status.error();
  EXPECT_EQ(read(out), 77);
  launch.sharedBytes = 1 << 30;
  status = device->launch(launch);
  ASSERT_FALSE(bool(status));
  EXPECT_THAT(status.error(),
              StartsWith("kernel 'keep' needs 1073741824 bytes of shared "
                         "memory, " +
                         device->name() + " has "));
  device->free(out);
}

TEST_P(CudaDevices, RefuseKernelsThatNoImageHas) {
  loadKernels();
  DeviceLaunch launch = makeLaunch("subtract", {});
  EXPECT_EQ(device->launch(launch).error(), "no image has a kernel 'subtract'");
  EXPECT_EQ(device->record({launch}).error(),
            "no image has a kernel 'subtract'");
}

TEST_P(CudaDevices, SayInALineWhatTheCompilerSays) {
  Status status = device->load(".version 8.0\n.target sm_80\n"
                               ".address_size 64\n.visible .entry k() {\n"
                               "    no.such.instruction;\n}\n");
  ASSERT_FALSE(bool(status));
  EXPECT_THAT(status.error(), StartsWith(device->name() + ", sm_"));
  EXPECT_THAT(status.error(), HasSubstr("cannot load the kernels: "));
  EXPECT_THAT(status.error(), HasSubstr("(CUDA error 218): "));
  EXPECT_THAT(status.error(), Not(HasSubstr("\n")));
}

TEST_P(CudaDevices, KnowTheirArchitecture) {
  int found = device->architecture();
  EXPECT_GE(found, 50);
  EXPECT_TRUE(bool(device->checkArchitecture(found)));
  EXPECT_EQ(device->checkArchitecture(found + 1).error(),
            "the kernels need sm_" + std::to_string(found + 1) + ", " +
                device->name() + " is sm_" + std::to_string(found));
}

TEST_F(EmulatingDriver, IsFoundOrMissed) {
  EXPECT_THAT(refusal("no-such-driver.so"),
              StartsWith("there is no CUDA driver: no-such-driver.so: "));
  // Any library without the functions of a driver.
  EXPECT_EQ(refusal("libm.so.6"),
            "the CUDA driver libm.so.6 is too old: it has no cuInit");
  auto none = open("devices=0");
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(none.error(), "the CUDA driver finds no GPU");
}

TEST_F(EmulatingDriver, TellsOfMemoryThatIsNotThere) {
  auto device = open("memory=100000");
  ASSERT_TRUE(bool(device)) << device.error();
  auto first = (*device)->allocate(40'000, "first");
  ASSERT_TRUE(bool(first)) << first.error();
  EXPECT_EQ((*device)->allocate(70'000, "second").error(),
            "Emulated GPU has no memory for the 70000 bytes of second: of "
            "100000 bytes 60000 are free");
  std::vector<char> weights(70'000);
  EXPECT_EQ((*device)->place(weights.data(), weights.size(), "w").error(),
            "Emulated GPU has no memory for the 70000 bytes of w: of 100000 "
            "bytes 60000 are free");
  (*device)->free(*first);
  EXPECT_TRUE(bool((*device)->allocate(70'000, "second")));
}

TEST_F(EmulatingDriver, RefusesImagesOfOtherArchitectures) {
  auto device = open("arch=75");
  ASSERT_TRUE(bool(device)) << device.error();
  EXPECT_EQ((*device)->load(kKernels).error(),
            "Emulated GPU, sm_75, with a driver of CUDA 12.4 cannot load the "
            "kernels: no kernel image is available for execution on the "
            "device (CUDA error 209)");
}

TEST_F(EmulatingDriver, MakesTensorMapsOfWhatItHas) {
  auto device = open("arch=90");
  ASSERT_TRUE(bool(device)) << device.error();
  auto matrix = (*device)->allocate(96 * 80 * 2, "matrix");
  ASSERT_TRUE(bool(matrix)) << matrix.error();
  MatrixBoxes boxes{*matrix, 96, 80, 128, 64};
  auto map = (*device)->tensorMap(boxes);
  ASSERT_TRUE(bool(map)) << map.error();
  EXPECT_NE(map->bytes, TensorMap().bytes);
  boxes.rows = 97;
  EXPECT_EQ((*device)->tensorMap(boxes).error(),
            "a matrix of 97 x 80 gets no tensor map: invalid argument (CUDA "
            "error 1)");
  (*device)->free(*matrix);
}

// The first image that has a kernel counts.
TEST_F(EmulatingDriver, LooksThroughImages) {
  auto device = open("");
  ASSERT_TRUE(bool(device)) << device.error();
  std::string other = kKernels;
  other.replace(other.find(", 77;"), 5, ", 78;");
  other.replace(other.find("accumulate"), 10, "accumulates");
  ASSERT_TRUE(bool((*device)->load(kKernels)) && bool((*device)->load(other)));
  auto out = (*device)->allocate(4, "out");
  ASSERT_TRUE(bool(out)) << out.error();
  int32_t bytes = 16, found = 0;
  DeviceLaunch launch;
  launch.kernel = "keep";
  launch.sharedBytes = 16;
  launch.parameters = {&*out, &bytes};
  ASSERT_TRUE(bool((*device)->launch(launch)));
  ASSERT_TRUE(bool((*device)->download(&found, *out, 4)));
  EXPECT_EQ(found, 77);
  // And what only the second has is found there.
  launch.kernel = "accumulates";
  launch.parameters = {&*out, &*out, &bytes};
  EXPECT_TRUE(bool((*device)->launch(launch)));
  (*device)->free(*out);
}

TEST_F(EmulatingDriver, EndsACaptureThatFails) {
  auto device = open("");
  ASSERT_TRUE(bool(device)) << device.error();
  ASSERT_TRUE(bool((*device)->load(kKernels)));
  auto out = (*device)->allocate(4, "out");
  ASSERT_TRUE(bool(out)) << out.error();
  int32_t bytes = 16;
  DeviceLaunch launch;
  launch.kernel = "keep";
  launch.sharedBytes = 16;
  launch.parameters = {&*out, &bytes};
  EXPECT_EQ((*device)->record({launch}).error(),
            "kernel 'keep' cannot be launched: operation not permitted when "
            "stream is capturing (CUDA error 900)");
  ASSERT_TRUE(bool((*device)->launch(launch)));
  auto graph = (*device)->record({launch});
  ASSERT_TRUE(bool(graph)) << graph.error();
  EXPECT_TRUE(bool((*graph)->replay()));
  (*device)->free(*out);
}

TEST_F(EmulatingDriver, TellsOfAKernelThatFailsLater) {
  auto device = open("");
  ASSERT_TRUE(bool(device)) << device.error();
  ASSERT_TRUE(bool((*device)->load(kKernels)));
  auto in = (*device)->allocate(4, "in");
  ASSERT_TRUE(bool(in)) << in.error();
  DeviceAddress nowhere = 64;
  int32_t factor = 1, found = 0;
  DeviceLaunch launch;
  launch.kernel = "accumulate";
  launch.parameters = {&nowhere, &*in, &factor};
  EXPECT_TRUE(bool((*device)->launch(launch)));
  Status status = (*device)->download(&found, *in, 4);
  ASSERT_FALSE(bool(status));
  EXPECT_THAT(status.error(), StartsWith("the GPU has failed: "));
  EXPECT_THAT(status.error(), HasSubstr("(CUDA error 719)"));
}

TEST_F(EmulatingDriver, GetsEverythingBack) {
  std::string path = testing::TempDir() + "/cuda-device-report";
  {
    auto device = open("report=" + path);
    ASSERT_TRUE(bool(device)) << device.error();
    ASSERT_TRUE(bool((*device)->load(kKernels)));
    auto out = (*device)->allocate(4, "out");
    ASSERT_TRUE(bool(out)) << out.error();
    int32_t factor = 1;
    DeviceLaunch launch;
    launch.kernel = "accumulate";
    launch.parameters = {&*out, &*out, &factor};
    ASSERT_TRUE(bool((*device)->launch(launch)));
    auto graph = (*device)->record({launch, launch});
    ASSERT_TRUE(bool(graph)) << graph.error();
    ASSERT_TRUE(bool((*graph)->replay()));
    (*device)->free(*out);
  }
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  EXPECT_EQ(text.str(),
            "launched 1, captured 2 in 1, replayed 1\nleft 0 allocations, 0 "
            "pinned, 0 modules, 0 streams, 0 graphs\n");
}
