// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Estimates for GPUs as tables and as data.

#ifndef FLOW_BENCHMARK_GPUREPORT_H
#define FLOW_BENCHMARK_GPUREPORT_H

#include "flow/Benchmark/BenchmarkReport.h"
#include "flow/Benchmark/GpuEstimate.h"

namespace flow {

/// Writes `estimates` of the model at `path` to `out`: as JSON an array of
/// objects, one for each GPU and test; in any other format as Markdown, a table
/// of tests, and for each GPU and test one of its kernels.
void writeGpuReport(llvm::raw_ostream &out, llvm::StringRef path,
                    llvm::ArrayRef<GpuDeviceEstimate> estimates,
                    ReportFormat format);

} // namespace flow

#endif // FLOW_BENCHMARK_GPUREPORT_H
