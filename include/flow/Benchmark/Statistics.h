// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What is said of a few samples of the same quantity.

#ifndef FLOW_BENCHMARK_STATISTICS_H
#define FLOW_BENCHMARK_STATISTICS_H

#include "llvm/ADT/ArrayRef.h"

namespace flow {

/// The arithmetic mean; 0 of no samples.
double mean(llvm::ArrayRef<double> samples);

/// The standard deviation of what the samples were drawn from: squares are
/// divided by one less than there are samples. 0 of fewer than two.
double standardDeviation(llvm::ArrayRef<double> samples);

} // namespace flow

#endif // FLOW_BENCHMARK_STATISTICS_H
