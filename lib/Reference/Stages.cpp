// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages that look at one row or one element at a time.

#include "Stages.h"

#include "flow/Ggml/Types.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

using namespace flow;
using namespace flow::reference;

float reference::roundTo(Element element, double value) {
  float rounded = static_cast<float>(value);
  switch (element) {
  case Element::F32:
    return rounded;
  case Element::BF16:
    return ggml::bf16ToF32(ggml::f32ToBf16(rounded));
  case Element::F16:
    return ggml::f16ToF32(ggml::f32ToF16(rounded));
  }
  return rounded;
}

double reference::capped(double z, std::optional<double> softcap) {
  return softcap ? *softcap * std::tanh(z / *softcap) : z;
}

Tensor reference::add(const Tensor &a, const Tensor &b, Element element) {
  Tensor result(a.shape);
  for (size_t i = 0; i < a.values.size(); ++i)
    result.values[i] = roundTo(element, double(a.values[i]) + b.values[i]);
  return result;
}

Tensor reference::multiply(const Tensor &a, const Tensor &b, Element element) {
  Tensor result(a.shape);
  for (size_t i = 0; i < a.values.size(); ++i)
    result.values[i] = roundTo(element, double(a.values[i]) * b.values[i]);
  return result;
}

Tensor reference::scale(const Tensor &input, float factor, Element element) {
  Tensor result(input.shape);
  for (size_t i = 0; i < input.values.size(); ++i)
    result.values[i] = roundTo(element, double(input.values[i]) * factor);
  return result;
}

Tensor reference::rmsNorm(const Tensor &input, const Tensor *weight, double eps,
                          Element element) {
  Tensor result(input.shape);
  size_t length = input.rowLength();
  for (size_t row = 0; row < input.values.size(); row += length) {
    double squares = 0;
    for (size_t i = 0; i < length; ++i)
      squares += double(input.values[row + i]) * input.values[row + i];
    double r = 1 / std::sqrt(squares / length + eps);
    for (size_t i = 0; i < length; ++i) {
      double y = input.values[row + i] * r;
      if (weight)
        y *= weight->values[i];
      result.values[row + i] = roundTo(element, y);
    }
  }
  return result;
}

/// The tanh form of GELU. `(1 + tanh a) / 2 = 1 / (1 + e^(-2a))`, which does
/// not cancel where `tanh a` is near -1.
static double gelu(double t) {
  double a = std::sqrt(2 / M_PI) * (t + 0.044715 * t * t * t);
  return t / (1 + std::exp(-2 * a));
}

Tensor reference::geglu(const Tensor &gate, const Tensor &up, Element element) {
  Tensor result(gate.shape);
  for (size_t i = 0; i < gate.values.size(); ++i)
    result.values[i] = roundTo(element, gelu(gate.values[i]) * up.values[i]);
  return result;
}

std::pair<TokenTensor, Tensor>
reference::routeExperts(const Tensor &logits, const Tensor &expertScale,
                        double factor, int64_t chosen, Element element) {
  int64_t rows = logits.shape[0], experts = logits.shape[1];
  TokenTensor ids({rows, chosen});
  Tensor shares({rows, chosen});
  std::vector<float> z(experts);
  std::vector<int32_t> order(experts);
  for (int64_t t = 0; t < rows; ++t) {
    // In f32, as a choice is a decision: all who make it must make the same.
    for (int64_t e = 0; e < experts; ++e) {
      z[e] = static_cast<float>(factor) * logits.values[t * experts + e];
      if (std::isnan(z[e])) // comes last, so that there is an order
        z[e] = -std::numeric_limits<float>::infinity();
    }
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + chosen, order.end(),
                      [&](int32_t a, int32_t b) {
                        return z[a] > z[b] || (z[a] == z[b] && a < b);
                      });
    // What all experts share in the sum of their exponentials cancels.
    double total = 0;
    for (int64_t j = 0; j < chosen; ++j)
      total += std::exp(double(z[order[j]]) - z[order[0]]);
    for (int64_t j = 0; j < chosen; ++j) {
      ids.values[t * chosen + j] = order[j];
      shares.values[t * chosen + j] =
          roundTo(element, std::exp(double(z[order[j]]) - z[order[0]]) / total *
                               expertScale.values[order[j]]);
    }
  }
  return {std::move(ids), std::move(shares)};
}

std::pair<Tensor, TokenTensor> reference::topK(const Tensor &input,
                                               int64_t count) {
  constexpr float kNothing = -std::numeric_limits<float>::infinity();
  int64_t rows = input.shape[0], width = input.shape[1];
  Tensor values({rows, count});
  TokenTensor columns({rows, count});
  std::fill(values.values.begin(), values.values.end(), kNothing);
  std::fill(columns.values.begin(), columns.values.end(), -1);
  std::vector<int32_t> order;
  for (int64_t t = 0; t < rows; ++t) {
    const float *x = input.values.data() + t * width;
    order.clear();
    for (int64_t i = 0; i < width; ++i)
      if (x[i] > kNothing) // false of NaN
        order.push_back(static_cast<int32_t>(i));
    int64_t taken = std::min<int64_t>(count, order.size());
    std::partial_sort(order.begin(), order.begin() + taken, order.end(),
                      [&](int32_t a, int32_t b) {
                        return x[a] > x[b] || (x[a] == x[b] && a < b);
                      });
    for (int64_t j = 0; j < taken; ++j) {
      values.values[t * count + j] = x[order[j]];
      columns.values[t * count + j] = order[j];
    }
  }
  return {std::move(values), std::move(columns)};
}

Tensor reference::quantizeRows(const Tensor &input, int64_t block) {
  // In f32, unlike the other stages: a quant is a decision, and all who make it
  // must make the same one.
  Tensor result(input.shape);
  for (size_t first = 0; first < input.values.size(); first += block) {
    float largest = 0;
    for (int64_t i = 0; i < block; ++i)
      largest = std::max(largest, std::fabs(input.values[first + i]));
    if (largest < 0x1p-120f)
      continue;
    float scale = largest / 127.0f, inverse = 127.0f / largest;
    for (int64_t i = 0; i < block; ++i)
      result.values[first + i] =
          scale * std::nearbyint(input.values[first + i] * inverse);
  }
  return result;
}

Tensor reference::roundToBf16(Tensor values) {
  for (float &value : values.values)
    value = roundTo(Element::BF16, value);
  return values;
}

Tensor reference::ropeAngles(const RopeParameters &table, int64_t start,
                             int64_t rows) {
  int64_t half = table.headDim / 2;
  Tensor result({rows, half, 2});
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t i = 0; i < half; ++i) {
      double angle = 0;
      if (i < table.pairs)
        angle = (start + t) * std::pow(table.theta, -2.0 * i / table.headDim) /
                table.factor;
      float *pair = &result.values[(t * half + i) * 2];
      pair[0] = static_cast<float>(std::cos(angle));
      pair[1] = static_cast<float>(std::sin(angle));
    }
  return result;
}

Tensor reference::rope(const Tensor &input, const Tensor &angles,
                       Element element) {
  Tensor result(input.shape);
  int64_t rows = input.shape[0], heads = input.shape[1], dim = input.shape[2];
  int64_t half = dim / 2;
  for (int64_t t = 0; t < rows; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < half; ++i) {
        int64_t at = (t * heads + h) * dim + i;
        double cos = angles.values[(t * half + i) * 2];
        double sin = angles.values[(t * half + i) * 2 + 1];
        double low = input.values[at], high = input.values[at + half];
        result.values[at] = roundTo(element, low * cos - high * sin);
        result.values[at + half] = roundTo(element, high * cos + low * sin);
      }
  return result;
}
