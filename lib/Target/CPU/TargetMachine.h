// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// LLVM's code generator for a target.

#ifndef FLOW_LIB_TARGET_CPU_TARGETMACHINE_H
#define FLOW_LIB_TARGET_CPU_TARGETMACHINE_H

#include "flow/Target/CpuTarget.h"
#include "llvm/Target/TargetMachine.h"

namespace flow {
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const CpuTarget &target);
} // namespace flow

#endif // FLOW_LIB_TARGET_CPU_TARGETMACHINE_H
