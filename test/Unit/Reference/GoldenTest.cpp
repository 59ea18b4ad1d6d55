// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Activations, caps, scales and rotary frequencies against published numbers,
// written with ten digits or more.

#include "TestModule.h"

using namespace flow;

namespace {

/// What the digits of a golden number leave open, relative to it.
constexpr double kDigits = 1e-10;

/// Within one rounding to f32 of a golden number.
void expectGolden(double actual, double golden, double slack = 0) {
  EXPECT_LE(std::abs(actual - golden),
            std::abs(golden) * (kF32 + kDigits) + slack)
      << actual << " is not " << golden;
}

const char *kGeglu = R"(
func.func @f(%gate: tensor<?xf32>, %up: tensor<?xf32>) -> tensor<?xf32> {
  %h = flow.geglu %gate, %up : tensor<?xf32>
  return %h : tensor<?xf32>
})";

/// `cap(z)` by a head of one row and one column.
double capOf(float z, const std::string &softcap) {
  TestModule module(R"(
func.func @f(%x: tensor<1x1xf32>, %w: tensor<1x1xf32>) -> tensor<1x1xf32> {
  %l = flow.lm_head %x, %w softcap )" +
                    softcap +
                    R"( : tensor<1x1xf32>, tensor<1x1xf32> -> tensor<1x1xf32>
  return %l : tensor<1x1xf32>
})");
  return module.run({share(Tensor({1, 1}, {z})), share(Tensor({1, 1}, {1.0f}))})
      .values[0];
}

std::string embedding(const std::string &scale) {
  return R"(
func.func @f(%t: tensor<?xi32>, %w: tensor<3x2xf32>) -> tensor<?x2xf32> {
  %x = flow.embed %t, %w scale )" +
         scale + R"( : tensor<?xi32>, tensor<3x2xf32> -> tensor<?x2xf32>
  return %x : tensor<?x2xf32>
})";
}

/// Angles of `rows` positions from `start` on, for the table that is written.
Tensor anglesOf(const std::string &table, int64_t headDim, int64_t start,
                int64_t rows) {
  std::string type = "tensor<?x" + std::to_string(headDim / 2) + "x2xf32>";
  TestModule module(R"(
flow.model @m <hidden = 64, vocab = 8, positions = 64> {
  flow.rope_table @t )" +
                    table + R"(
}
func.func @f(%start: index, %rows: index) -> )" +
                    type + R"( {
  %a = flow.rope_angles @m::@t at %start rows %rows : )" +
                    type + R"(
  return %a : )" + type +
                    R"(
})");
  return module.run({start, rows});
}

/// Pair `i` of row 0 at position 1 turns by the frequency itself.
void expectFrequency(const Tensor &angles, int64_t i, double frequency) {
  // |cos'| <= 1, so the digits of the frequency are those of its cosine.
  expectGolden(angles.values[2 * i], std::cos(frequency));
  expectGolden(angles.values[2 * i + 1], std::sin(frequency));
}

} // namespace

// T13
TEST(Golden, GeluIsTheTanhForm) {
  std::vector<double> inputs = {-5, -3, -1, -0.5, 0.1, 0.5, 1, 3};
  std::vector<double> golden = {
      -2.2917961972e-07, -3.6373920818e-03, -0.15880800939, -0.15428599018,
      0.05398275105,     0.34571400983,     0.84119199061,  2.99636260792};
  int64_t count = inputs.size();
  TestModule module(kGeglu);
  Tensor ones({count}, std::vector<float>(count, 1.0f));
  Tensor gate({count}, std::vector<float>(inputs.begin(), inputs.end()));
  Tensor result = module.run({share(gate), share(ones)});
  for (int64_t i = 0; i < count; ++i)
    // 0.1 is no f32; the slope of GELU is below 1.13 everywhere.
    expectGolden(result.values[i], golden[i],
                 1.13 * std::abs(inputs[i] - gate.values[i]));
  // The control: the erf form is further away than the bound allows.
  EXPECT_GT(std::abs(result.values[6] - 0.84134474607), 1e-4);
}

// T13
TEST(Golden, GegluMultipliesTheOtherHalf) {
  TestModule module(kGeglu);
  Tensor result = module.run(
      {share(Tensor({2}, {3.0f, 1.0f})), share(Tensor({2}, {-2.0f, 0.5f}))});
  expectGolden(result.values[0], -2 * 2.99636260792);
  expectGolden(result.values[1], 0.5 * 0.84119199061);
}

// T13
TEST(Golden, GeluOfLargeInputs) {
  TestModule module(kGeglu);
  Tensor result = module.run({share(Tensor({4}, {-3e38f, -40, 40, 3e38f})),
                              share(Tensor({4}, {1, 1, 1, 1}))});
  EXPECT_EQ(result.values, (std::vector<float>{0, 0, 40, 3e38f}));
}

// T15
TEST(Golden, Softcap) {
  expectGolden(capOf(1, "3.0e+01"), 0.9996297942);
  expectGolden(capOf(10, "3.0e+01"), 9.6453821259);
  expectGolden(capOf(50, "3.0e+01"), 27.9332882600);
  expectGolden(capOf(100, "3.0e+01"), 29.9237390242);
  expectGolden(capOf(10, "5.0e+01"), 9.8687660112);
  expectGolden(capOf(100, "5.0e+01"), 48.2013790038);
}

// T12
TEST(Golden, AttentionScale) {
  // Two keys, of scores `scale * 8` and 0, and the values 1 and 0: the result
  // is the first key's weight, 1 / (1 + e^(-8 scale)), whose slope in the score
  // is at most 1/4.
  for (auto [text, scale] : {std::pair("0.077151674981045955", 0.07715167498),
                             std::pair("0.083333333333333329", 0.08333333333),
                             std::pair("6.25e-02", 0.0625)}) {
    TestModule module(std::string(R"(
func.func @f(%q: tensor<1x1x2xf32>, %k: tensor<2x1x2xf32>, %v: tensor<2x1x2xf32>) -> tensor<1x1x2xf32> {
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %o = flow.attention %q at %c1, %k, %v total %c2 mask <causal> scale )") +
                      text + R"( : tensor<1x1x2xf32>, tensor<2x1x2xf32>
  return %o : tensor<1x1x2xf32>
})");
    Tensor result = module.run({share(Tensor({1, 1, 2}, {4, 4})),
                                share(Tensor({2, 1, 2}, {1, 1, 0, 0})),
                                share(Tensor({2, 1, 2}, {1, 1, 0, 0}))});
    expectGolden(result.values[0], 1 / (1 + std::exp(-8 * scale)),
                 2 * scale * kDigits);
  }
}

// T15
TEST(Golden, EmbeddingScale) {
  TestModule module(embedding("25.298221281347036"));
  Tensor table({3, 2}, {1, 2, 1.25f, 0.1f, -1, 3});
  Tensor result = module.run({tokens({1, 0, 1}), share(table)});
  float scale = 25.298221281347036; // sqrt(640)
  EXPECT_EQ(result.values,
            (std::vector<float>{1.25f * scale, 0.1f * scale, scale, 2 * scale,
                                1.25f * scale, 0.1f * scale}));
}

// T15
TEST(Golden, EmbeddingScaleIsRoundedFirst) {
  // The f32 of this scale is 1. Unrounded it would make 1.75 larger by 0.73 of
  // its last place.
  TestModule module(embedding("1.00000005"));
  Tensor result =
      module.run({tokens({0}), share(Tensor({3, 2}, {1.75f, 1, 0, 0, 0, 0}))});
  EXPECT_EQ(result.values, (std::vector<float>{1.75f, 1}));
}

// T11
TEST(Golden, RopeFrequencies) {
  Tensor local = anglesOf("theta 1.0e+04 head_dim 256", 256, 1, 1);
  expectFrequency(local, 0, 1);
  expectFrequency(local, 1, 0.930572040930);
  expectFrequency(local, 127, 1.07460782832e-4);
  Tensor global = anglesOf("theta 1.0e+06 head_dim 256", 256, 1, 1);
  expectFrequency(global, 1, 0.897687132447);
  expectFrequency(global, 127, 1.11397385999e-6);
}

// T11
TEST(Golden, RopeFactorDividesTheAngle) {
  Tensor angles =
      anglesOf("theta 1.0e+06 head_dim 256 factor 8.0e+00", 256, 1, 1);
  expectFrequency(angles, 1, 0.897687132447 / 8);
  expectFrequency(angles, 127, 1.11397385999e-6 / 8);
}

// T11
TEST(Golden, PartialRopeDividesByTheWholeHead) {
  Tensor angles = anglesOf("theta 1.0e+06 head_dim 512 pairs 64", 512, 1, 1);
  expectFrequency(angles, 1, 0.947463525655);
  expectFrequency(angles, 31, 0.187688429358);
  expectFrequency(angles, 63, 0.0333762469429);
  for (int64_t i = 64; i < 256; ++i) {
    EXPECT_EQ(angles.values[2 * i], 1);
    EXPECT_EQ(angles.values[2 * i + 1], 0);
  }
}

// T11
TEST(Golden, RopeAnglesAreOfAbsolutePositions) {
  // At 32767 an angle in f32 would err by 2^-10; one in f64 by 2^-38.
  Tensor angles = anglesOf("theta 1.0e+04 head_dim 4", 4, 32766, 2);
  double angle = 32767 * std::pow(10000, -0.5);
  EXPECT_EQ(angles.values[4], float(std::cos(32767.0)));
  EXPECT_EQ(angles.values[5], float(std::sin(32767.0)));
  EXPECT_EQ(angles.values[6], float(std::cos(angle)));
  EXPECT_EQ(angles.values[7], float(std::sin(angle)));
}

// T11
TEST(Golden, RopeTurnsHalves) {
  TestModule module(R"(
func.func @f(%x: tensor<?x2x4xf32>, %a: tensor<?x2x2xf32>) -> tensor<?x2x4xf32> {
  %r = flow.rope %x, %a : tensor<?x2x4xf32>, tensor<?x2x2xf32>
  return %r : tensor<?x2x4xf32>
})");
  // Pair 0 by a right angle, pair 1 not at all: (x0, x2) becomes (-x2, x0).
  Tensor result =
      module.run({share(Tensor({1, 2, 4}, {1, 2, 3, 4, 5, 6, 7, 8})),
                  share(Tensor({1, 2, 2}, {0, 1, 1, 0}))});
  EXPECT_EQ(result.values, (std::vector<float>{-3, 2, 1, 4, -7, 6, 5, 8}));
}
