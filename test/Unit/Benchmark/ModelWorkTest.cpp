// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The work of a small model, counted by hand.

#include "../Import/TestModels.h"

#include "flow/Benchmark/ModelWork.h"

#include "llvm/ADT/STLExtras.h"

#include <gtest/gtest.h>

#include <set>

using namespace flow;

namespace {

// 7 layers of width 64, of which the sixth is full and the others see 16 keys;
// 4 heads and 2 of keys of size 32; 96 wide inside; a head of 64 rows.
constexpr double kKeyValue = 2 * 64 * (2 * 32);
constexpr double kBehindKeys = 2 * 64 * (4 * 32) + 3 * 64 * 96;
constexpr double kLayer = kKeyValue + kBehindKeys;
constexpr double kHead = 64 * 64;
constexpr double kPerKey = 4 * 4 * 32;
constexpr double kKeyBytes = 2 * 4 * 2 * 32;

struct CountedModel {
  explicit CountedModel(const char *numerics, int64_t topK = 0) {
    TestModelSizes sizes;
    sizes.vocab = 64;
    TestFile file(gemma3File(sizes));
    LoadOptions options;
    options.compile.numerics = numerics;
    options.compile.topK = topK;
    options.compile.batch = topK == 0;
    loaded = llvm::cantFail(LoadedModel::load(file.path(), options));
    work.emplace(loaded->model().plan(), loaded->imported());
  }

  std::unique_ptr<LoadedModel> loaded;
  std::optional<ModelWork> work;
};

/// Bytes of the weights that are vectors.
constexpr double kVectorBytes = 4 * (7 * (4 * 64 + 2 * 32) + 64);

} // namespace

TEST(ModelWorkTest, CountsVisibleKeys) {
  for (int64_t window : {0, 1, 3, 100})
    for (int64_t first : {0, 1, 2, 3, 50})
      for (int64_t count : {0, 1, 2, 5}) {
        int64_t keys = 0;
        for (int64_t q = first; q != first + count; ++q)
          keys += window == 0 ? q + 1 : std::min(q + 1, window);
        EXPECT_EQ(visibleKeys(first, count, window), keys)
            << first << ' ' << count << ' ' << window;
      }
}

TEST(ModelWorkTest, CountsAPrompt) {
  CountedModel model("f32");
  // 20 tokens behind 10 others: 5 windows that all queries are in, one that
  // only the last is, and one full layer.
  Work work = total(model.work->prefill(10, 20, 512));
  double windowed = 11 + 12 + 13 + 14 + 15 + 15 * 16;
  double full = 20 * 10 + 20 * 21 / 2;
  EXPECT_EQ(work.operations.f32, 20 * 2 * (6 * kLayer + kKeyValue) +
                                     2 * kBehindKeys + 2 * kHead +
                                     kPerKey * (5 * windowed + full + 16));
  EXPECT_EQ(work.operations.bf16, 0);
  EXPECT_EQ(work.operations.int8, 0);
  EXPECT_EQ(work.readBytes,
            4 * (7 * kLayer + kHead) + kVectorBytes + 7 * 10 * kKeyBytes);
}

// Layers of one kind are one function, in the order in which they come first.
TEST(ModelWorkTest, CountsByFunction) {
  CountedModel model("f32");
  std::vector<FunctionWork> functions = model.work->decode(30);
  ASSERT_GE(functions.size(), 3u);
  EXPECT_EQ(functions.front().function, "decode_layer0");
  EXPECT_EQ(functions.back().function, "decode_head");
  EXPECT_EQ(functions.back().work.operations.f32, 2 * kHead);
  std::set<std::string> names;
  for (const FunctionWork &each : functions)
    names.insert(each.function);
  EXPECT_EQ(names.size(), functions.size());
  // The full layer has a function of its own.
  auto full = llvm::find_if(functions, [](const FunctionWork &each) {
    return each.function == "decode_layer5";
  });
  ASSERT_NE(full, functions.end());
  EXPECT_EQ(full->work.operations.f32, 2 * kLayer + kPerKey * 31);
}

// Of each chunk the weights are read again, the head's are not, and the keys
// and values that earlier chunks have written are earlier ones.
TEST(ModelWorkTest, CountsChunks) {
  CountedModel model("f32");
  Work whole = total(model.work->prefill(0, 50, 50)),
       parts = total(model.work->prefill(0, 50, 20));
  EXPECT_EQ(whole.operations.f32, parts.operations.f32);
  double layers = 4 * 7 * kLayer + kVectorBytes;
  EXPECT_EQ(parts.readBytes - whole.readBytes,
            2 * layers + kKeyBytes * (6 * (15 + 15) + 20 + 40));
}

TEST(ModelWorkTest, CountsAToken) {
  CountedModel model("f32");
  Work work = total(model.work->decode(30));
  EXPECT_EQ(work.operations.f32,
            2 * (7 * kLayer + kHead) + kPerKey * (6 * 16 + 31));
  EXPECT_EQ(work.readBytes, 4 * (7 * kLayer + kHead) + kVectorBytes +
                                kKeyBytes * (6 * 15 + 30));
}

// Sequences that decode together read the weights once, keys and values each.
TEST(ModelWorkTest, CountsATokenOfEach) {
  CountedModel model("f32");
  std::vector<FunctionWork> functions = model.work->decode(30, 8);
  EXPECT_EQ(functions.front().function, "batch_decode_layer0");
  Work work = total(functions);
  EXPECT_EQ(work.operations.f32,
            8 * total(model.work->decode(30)).operations.f32);
  EXPECT_EQ(work.readBytes, 4 * (7 * kLayer + kHead) + kVectorBytes +
                                8 * kKeyBytes * (6 * 15 + 30));
}

// Products count as what their weights are packed for.
TEST(ModelWorkTest, CountsByArithmetic) {
  CountedModel bytes("int8"), halves("bf16");
  Work work = total(bytes.work->decode(0));
  EXPECT_EQ(work.operations.int8, 2 * (7 * kLayer + kHead));
  EXPECT_EQ(work.operations.f32, kPerKey * 7);
  // The head, and queries with keys and values, which are Q8_0 among others,
  // have a byte an element; the output of attention and the last matrix of an
  // MLP have 4 bits, the other two have 5. Of 32 there is a scale of 2 bytes,
  // and in Q4_1, the type of that last matrix, a minimum of 4 bytes.
  constexpr double kByte = kKeyValue + 64 * (4 * 32);
  constexpr double kHalf = 64 * (4 * 32) + 64 * 96, kFive = 2 * 64 * 96;
  EXPECT_EQ(work.readBytes, 7 * (kByte + kHalf / 2 + kFive * 5 / 8) + kHead +
                                (7 * kLayer + kHead) * 2 / 32 +
                                7 * 64 * 96 / 32 * 4 + kVectorBytes);

  work = total(halves.work->decode(0));
  EXPECT_EQ(work.operations.bf16, 2 * (7 * kLayer + kHead));
  EXPECT_EQ(work.readBytes, 2 * (7 * kLayer + kHead) + kVectorBytes);
}

// Of a screened head what every token needs: 5 of 8 bits, and the scales.
TEST(ModelWorkTest, CountsTheScreenOfAHead) {
  CountedModel whole("int8"), best("int8", 1);
  Work all = total(whole.work->decode(0)), screen = total(best.work->decode(0));
  EXPECT_EQ(all.readBytes - screen.readBytes, kHead * 3 / 8);
  EXPECT_EQ(screen.operations.int8, all.operations.int8);
}

TEST(ModelWorkTest, AddsTimesAtPeak) {
  MachineSpeed speed;
  speed.f32 = 10;
  speed.int8 = 100;
  EXPECT_EQ(secondsAtPeak({20, 0, 300}, speed), 5.0);
  // What a machine has no instruction for has no peak, unless nobody asks.
  EXPECT_EQ(secondsAtPeak({20, 1, 300}, speed), std::nullopt);
}
