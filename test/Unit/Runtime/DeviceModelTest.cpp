// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plans of launches on a device whose kernels are functions of this test.

#include "flow/Runtime/DeviceModel.h"
#include "TestPlans.h"

#include <cmath>
#include <cstring>
#include <gtest/gtest.h>
#include <map>

using namespace flow;
using namespace flow::runtime;

namespace {

/// A device in the memory of the process.
class FakeDevice : public Device {
public:
  using Kernel = std::function<void(const DeviceLaunch &)>;

  Result<DeviceAddress> allocate(size_t bytes,
                                 const std::string &name) override {
    if (name == refused)
      return Error{name + " is too much"};
    blocks.emplace_back(new std::byte[bytes]());
    ++alive;
    taken += bytes;
    return addressOf(blocks.back().get());
  }
  Result<DeviceAddress> place(const void *host, size_t bytes,
                              const std::string &name) override {
    if (name == refused)
      return Error{name + " is too much"};
    ++alive;
    taken += bytes;
    return addressOf(host);
  }
  void free(DeviceAddress) override { --alive; }
  Status upload(DeviceAddress to, const void *from, size_t bytes) override {
    std::memcpy(pointerTo<void>(to), from, bytes);
    return {};
  }
  Status download(void *to, DeviceAddress from, size_t bytes) override {
    std::memcpy(to, pointerTo<void>(from), bytes);
    return {};
  }
  Status launch(const DeviceLaunch &launch) override {
    auto found = kernels.find(launch.kernel);
    if (found == kernels.end())
      return Error{"no kernel " + launch.kernel};
    found->second(launch);
    launches.push_back(launch);
    return {};
  }

  /// As a graph does it: what parameters are is copied now.
  Result<std::unique_ptr<DeviceGraph>>
  record(std::vector<DeviceLaunch> launches) override {
    if (!recordFailure.empty())
      return Error{recordFailure};
    recorded.push_back(launches.size());
    auto graph = std::make_unique<FrozenGraph>(*this);
    for (DeviceLaunch &launch : launches) {
      auto &values = graph->values.emplace_back(launch.parameters.size());
      for (size_t i = 0; i != values.size(); ++i) {
        // The last of `layer` is a capacity.
        bool isWord = launch.kernel == "layer" && i == 5;
        std::memcpy(&values[i], launch.parameters[i], isWord ? 4 : 8);
        launch.parameters[i] = &values[i];
      }
    }
    graph->launches = std::move(launches);
    return std::unique_ptr<DeviceGraph>(std::move(graph));
  }

  template <typename T> static T *pointerTo(DeviceAddress address) {
    return reinterpret_cast<T *>(static_cast<uintptr_t>(address));
  }
  /// Parameter `i` of a launch, where it points to.
  template <typename T>
  static T *parameter(const DeviceLaunch &launch, size_t i) {
    return pointerTo<T>(
        *static_cast<const DeviceAddress *>(launch.parameters[i]));
  }

  std::map<std::string, Kernel> kernels;
  std::vector<DeviceLaunch> launches;
  /// What there is no memory for.
  std::string refused;
  int alive = 0;
  /// Bytes that were ever asked for.
  size_t taken = 0;
  /// Launches of each graph, and how often graphs were replayed.
  std::vector<size_t> recorded;
  int replayed = 0;
  std::string recordFailure;

private:
  struct FrozenGraph : DeviceGraph {
    explicit FrozenGraph(FakeDevice &device) : device(device) {}
    Status replay() override {
      ++device.replayed;
      for (const DeviceLaunch &launch : launches)
        if (Status status = device.launch(launch); !status)
          return status;
      return {};
    }

    FakeDevice &device;
    std::vector<DeviceLaunch> launches;
    std::vector<std::vector<uint64_t>> values;
  };

  static DeviceAddress addressOf(const void *pointer) {
    return static_cast<DeviceAddress>(reinterpret_cast<uintptr_t>(pointer));
  }
  std::vector<std::unique_ptr<std::byte[]>> blocks;
};

/// Kernels of `launchPlan()`. Logit v of a token is its own number, plus 100
/// times its position, plus v.
class DeviceModels : public testing::Test {
protected:
  DeviceModels() {
    for (size_t i = 0; i != table.size(); ++i)
      table[i] = static_cast<float>(i / 8);
    device.kernels["embed"] = [this](const DeviceLaunch &launch) {
      // The grid is 3 halves of the rows, rounded up.
      auto rows = static_cast<int64_t>(launch.grid[0]) * 2 / 3;
      for (int64_t t = 0; t != rows; ++t) {
        int32_t token = FakeDevice::parameter<int32_t>(launch, 0)[t];
        uint16_t bits = FakeDevice::parameter<uint16_t>(launch, 1)[token * 8];
        FakeDevice::parameter<float>(launch, 2)[t * 8] = ggml::bf16ToF32(bits);
      }
    };
    device.kernels["angles"] = [](const DeviceLaunch &launch) {
      const auto *step = FakeDevice::parameter<int32_t>(launch, 1);
      for (int32_t t = 0; t != step[1]; ++t)
        FakeDevice::parameter<float>(launch, 0)[t * 32] =
            static_cast<float>(step[0] + t);
    };
    device.kernels["layer"] = [this](const DeviceLaunch &launch) {
      const auto *step = FakeDevice::parameter<int32_t>(launch, 4);
      capacity = *static_cast<const int32_t *>(launch.parameters[5]);
      for (int32_t t = 0; t != step[1]; ++t) {
        FakeDevice::parameter<float>(launch, 0)[t * 8] +=
            100 * static_cast<float>(step[0] + t);
        EXPECT_EQ(FakeDevice::parameter<float>(launch, 1)[t * 32],
                  static_cast<float>(step[0] + t));
      }
    };
    device.kernels["head"] = [](const DeviceLaunch &launch) {
      const auto *step = FakeDevice::parameter<int32_t>(launch, 3);
      for (int32_t t = 0; t != step[1]; ++t)
        for (int64_t v = 0; v != 16; ++v)
          FakeDevice::parameter<float>(launch, 2)[t * 16 + v] =
              FakeDevice::parameter<float>(launch, 0)[t * 8] +
              static_cast<float>(v);
    };
    source.find = [this](const std::string &) {
      TensorView view;
      view.type = ggml::Type::F32;
      view.rows = 16;
      view.cols = 8;
      view.data = reinterpret_cast<const std::byte *>(table.data());
      return std::optional<TensorView>(view);
    };
  }

  std::unique_ptr<DeviceModel> makeModel(int64_t chunk = 512) {
    EngineOptions options;
    options.prefillChunk = chunk;
    auto model = DeviceModel::create(launchPlan(), device, source, options);
    EXPECT_TRUE(bool(model)) << model.error();
    return std::move(*model);
  }

  std::string refusal(const Plan &plan) {
    auto model = DeviceModel::create(plan, device, source, {});
    return model ? "(accepted)" : model.error();
  }

  std::vector<float> table = std::vector<float>(16 * 8);
  TensorSource source;
  FakeDevice device;
  int32_t capacity = 0;
};

} // namespace

TEST_F(DeviceModels, PrefillAndDecode) {
  std::unique_ptr<DeviceModel> model = makeModel(3);
  // 16 rows of 8 values of bf16.
  EXPECT_EQ(model->memoryPlan().weights, 256U);
  // 200 positions in whole tiles of 64 keys, keys and values of 32 bf16.
  EXPECT_EQ(model->memoryPlan().caches, 256U * 32 * 2 * 2);
  // The stream, angles and tokens of 3 rows, logits of 48, and the table.
  EXPECT_EQ(model->memoryPlan().buffers,
            4U * (3 * (8 + 32 + 1) + 48 * 16) + 12);
  auto sequence = DeviceSequence::create(*model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  const DeviceMemoryPlan &planned = model->memoryPlan();
  EXPECT_EQ(device.taken, planned.weights + planned.caches + planned.buffers);
  DeviceSequence &run = **sequence;
  EXPECT_EQ(run.logits(), nullptr);
  ASSERT_TRUE(bool(run.prefill({5, 6, 7, 8})));
  EXPECT_EQ(run.position(), 4);
  EXPECT_EQ(run.logits()[2], 8 + 300 + 2);
  ASSERT_TRUE(bool(run.decode(9)));
  EXPECT_EQ(run.logits()[0], 9 + 400);
  EXPECT_EQ(run.position(), 5);
  EXPECT_EQ(capacity, 256);
  run.clear();
  EXPECT_EQ(run.logits(), nullptr);
  ASSERT_TRUE(bool(run.decode(1)));
  EXPECT_EQ(run.logits()[0], 1);
}

// What a graph has frozen must be right for every token that follows: position
// and token are in memory.
TEST_F(DeviceModels, RecordTheLaunchesOfATokenOnce) {
  std::unique_ptr<DeviceModel> model = makeModel();
  auto sequence = DeviceSequence::create(*model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  DeviceSequence &run = **sequence;
  ASSERT_TRUE(bool(run.decode(4)));
  EXPECT_TRUE(device.recorded.empty());
  for (int32_t i = 1; i != 5; ++i) {
    ASSERT_TRUE(bool(run.decode(4 + i)));
    EXPECT_EQ(run.logits()[1], static_cast<float>(4 + i + 100 * i + 1));
  }
  EXPECT_EQ(device.recorded, std::vector<size_t>{4});
  EXPECT_EQ(device.replayed, 4);
  // A prompt between tokens changes the memory, and not what graphs know of it.
  run.clear();
  ASSERT_TRUE(bool(run.prefill({5, 6, 7})));
  ASSERT_TRUE(bool(run.decode(9)));
  EXPECT_EQ(run.logits()[0], 9 + 300);
  EXPECT_EQ(device.recorded.size(), 1U);
  // Another sequence has memory of its own.
  auto other = DeviceSequence::create(*model);
  ASSERT_TRUE(bool((*other)->decode(1)) && bool((*other)->decode(2)));
  EXPECT_EQ((*other)->logits()[0], 2 + 100);
  EXPECT_EQ(device.recorded, (std::vector<size_t>{4, 4}));
}

TEST_F(DeviceModels, PassOnThatNothingCanBeRecorded) {
  std::unique_ptr<DeviceModel> model = makeModel();
  auto sequence = DeviceSequence::create(*model);
  device.recordFailure = "no graph";
  ASSERT_TRUE(bool((*sequence)->decode(1)));
  Status status = (*sequence)->decode(2);
  ASSERT_FALSE(bool(status));
  EXPECT_EQ(status.error(), "no graph");
  device.recordFailure.clear();
  (*sequence)->clear();
  ASSERT_TRUE(bool((*sequence)->decode(3)));
  EXPECT_EQ((*sequence)->logits()[0], 3);
}

// What a device does that has nothing better than launches.
TEST_F(DeviceModels, AreReplayedByAnyDevice) {
  int32_t runs = 0;
  device.kernels["count"] = [&](const DeviceLaunch &launch) {
    EXPECT_EQ(launch.grid[0], 2U);
    ++runs;
  };
  DeviceLaunch launch;
  launch.kernel = "count";
  launch.grid = {2, 1, 1};
  auto graph = device.Device::record({launch, launch});
  ASSERT_TRUE(bool(graph)) << graph.error();
  EXPECT_EQ(runs, 0);
  ASSERT_TRUE(bool((*graph)->replay()) && bool((*graph)->replay()));
  EXPECT_EQ(runs, 4);
  device.kernels.erase("count");
  EXPECT_EQ((*graph)->replay().error(), "no kernel count");
}

// Whoever measures needs launches with their sizes, not what they compute.
TEST_F(DeviceModels, RunWithoutWeightsBehindTokensThatNobodyComputed) {
  auto model = DeviceModel::createWithoutWeights(launchPlan(), device, {});
  ASSERT_TRUE(bool(model)) << model.error();
  EXPECT_EQ((*model)->memoryPlan().weights, 256U);
  auto sequence = DeviceSequence::create(**model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  DeviceSequence &run = **sequence;
  run.skip(7);
  EXPECT_EQ(run.position(), 7);
  EXPECT_EQ(run.logits(), nullptr);
  ASSERT_TRUE(bool(run.decode(9)));
  // The weights are zeros.
  EXPECT_EQ(run.logits()[1], 700 + 1);
  EXPECT_EQ(run.position(), 8);
}

TEST_F(DeviceModels, GiveCandidatesInThePlaceOfLogits) {
  Plan plan = launchPlan();
  plan.buffers.push_back({"best", {1, 3}});
  plan.buffers.push_back({"tokens", {1, 3}, ElementType::I32});
  for (Schedule &schedule : plan.schedules) {
    Step best = schedule.steps.back();
    best.function = "best";
    best.args = {Argument::buffer(2), Argument::buffer(3), Argument::buffer(4),
                 Argument::stepTable()};
    schedule.steps.push_back(best);
    schedule.logitsAll = false;
    schedule.candidates = {3, 4};
  }
  // The last columns of the last row.
  device.kernels["best"] = [](const DeviceLaunch &launch) {
    int32_t row = FakeDevice::parameter<int32_t>(launch, 3)[1] - 1;
    for (int32_t i = 0; i != 3; ++i) {
      FakeDevice::parameter<float>(launch, 1)[i] =
          FakeDevice::parameter<float>(launch, 0)[row * 16 + 15 - i];
      FakeDevice::parameter<int32_t>(launch, 2)[i] = 15 - i;
    }
  };
  auto model = DeviceModel::create(plan, device, source, {});
  ASSERT_TRUE(bool(model)) << model.error();
  auto sequence = DeviceSequence::create(**model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  DeviceSequence &run = **sequence;
  EXPECT_EQ(run.candidates().count, 0);
  auto expectBest = [&](float logit) {
    Candidates best = run.candidates();
    ASSERT_EQ(best.count, 3);
    for (int32_t i = 0; i != 3; ++i) {
      EXPECT_EQ(best.tokens[i], 15 - i);
      EXPECT_EQ(best.logits[i], logit + static_cast<float>(15 - i));
    }
    EXPECT_EQ(run.logits(), nullptr);
  };
  ASSERT_TRUE(bool(run.prefill({5, 6})));
  expectBest(6 + 100);
  for (int32_t token : {9, 1}) {
    ASSERT_TRUE(bool(run.decode(token)));
    expectBest(static_cast<float>(token + 100 * (run.position() - 1)));
  }
  run.clear();
  EXPECT_EQ(run.candidates().count, 0);
}

TEST_F(DeviceModels, HandOverTheSpansOfAStep) {
  Plan plan = launchPlan();
  for (Schedule &schedule : plan.schedules) {
    Step step = schedule.steps.front();
    step.function = "spans";
    step.args = {Argument::spans(), Argument::stepTable()};
    schedule.steps.insert(schedule.steps.begin(), step);
    ++schedule.headBegin;
  }
  std::vector<std::vector<int32_t>> seen;
  device.kernels["spans"] = [&](const DeviceLaunch &launch) {
    const auto *spans = FakeDevice::parameter<int32_t>(launch, 0);
    int32_t count = FakeDevice::parameter<int32_t>(launch, 1)[2];
    seen.emplace_back(spans, spans + 2 * count);
  };
  EngineOptions options;
  options.prefillChunk = 3;
  auto model = DeviceModel::create(plan, device, source, options);
  ASSERT_TRUE(bool(model)) << model.error();
  // Three spans more than without.
  EXPECT_EQ((*model)->memoryPlan().buffers,
            makeModel(3)->memoryPlan().buffers + 24);
  auto sequence = DeviceSequence::create(**model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  DeviceSequence &run = **sequence;
  // Steps end before what they cannot hold.
  ASSERT_TRUE(bool(run.prefill({1, 2, 3, 4, 5, 6, 7}, {}, {{2, 5}, {5, 7}})));
  ASSERT_TRUE(bool(run.decode(8)));
  // Positions are absolute.
  ASSERT_TRUE(bool(run.prefill({1, 2, 3}, {}, {{8, 9}, {9, 11}})));
  EXPECT_EQ(seen, (std::vector<std::vector<int32_t>>{
                      {}, {2, 5}, {5, 7}, {}, {8, 9, 9, 11}}));
  Status status = run.prefill({1, 2}, {}, {{10, 12}});
  ASSERT_FALSE(bool(status));
  EXPECT_EQ(status.error(), "span 10:12 must lie behind the one before and in "
                            "the tokens from 11 to 13");
  std::unique_ptr<DeviceModel> plain = makeModel();
  status = (*DeviceSequence::create(*plain))->prefill({1}, {}, {{0, 1}});
  ASSERT_FALSE(bool(status));
  EXPECT_EQ(status.error(), "the model has no mask with spans");
}

TEST_F(DeviceModels, GiveTheLogitsOfEveryRowInPieces) {
  std::unique_ptr<DeviceModel> model = makeModel();
  auto sequence = DeviceSequence::create(*model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  std::vector<int32_t> tokens(130, 3);
  std::vector<int64_t> pieces;
  int64_t next = 0;
  ASSERT_TRUE(bool((*sequence)->prefill(
      tokens, [&](const float *logits, int64_t rows) -> Status {
        pieces.push_back(rows);
        for (int64_t t = 0; t != rows; ++t, ++next)
          EXPECT_EQ(logits[t * 16 + 1], 3 + 100 * static_cast<float>(next) + 1);
        return {};
      })));
  EXPECT_EQ(next, 130);
  EXPECT_EQ(pieces, (std::vector<int64_t>{48, 48, 34}));
  EXPECT_EQ((*sequence)->logits()[0], 3 + 12900);
}

TEST_F(DeviceModels, RefuseTokensThatDoNotFit) {
  std::unique_ptr<DeviceModel> model = makeModel();
  auto sequence = DeviceSequence::create(*model);
  ASSERT_TRUE(bool(sequence)) << sequence.error();
  for (auto [tokens, reason] :
       {std::pair{std::vector<int32_t>{}, "a prompt must have"},
        {{16}, "token 16 is outside the vocabulary of 16"},
        {std::vector<int32_t>(201), "201 tokens do not fit"}}) {
    Status status = (*sequence)->prefill(tokens);
    ASSERT_FALSE(bool(status));
    EXPECT_EQ(status.error().rfind(reason, 0), 0U) << status.error();
  }
  EXPECT_EQ((*sequence)->position(), 0);
  EXPECT_TRUE(device.launches.empty());
}

TEST_F(DeviceModels, PassOnWhatTheDeviceSays) {
  std::unique_ptr<DeviceModel> model = makeModel();
  device.refused = "keys of kv";
  auto none = DeviceSequence::create(*model);
  ASSERT_FALSE(bool(none));
  EXPECT_EQ(none.error(),
            "keys of kv is too much; weights take 256 bytes, caches 32768, "
            "buffers 35884");
  device.refused = "weight table";
  auto placed = DeviceModel::create(launchPlan(), device, source, {});
  ASSERT_FALSE(bool(placed));
  EXPECT_EQ(placed.error().rfind("weight table is too much; weights take", 0),
            0U);
  device.refused.clear();
  auto sequence = DeviceSequence::create(*model);
  device.kernels.erase("layer");
  Status status = (*sequence)->decode(1);
  ASSERT_FALSE(bool(status));
  EXPECT_EQ(status.error(), "no kernel layer");
  EXPECT_EQ((*sequence)->logits(), nullptr);
}

TEST_F(DeviceModels, GiveEverythingBack) {
  {
    std::unique_ptr<DeviceModel> model = makeModel();
    auto sequence = DeviceSequence::create(*model);
    EXPECT_GT(device.alive, 0);
  }
  EXPECT_EQ(device.alive, 0);
}

TEST_F(DeviceModels, RefusePlansOfACpu) {
  EXPECT_EQ(refusal(fullPlan()).rfind("the plan has a step of the host", 0),
            0U);
  Plan panels = launchPlan();
  panels.weights[0].rows = 32;
  panels.weights[0].packing = Packing::PanelsBf16;
  EXPECT_EQ(refusal(panels), "weight 'table' is packed for a CPU");
}

TEST_F(DeviceModels, AreRefusedByACpu) {
  auto model = Model::create(
      launchPlan(), [](const std::string &) { return nullptr; }, source, {});
  ASSERT_FALSE(bool(model));
  EXPECT_EQ(model.error(), "the plan launches 'embed', which needs a GPU");
}
