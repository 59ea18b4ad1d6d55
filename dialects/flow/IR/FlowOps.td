// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// All ops of the dialect: the file that table generation starts from.

#ifndef FLOW_IR_FLOWOPS_TD
#define FLOW_IR_FLOWOPS_TD

include "flow/IR/FlowModelOps.td"
include "flow/IR/FlowStageOps.td"
include "flow/IR/FlowFusedOps.td"
include "flow/IR/FlowExpertOps.td"
include "flow/IR/FlowSelectionOps.td"
include "flow/IR/FlowLaunchOps.td"

#endif // FLOW_IR_FLOWOPS_TD
