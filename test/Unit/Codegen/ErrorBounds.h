// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What results may err by, carried from stage to stage.
//
// Each bound is what the contract of an op states, with one more rounding for
// the interpreter, which computes in f64 and rounds the result of each stage.
// `u` is kF32, the unit roundoff.

#ifndef FLOW_TEST_UNIT_CODEGEN_ERRORBOUNDS_H
#define FLOW_TEST_UNIT_CODEGEN_ERRORBOUNDS_H

#include "../Reference/TestModule.h"

namespace flow {

/// Largest relative errors of the code's exp and tanh, which MathTest checks:
/// for exp what flow.attention states, for tanh six roundings.
constexpr double kExpError = 4e-7, kTanhError = 6 * kF32;

/// Rows of values in f64, and what each may err by.
struct Inexact {
  int64_t length = 0;
  std::vector<double> values, errors;

  /// Exact values.
  explicit Inexact(const Tensor &tensor)
      : length(tensor.rowLength()),
        values(tensor.values.begin(), tensor.values.end()),
        errors(values.size()) {}
  explicit Inexact(int64_t length) : length(length) {}
};

/// Rows by the rows of a weight: the errors of `rows` and `roundings` u of the
/// sum of what is added, the sizes of weights being `magnitudes`.
inline Inexact linear(const Inexact &rows, const Tensor &weight,
                      const Tensor &magnitudes, double roundings) {
  int64_t depth = rows.length, columns = weight.shape[0];
  Inexact result(columns);
  for (size_t row = 0; row != rows.values.size(); row += depth)
    for (int64_t n = 0; n != columns; ++n) {
      double sum = 0, error = 0;
      for (int64_t k = 0; k != depth; ++k) {
        double value = rows.values[row + k], wrong = rows.errors[row + k];
        double size = std::abs(double(magnitudes.values[n * depth + k]));
        sum += value * weight.values[n * depth + k];
        error += size * (wrong + roundings * kF32 * (std::abs(value) + wrong));
      }
      result.values.push_back(sum);
      result.errors.push_back(error);
    }
  return result;
}

/// The same for f32 weights: flow.linear states K u.
inline Inexact linear(const Inexact &rows, const Tensor &weight) {
  return linear(rows, weight, weight, rows.length + 1);
}

/// The relative error of a norm of `d` values: flow.rms_norm states (d/2 + 6) u
/// and u for the result.
inline double normError(int64_t d) { return (d / 2.0 + 8) * kF32; }

/// Norms of heads of `d` values, `weight` being null or `[d]`. With `r` the
/// inverse root mean square, an element moves by its error times `r` and its
/// weight, and `r` itself, by Cauchy-Schwarz, by at most the ratio of the
/// lengths of error and head. 1 + 2^-10 covers products of errors.
inline Inexact rmsNorm(const Inexact &rows, int64_t d, const Tensor *weight,
                       double eps) {
  Inexact result(rows.length);
  for (size_t head = 0; head != rows.values.size(); head += d) {
    double squares = 0, errors = 0;
    for (size_t i = head; i != head + d; ++i) {
      squares += rows.values[i] * rows.values[i];
      errors += rows.errors[i] * rows.errors[i];
    }
    double r = 1 / std::sqrt(squares / d + eps);
    for (size_t i = head; i != head + d; ++i) {
      double w = weight ? weight->values[i - head] : 1;
      double y = rows.values[i] * r * w;
      result.values.push_back(y);
      result.errors.push_back(
          std::abs(y) *
              (normError(d) + 0x1.004p0 * std::sqrt(errors / squares)) +
          0x1.004p0 * rows.errors[i] * r * std::abs(w));
    }
  }
  return result;
}

/// Heads of `d` values turned by `angles` `[T, d/2, 2]`: flow.rope states 3 u
/// of both values of a pair.
inline Inexact rope(const Inexact &rows, int64_t d, const Tensor &angles) {
  Inexact result = rows;
  int64_t half = d / 2;
  for (size_t at = 0; at != rows.values.size(); ++at) {
    int64_t i = at % d, pair = i % half;
    size_t other = i < half ? at + half : at - half;
    const float *angle = &angles.values[(at / rows.length * half + pair) * 2];
    double cos = angle[0], sin = i < half ? -angle[1] : angle[1];
    double x = rows.values[at], y = rows.values[other];
    result.values[at] = x * cos + y * sin;
    result.errors[at] = rows.errors[at] * std::abs(cos) +
                        rows.errors[other] * std::abs(sin) +
                        4 * kF32 * (std::abs(x) + std::abs(y));
  }
  return result;
}

/// `gelu(g) * u` of rows that hold 16 gates and 16 ups in turn. GELU grows at
/// most 1.13 times as fast as its argument; flow.geglu states 2^-19 |g u| + 16
/// u |h|. 1 + 2^-10 covers products of errors.
inline Inexact interleavedGeglu(const Inexact &rows) {
  Inexact result(rows.length / 2);
  for (size_t i = 0; i != rows.values.size() / 2; ++i) {
    size_t gate = i / 16 * 32 + i % 16, up = gate + 16;
    double g = rows.values[gate], u = rows.values[up];
    double tanh = std::tanh(std::sqrt(2 / M_PI) * (g + 0.044715 * g * g * g));
    double gelu = g / 2 * (1 + tanh);
    result.values.push_back(gelu * u);
    result.errors.push_back(
        0x1.004p0 *
        (1.13 * rows.errors[gate] * (std::abs(u) + rows.errors[up]) +
         std::abs(gelu) * rows.errors[up] + 0x1p-19 * std::abs(g * u) +
         17 * kF32 * std::abs(gelu * u)));
  }
  return result;
}

/// Quantised rows. An element scaled to the range of quants moves by `127 / m`
/// times its error and by the error of `m`; where that reaches a tie the quant
/// may be the next one. A scale errs as its block's `m` does, and by an ulp.
inline Inexact quantizeRows(const Inexact &rows, int64_t block) {
  Inexact result(rows.length);
  for (size_t first = 0; first != rows.values.size(); first += block) {
    double m = 0, mError = 0;
    for (size_t i = first; i != first + block; ++i) {
      m = std::max(m, std::abs(rows.values[i]));
      mError = std::max(mError, rows.errors[i]);
    }
    for (size_t i = first; i != first + block; ++i) {
      double scaled = rows.values[i] * 127 / m;
      double move =
          (127 * rows.errors[i] + std::abs(scaled) * mError) / (m - mError) +
          4 * kF32 * std::abs(scaled);
      double quant = std::nearbyint(scaled);
      bool tie = 0.5 - std::abs(scaled - quant) <= move;
      result.values.push_back(quant * m / 127);
      result.errors.push_back((tie ? (m + mError) / 127 : 0) +
                              std::abs(quant) * (mError + 4 * kF32 * m) / 127);
    }
  }
  return result;
}

/// Rows as bf16 holds them: wherever a value may lie, rounded too.
inline Inexact roundToBf16(const Inexact &rows) {
  Inexact result(rows.length);
  for (size_t i = 0; i != rows.values.size(); ++i) {
    double value = rows.values[i], error = rows.errors[i];
    auto round = [](double v) {
      return ggml::bf16ToF32(ggml::f32ToBf16(static_cast<float>(v)));
    };
    result.values.push_back(round(value));
    // Rounding does not change the order of numbers.
    double low = round(value - error), high = round(value + error);
    result.errors.push_back(
        std::max(high - result.values[i], result.values[i] - low));
  }
  return result;
}

/// What the code's `y = cap * tanh(z / cap)` errs by, beside the error of `z`,
/// which it does not enlarge: the quotient `v` is rounded, which moves tanh by
/// at most `|v| sech^2(v) u <= |tanh(v)| u`; tanh errs; the product is rounded,
/// and so is the interpreter's.
inline double softcapError(double y) {
  return std::abs(y) * (kTanhError + 3.01 * kF32);
}

} // namespace flow

#endif // FLOW_TEST_UNIT_CODEGEN_ERRORBOUNDS_H
