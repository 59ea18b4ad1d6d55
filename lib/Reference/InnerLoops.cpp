// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Plain loops in f64, compiled once for each width of vector. The room is built
// without contraction, so every copy adds the same numbers in the same order.

#include "InnerLoops.h"

// Machines without indirect functions get the one copy that they can run.
#if defined(__x86_64__) && defined(__ELF__)
#define FLOW_EVERY_WIDTH                                                       \
  __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define FLOW_EVERY_WIDTH
#endif

// Enough independent sums to hide the latency of an addition.
constexpr int64_t kLanes = 32;

FLOW_EVERY_WIDTH
double flow::reference::dot(const double *a, const double *b, int64_t count) {
  double sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes)
    for (int64_t lane = 0; lane < kLanes; ++lane)
      sums[lane] += a[i + lane] * b[i + lane];
  for (int64_t lane = 0; i < count; ++i, ++lane)
    sums[lane] += a[i] * b[i];
  for (int64_t width = kLanes / 2; width > 0; width /= 2)
    for (int64_t lane = 0; lane < width; ++lane)
      sums[lane] += sums[lane + width];
  return sums[0];
}

FLOW_EVERY_WIDTH
void flow::reference::addScaled(double *sum, double factor, const double *row,
                                int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    sum[i] += factor * row[i];
}
