// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Puts times and work together.

#include "flow/Benchmark/StageTimes.h"

#include "llvm/ADT/STLExtras.h"

#include <tuple>

using namespace flow;

/// Adds to the kernel `name`.
static void add(std::vector<KernelTime> &kernels, llvm::StringRef name,
                int64_t runs, double seconds) {
  auto known = llvm::find_if(
      kernels, [&](const KernelTime &kernel) { return kernel.name == name; });
  if (known == kernels.end()) {
    kernels.push_back({name.str(), runs, seconds});
    return;
  }
  known->runs += runs;
  known->seconds += seconds;
}

StageTimes
flow::collectStages(const runtime::Profile &profile,
                    llvm::ArrayRef<FunctionWork> work,
                    llvm::function_ref<llvm::StringRef(const void *)> nameOf) {
  StageTimes times;
  for (const runtime::Profile::Function &function : profile.functions()) {
    FunctionTime &time = times.functions.emplace_back();
    time.name = function.name;
    time.runs = function.runs;
    time.seconds = function.seconds;
    for (const FunctionWork &each : work)
      if (each.function == function.name)
        time.work += each.work;
    double serial = function.seconds;
    for (const runtime::Profile::Loop &loop : function.loops) {
      llvm::StringRef name = nameOf(reinterpret_cast<const void *>(loop.body));
      add(times.kernels, name.empty() ? "unknown" : name, loop.runs,
          loop.seconds);
      serial -= loop.seconds;
    }
    add(times.kernels, "serial", function.runs, serial);
  }
  llvm::sort(times.kernels, [](const KernelTime &a, const KernelTime &b) {
    return std::tie(b.seconds, a.name) < std::tie(a.seconds, b.name);
  });
  return times;
}
