// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Computes angles in double precision.

#include "RopeAngles.h"

#include <cmath>

using namespace flow::runtime;

void flow::runtime::computeAngles(const Step &step, const int64_t *positions,
                                  int64_t rows, float *out) {
  int64_t half = step.headDim / 2;
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t i = 0; i != half; ++i, out += 2) {
      double angle = 0;
      if (i < step.pairs)
        angle = static_cast<double>(positions[t]) *
                std::pow(step.theta, -2.0 * static_cast<double>(i) /
                                         static_cast<double>(step.headDim)) /
                step.factor;
      out[0] = static_cast<float>(std::cos(angle));
      out[1] = static_cast<float>(std::sin(angle));
    }
}
