// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of which only the largest are asked for, and few are computed.

#ifndef FLOW_LIB_CODEGEN_CPU_SCREENEDPRODUCT_H
#define FLOW_LIB_CODEGEN_CPU_SCREENEDPRODUCT_H

#include "ByteProduct.h"

namespace flow::cpu {

/// What is asked for of the results of a product: the `count` largest, or those
/// of `cap * tanh(result / cap)`.
struct Screen {
  int64_t count;
  std::optional<double> cap;
};

/// What was said of `generic`, the last op of `product`, if the product can be
/// screened: a single row, and weights whose leading bits lie apart.
std::optional<Screen> matchScreen(mlir::linalg::GenericOp generic,
                                  const I8Product &product);

/// The product, or minus infinity in the place of results that are not among
/// the largest. docs/Rationale/ScreenedHead.md has the proof.
Value emitScreened(KernelBuilder &b, const I8Product &product, Value init,
                   const ByteArithmetic &arithmetic, const Screen &screen);

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_SCREENEDPRODUCT_H
