// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attribute and enum classes of the flow dialect.

#ifndef FLOW_IR_FLOWATTRIBUTES_H
#define FLOW_IR_FLOWATTRIBUTES_H

#include "mlir/IR/Attributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TensorEncoding.h"
#include "llvm/ADT/APFloat.h"

namespace flow {
/// Parses one floating-point number as a double.
mlir::FailureOr<llvm::APFloat> parseFloatParameter(mlir::AsmParser &parser);

/// The positions `begin <= p < end`, whose tokens see each other.
struct PositionSpan {
  int64_t begin, end;
  bool contains(int64_t position) const {
    return begin <= position && position < end;
  }
};
} // namespace flow

#include "flow/IR/FlowEnums.h.inc"

namespace flow {
/// Parses a pattern; a word for what no mask can say is refused by name.
mlir::FailureOr<MaskPattern> parseMaskPattern(mlir::AsmParser &parser);
} // namespace flow

#define GET_ATTRDEF_CLASSES
#include "flow/IR/FlowAttributes.h.inc"

namespace flow {
/// Number of consecutive elements of a row that one stored block holds: 1 for
/// floating-point storage, 32 or 256 for block-quantised storage.
int64_t getBlockSize(Storage storage);

/// One more than the largest extent of a tensor that a recipe may state: the
/// product of two extents fits 64 bits. Positions have no such limit.
constexpr int64_t kExtentLimit = int64_t(1) << 31;

/// True if `value` is positive and below the limit.
inline bool isExtent(int64_t value) {
  return value > 0 && value < kExtentLimit;
}

/// Rows of a panel: the columns of the product that one register tile holds.
constexpr int64_t kPanelRows = 32;

/// Rows taken from each source in turn by `interleave`.
constexpr int64_t kInterleaveRows = 16;
} // namespace flow

#endif // FLOW_IR_FLOWATTRIBUTES_H
