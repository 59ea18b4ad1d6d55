// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Registers the ops and attributes of the flow dialect.

#include "flow/IR/FlowDialect.h"

#include "flow/IR/FlowOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace flow;

#include "flow/IR/FlowDialect.cpp.inc"

#include "flow/IR/FlowEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "flow/IR/FlowAttributes.cpp.inc"

RankedTensorType flow::getSequencesType(MLIRContext *context) {
  return RankedTensorType::get({ShapedType::kDynamic, 4},
                               IntegerType::get(context, 32));
}

void FlowDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "flow/IR/FlowAttributes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "flow/IR/FlowOps.cpp.inc"
      >();
}
