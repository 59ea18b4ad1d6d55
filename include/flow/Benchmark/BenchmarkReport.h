// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Benchmark results as tables and as data.

#ifndef FLOW_BENCHMARK_BENCHMARKREPORT_H
#define FLOW_BENCHMARK_BENCHMARKREPORT_H

#include "flow/Benchmark/ModelBenchmark.h"
#include "llvm/Support/raw_ostream.h"

namespace flow {

/// Forms of a report, in the manner of llama-bench: a Markdown table, an array
/// of JSON objects, a JSON object a line, or quoted values with a line of names
/// on top. docs/Performance.md says what each value is.
enum class ReportFormat { Markdown, Json, JsonLines, Csv };

/// Writes `result` to `out`.
void writeReport(llvm::raw_ostream &out, const BenchmarkResult &result,
                 ReportFormat format);

} // namespace flow

#endif // FLOW_BENCHMARK_BENCHMARKREPORT_H
