// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the time of a run goes: functions with their work, kernels with names.

#ifndef FLOW_BENCHMARK_STAGETIMES_H
#define FLOW_BENCHMARK_STAGETIMES_H

#include "flow/Benchmark/ModelWork.h"
#include "flow/Runtime/Profile.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <string>
#include <vector>

namespace flow {

/// A function of the plan, all its calls together.
struct FunctionTime {
  std::string name;
  int64_t runs = 0;
  double seconds = 0;
  Work work;
};

/// A parallel loop of the code, wherever it ran.
struct KernelTime {
  /// Its symbol, which says which stage it was made for first: stages whose
  /// loops are equal share one kernel.
  std::string name;
  int64_t runs = 0;
  double seconds = 0;
};

struct StageTimes {
  /// In the order of the plan.
  std::vector<FunctionTime> functions;
  /// The longest first. What functions do outside of loops is `serial`, once
  /// for each of their calls.
  std::vector<KernelTime> kernels;
};

/// What `profile` says of a run that costs `work`; `nameOf` gives the symbol of
/// a kernel, or nothing.
StageTimes
collectStages(const runtime::Profile &profile,
              llvm::ArrayRef<FunctionWork> work,
              llvm::function_ref<llvm::StringRef(const void *)> nameOf);

} // namespace flow

#endif // FLOW_BENCHMARK_STAGETIMES_H
