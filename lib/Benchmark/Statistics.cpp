// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Mean and spread.

#include "flow/Benchmark/Statistics.h"

#include <cmath>

using namespace flow;

double flow::mean(llvm::ArrayRef<double> samples) {
  if (samples.empty())
    return 0;
  double sum = 0;
  for (double sample : samples)
    sum += sample;
  return sum / static_cast<double>(samples.size());
}

double flow::standardDeviation(llvm::ArrayRef<double> samples) {
  if (samples.size() < 2)
    return 0;
  // Differences first: the squares of rates are far larger than their spread.
  double middle = mean(samples), sum = 0;
  for (double sample : samples)
    sum += (sample - middle) * (sample - middle);
  return std::sqrt(sum / static_cast<double>(samples.size() - 1));
}
