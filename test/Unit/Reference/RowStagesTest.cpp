// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Norms, products and quantised rows against plain loops.

#include "TestModule.h"

#include "flow/Ggml/Types.h"

using namespace flow;

namespace {

std::string rmsNormOf(int64_t d, const std::string &element = "f32") {
  std::string size = std::to_string(d);
  std::string x = "tensor<?x" + size + "x" + element + ">";
  std::string w = "tensor<" + size + "xf32>";
  return "func.func @f(%x: " + x + ", %w: " + w + ") -> " + x +
         " {\n  %y = flow.rms_norm %x scale %w : " + x + ", " + w +
         "\n  return %y : " + x + "\n}";
}

/// The formula in arithmetic of type `T`, leaving out the elements from `used`
/// on in the sum.
template <typename T>
std::vector<T> rmsNorm(llvm::ArrayRef<float> x, llvm::ArrayRef<float> weight,
                       size_t used) {
  T squares = 0;
  for (size_t i = 0; i < used; ++i)
    squares += T(x[i]) * T(x[i]);
  T r = 1 / std::sqrt(squares / T(x.size()) + T(1e-6));
  std::vector<T> y(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    y[i] = x[i] * r * weight[i];
  return y;
}

template <typename T>
double worstRelative(llvm::ArrayRef<T> actual, llvm::ArrayRef<double> exact) {
  double worst = 0;
  for (auto [a, e] : llvm::zip_equal(actual, exact))
    worst = std::max(worst, std::abs(a - e) / std::abs(e));
  return worst;
}

std::string productOf(const std::string &op, int64_t k, int64_t n) {
  std::string x = "tensor<?x" + std::to_string(k) + "xf32>";
  std::string w =
      "tensor<" + std::to_string(n) + "x" + std::to_string(k) + "xf32>";
  std::string y = "tensor<?x" + std::to_string(n) + "xf32>";
  return "func.func @f(%x: " + x + ", %w: " + w + ") -> " + y +
         " {\n  %y = " + op + " %x, %w : " + x + ", " + w + " -> " + y +
         "\n  return %y : " + y + "\n}";
}

} // namespace

// T10
TEST(RmsNorm, MeetsItsContract) {
  for (int64_t d : {1, 7, 640, 5376}) {
    SCOPED_TRACE("d = " + std::to_string(d));
    Tensor x = randomTensor({1, d}, 11), w = randomTensor({d}, 12);
    // Most of the sum stands in the last element, so that a sum without it is
    // seen whatever the length.
    x.values.back() = 100;
    std::vector<double> exact = rmsNorm<double>(x.values, w.values, d);
    Tensor y = TestModule(rmsNormOf(d)).run({share(x), share(w)});

    // One rounding, and f64 before it: the sum, the four operations after it.
    EXPECT_LE(worstRelative<float>(y.values, exact), kF32 + (d + 8) * kF64);
    // What a kernel may do, by the op's contract, seen from the interpreter.
    std::vector<double> reference(y.values.begin(), y.values.end());
    double contract = (d / 2.0 + 6) * kF32 + 2 * kF32;
    EXPECT_LE(
        worstRelative<float>(rmsNorm<float>(x.values, w.values, d), reference),
        contract);
    // The control: one element left out of the sum.
    if (d > 1) {
      EXPECT_GT(worstRelative<float>(rmsNorm<float>(x.values, w.values, d - 1),
                                     reference),
                contract);
    }
  }
}

TEST(RmsNorm, RowsAndHeadsAreNormedAlone) {
  TestModule module(R"(
func.func @f(%x: tensor<?x2x2xf32>) -> tensor<?x2x2xf32> {
  %y = flow.rms_norm %x eps 1.0e-30 : tensor<?x2x2xf32>
  return %y : tensor<?x2x2xf32>
})");
  Tensor y =
      module.run({share(Tensor({2, 2, 2}, {1, 1, 7, -7, 0, 0, 0.5f, 0.5f}))});
  EXPECT_EQ(y.values, (std::vector<float>{1, 1, 1, -1, 0, 0, 1, 1}));
}

// T10
TEST(RmsNorm, EpsIsAddedToTheMean) {
  TestModule module(R"(
func.func @f(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  %y = flow.rms_norm %x eps 3.0e+00 : tensor<1x2xf32>
  return %y : tensor<1x2xf32>
})");
  // mean = 1, and 1 / sqrt(1 + 3) = 1/2.
  Tensor y = module.run({share(Tensor({1, 2}, {1, -1}))});
  EXPECT_EQ(y.values, (std::vector<float>{0.5f, -0.5f}));
}

TEST(RmsNorm, Bf16IsRoundedAtTheEnd) {
  Tensor x = randomTensor({1, 8}, 13), w = randomTensor({8}, 14);
  for (float &value : x.values)
    value = ggml::bf16ToF32(ggml::f32ToBf16(value));
  Tensor y = TestModule(rmsNormOf(8, "bf16")).run({share(x), share(w)});
  std::vector<double> exact = rmsNorm<double>(x.values, w.values, 8);
  for (auto [actual, e] : llvm::zip_equal(y.values, exact))
    EXPECT_EQ(actual, ggml::bf16ToF32(ggml::f32ToBf16(float(e))));
}

TEST(Scale, MultipliesByItsOnlyElement) {
  TestModule module(R"(
func.func @f(%x: tensor<?x3xf32>, %c: tensor<1xf32>) -> tensor<?x3xf32> {
  %y = flow.scale %x by %c : tensor<?x3xf32>, tensor<1xf32>
  return %y : tensor<?x3xf32>
})");
  Tensor x = randomTensor({2, 3}, 15), factor({1});
  factor.values[0] = -0.3f;
  Tensor y = module.run({share(x), share(factor)});
  ASSERT_EQ(y.values.size(), 6u);
  for (size_t i = 0; i != 6; ++i)
    EXPECT_EQ(y.values[i], x.values[i] * -0.3f);
}

TEST(Linear, MatchesALoopInF64) {
  // Below, at and above the number of lanes and of rows of a task.
  for (auto [k, n] : {std::pair(1, 1), std::pair(31, 63), std::pair(32, 64),
                      std::pair(33, 65), std::pair(640, 130)}) {
    SCOPED_TRACE(std::to_string(k) + " x " + std::to_string(n));
    Tensor x = randomTensor({3, k}, 21), w = randomTensor({n, k}, 22);
    Tensor y =
        TestModule(productOf("flow.linear", k, n)).run({share(x), share(w)});
    ASSERT_EQ(y.shape, (llvm::SmallVector<int64_t, 4>{3, n}));
    for (int64_t t = 0; t < 3; ++t)
      for (int64_t j = 0; j < n; ++j) {
        double exact = 0, magnitude = 0;
        for (int64_t i = 0; i < k; ++i) {
          double product = double(x.values[t * k + i]) * w.values[j * k + i];
          exact += product;
          magnitude += std::abs(product);
        }
        // Both sums err by k u(f64) of the magnitudes; one rounding to f32.
        ASSERT_LE(std::abs(y.values[t * n + j] - exact),
                  2 * k * kF64 * magnitude + kF32 * std::abs(exact));
      }
  }
}

TEST(Linear, NoRowsGiveNoRows) {
  Tensor y = TestModule(productOf("flow.linear", 4, 3))
                 .run({share(Tensor({0, 4})), share(randomTensor({3, 4}, 1))});
  EXPECT_EQ(y.shape, (llvm::SmallVector<int64_t, 4>{0, 3}));
  EXPECT_TRUE(y.values.empty());
}

TEST(Linear, ThreadsChangeNothing) {
  Tensor x = randomTensor({5, 96}, 23), w = randomTensor({500, 96}, 24);
  std::string text = productOf("flow.linear", 96, 500);
  Tensor many = TestModule(text).run({share(x), share(w)});
  Tensor one = TestModule(text, 8, /*threads=*/false).run({share(x), share(w)});
  EXPECT_EQ(many.values, one.values);
}

// T15
TEST(LmHead, WithoutCapIsTheProduct) {
  Tensor x = randomTensor({2, 16}, 25), w = randomTensor({40, 16}, 26);
  Tensor head =
      TestModule(productOf("flow.lm_head", 16, 40)).run({share(x), share(w)});
  Tensor product =
      TestModule(productOf("flow.linear", 16, 40)).run({share(x), share(w)});
  EXPECT_EQ(head.values, product.values);
}

TEST(QuantizeRows, ValuesAreScaleTimesQuant) {
  TestModule module(R"(
func.func @f(%x: tensor<?x32xf32>) -> tensor<?x32xf32, #flow.quantized_rows<block = 16>> {
  %q = flow.quantize_rows %x : tensor<?x32xf32> -> tensor<?x32xf32, #flow.quantized_rows<block = 16>>
  return %q : tensor<?x32xf32, #flow.quantized_rows<block = 16>>
})");
  Tensor x = randomTensor({3, 32}, 27);
  Tensor q = module.run({share(x)});
  for (size_t block = 0; block < x.values.size(); block += 16) {
    float largest = 0;
    for (int i = 0; i < 16; ++i)
      largest = std::max(largest, std::abs(x.values[block + i]));
    float scale = largest / 127;
    for (int i = 0; i < 16; ++i) {
      double quant = std::round(q.values[block + i] / double(scale));
      EXPECT_EQ(q.values[block + i], float(quant * scale));
      EXPECT_LE(std::abs(quant), 127);
      // Half a step; and the scale, its inverse, both products in f32, each an
      // error of u of at most m.
      EXPECT_LE(std::abs(q.values[block + i] - x.values[block + i]),
                largest * (1 / 254.0 + 4 * kF32));
    }
  }
}

TEST(QuantizeRows, TiesGoToEvenAndZerosStay) {
  TestModule module(R"(
func.func @f(%x: tensor<2x32xf32>) -> tensor<2x32xf32, #flow.quantized_rows<block = 32>> {
  %q = flow.quantize_rows %x : tensor<2x32xf32> -> tensor<2x32xf32, #flow.quantized_rows<block = 32>>
  return %q : tensor<2x32xf32, #flow.quantized_rows<block = 32>>
})");
  Tensor x({2, 32});
  // A scale of 1 and a row without one.
  std::vector<float> given = {127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 3.25f, -127};
  std::vector<float> expected = {127, 0, 2, 2, -0.0f, -2, 3, -127};
  std::copy(given.begin(), given.end(), x.values.begin());
  Tensor q = module.run({share(x)});
  EXPECT_EQ(std::vector<float>(q.values.begin(), q.values.begin() + 8),
            expected);
  EXPECT_EQ(std::vector<float>(q.values.begin() + 8, q.values.end()),
            std::vector<float>(56, 0.0f));
}

TEST(QuantizeRows, TooSmallForAnInverseIsZero) {
  TestModule module(R"(
func.func @f(%x: tensor<1x32xf32>) -> tensor<1x32xf32, #flow.quantized_rows<block = 16>> {
  %q = flow.quantize_rows %x : tensor<1x32xf32> -> tensor<1x32xf32, #flow.quantized_rows<block = 16>>
  return %q : tensor<1x32xf32, #flow.quantized_rows<block = 16>>
})");
  Tensor x({1, 32});
  x.values[3] = std::nextafter(0x1p-120f, 0.0f);
  x.values[20] = 0x1p-120f;
  Tensor q = module.run({share(x)});
  EXPECT_EQ(q.values[3], 0);
  EXPECT_EQ(q.values[20], 127 * (0x1p-120f / 127));
}
