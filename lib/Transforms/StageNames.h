// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Names of stages, which travel on locations.

#ifndef FLOW_LIB_TRANSFORMS_STAGENAMES_H
#define FLOW_LIB_TRANSFORMS_STAGENAMES_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Location.h"

namespace flow {

/// The name on `loc`, such as `layer3/attention/q`: that of the first part of a
/// fused location which has one, or empty.
inline llvm::StringRef getStageName(mlir::Location loc) {
  if (auto name = llvm::dyn_cast<mlir::NameLoc>(loc))
    return name.getName().strref();
  if (auto fused = llvm::dyn_cast<mlir::FusedLoc>(loc))
    for (mlir::Location part : fused.getLocations())
      if (llvm::StringRef name = getStageName(part); !name.empty())
        return name;
  return {};
}

/// The first component of the name on `loc`: `layer3`, `head`, or empty.
inline llvm::StringRef getStageGroup(mlir::Location loc) {
  return getStageName(loc).split('/').first;
}

} // namespace flow

#endif // FLOW_LIB_TRANSFORMS_STAGENAMES_H
