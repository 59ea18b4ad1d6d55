// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifies launches of kernels.

#include "flow/IR/FlowOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace flow;

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &tables) {
  auto kernel = dyn_cast_or_null<FunctionOpInterface>(
      tables.lookupNearestSymbolFrom(*this, getKernelAttr()));
  if (!kernel)
    return emitOpError("(C1): ")
           << getKernelAttr() << " is no kernel of this module";
  size_t arguments = getInputs().size() + getResults().size() +
                     (getStart() ? 1 : 0) + (getCapacity() ? 1 : 0);
  if (kernel.getNumArguments() != arguments)
    return emitOpError("(C1): ")
           << getKernelAttr() << " has " << kernel.getNumArguments()
           << " parameters, got " << arguments << " arguments";
  return success();
}

LogicalResult LaunchOp::verify() {
  if (getResults().size() < getUpdates().size() ||
      TypeRange(getUpdates()) !=
          TypeRange(getResultTypes()).take_back(getUpdates().size()))
    return emitOpError("(C2): the last results must have the types of the "
                       "updated caches, ")
           << getUpdates().getTypes() << ", got " << getResultTypes();
  ArrayRef<int64_t> grid = getGrid();
  if (grid.size() != 6)
    return emitOpError("(C3): a grid has three dimensions, got ")
           << grid.size() / 2;
  for (int64_t i = 0; i != 3; ++i)
    if (auto [times, per] = getGridSize(i); times <= 0 || per < 0)
      return emitOpError("(C3): dimension ")
             << i << " of the grid must be positive, got " << times << " by "
             << per;
  if (auto threads = static_cast<int64_t>(getThreads());
      threads < 1 || threads > 1024)
    return emitOpError("(C4): there must be 1 to 1024 threads, got ")
           << threads;
  if (auto shared = static_cast<int64_t>(getShared()); shared < 0)
    return emitOpError("(C4): shared memory must not be negative, got ")
           << shared;
  if (!getStart() != !getRows())
    return emitOpError("(C5): a step needs both start and rows");
  return success();
}
