// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The class of the flow dialect.

#ifndef FLOW_IR_FLOWDIALECT_H
#define FLOW_IR_FLOWDIALECT_H

#include "mlir/IR/Dialect.h"

#include "flow/IR/FlowDialect.h.inc"

#endif // FLOW_IR_FLOWDIALECT_H
