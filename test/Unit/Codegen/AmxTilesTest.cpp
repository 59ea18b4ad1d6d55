// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of bf16 in AMX tiles, bit for bit against sums in their order.

#include "StageTest.h"
#include "flow/Ggml/Types.h"

#include <cmath>

using namespace flow;

namespace {

constexpr CodeTarget kTiles = {"x86-64-v3", "amx"};
constexpr int64_t kColumns = 64, kDepth = 96;

float rounded(float value) { return ggml::bf16ToF32(ggml::f32ToBf16(value)); }

/// `x * w^T` as TDPBF16PS adds: of each 32 numbers the even ones and the odd
/// ones from zero, then both. No number of the tests is near 2^-126.
Tensor productInTiles(const Tensor &x, const Tensor &w) {
  int64_t count = x.shape[0];
  Tensor result({count, kColumns});
  for (int64_t m = 0; m != count; ++m)
    for (int64_t n = 0; n != kColumns; ++n) {
      float sum = 0;
      for (int64_t tile = 0; tile != kDepth; tile += 32) {
        float parts[2] = {0, 0};
        for (int64_t k = tile; k != tile + 32; ++k)
          parts[k % 2] =
              std::fma(rounded(x.values[m * kDepth + k]),
                       rounded(w.values[n * kDepth + k]), parts[k % 2]);
        sum += parts[0] + parts[1];
      }
      result.values[m * kColumns + n] = sum;
    }
  return result;
}

struct AmxTiles : testing::Test {
  void SetUp() override {
    if (!canRun(kTiles))
      GTEST_SKIP() << "tiles can neither be used nor emulated here";
  }

  /// Expects products of `counts` rows to be what tiles give.
  void expectTiles(const char *extent, const std::string &phase,
                   llvm::ArrayRef<int64_t> counts) {
    CompiledFunction function(substitute(R"(
func.func @f(%x: tensor<$Tx96xf32>, %w: tensor<64x96xf32, #flow.panels<bf16>>) -> tensor<$Tx64xf32> {
  %r = flow.quantize_rows %x : tensor<$Tx96xf32> -> tensor<$Tx96xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<$Tx96xf32, #flow.bf16_rows>, tensor<64x96xf32, #flow.panels<bf16>> -> tensor<$Tx64xf32>
  return %y : tensor<$Tx64xf32>
})",
                                         {{"$T", extent}}),
                              kTiles, phase);
    Tensor w = randomTensor({kColumns, kDepth}, 81);
    for (int64_t count : counts) {
      SCOPED_TRACE(testing::Message() << count << " rows of " << phase);
      Tensor x = randomTensor({count, kDepth}, 82);
      std::vector<Tensor> results =
          function.run({plainArgument(x), bf16PanelsArgument(w)},
                       {llvm::SmallVector<int64_t, 4>{count, kColumns}});
      ASSERT_EQ(results.size(), 1u);
      EXPECT_TRUE(sameValues(results[0], productInTiles(x, w), count));
    }
  }
};

TEST_F(AmxTiles, OneRowIsATile) { expectTiles("1", "decode", {1}); }

// One tile, two that overlap, two, two and one that overlaps.
TEST_F(AmxTiles, AStepIsCutIntoTiles) {
  expectTiles("?", "prefill", {12, 24, 36, 48, 60, 72});
}

TEST_F(AmxTiles, AnyNumberOfRowsIs) {
  expectTiles("?", "batch_decode", {1, 2, 15, 16, 17, 31, 32, 33, 47, 49});
}

// The rows of a group of experts may be any part of a larger buffer.
TEST_F(AmxTiles, AFixedNumberOfRowsIs) { expectTiles("20", "prefill", {20}); }

} // namespace
