// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the schedule functions of compiled modules to the runtime's plan.

#ifndef FLOW_LIB_COMPILER_PLANBUILDER_H
#define FLOW_LIB_COMPILER_PLANBUILDER_H

#include "flow/IR/FlowOps.h"
#include "flow/Runtime/Plan.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/StringMap.h"

namespace flow {

/// The name of a weight in its file: as written, or its symbol path.
std::string tensorName(WeightOp weight);

/// Collects the schedules of several phases into one plan: a weight in one
/// layout, and a cache, are listed once however many phases use them.
class PlanBuilder {
public:
  /// `model` gives the sizes that the plan states.
  explicit PlanBuilder(ModelOp model);

  /// Adds the schedule function `schedule` of `module` under `name`. Fails
  /// with a diagnostic where the function is no schedule.
  mlir::LogicalResult addSchedule(mlir::ModuleOp module,
                                  mlir::func::FuncOp schedule,
                                  llvm::StringRef name, bool logitsAll);

  runtime::Plan take() { return std::move(plan); }

private:
  friend class ScheduleReader;

  mlir::FailureOr<int64_t> weightIndex(mlir::ModuleOp module, WeightRefOp ref);
  mlir::FailureOr<int64_t> cacheIndex(mlir::ModuleOp module, CacheRefOp ref);

  runtime::Plan plan;
  /// By symbol path and layout.
  llvm::StringMap<int64_t> weights;
  llvm::StringMap<int64_t> caches;
};

} // namespace flow

#endif // FLOW_LIB_COMPILER_PLANBUILDER_H
