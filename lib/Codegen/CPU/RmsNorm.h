// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The root mean square of rows and heads.

#ifndef FLOW_LIB_CODEGEN_CPU_RMSNORM_H
#define FLOW_LIB_CODEGEN_CPU_RMSNORM_H

#include "KernelBuilder.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace flow::cpu {

/// `1 / sqrt(sumOfSquares / d + eps)`.
inline Value inverseRms(KernelBuilder &b, Value sumOfSquares, int64_t d,
                        double eps) {
  Value mean = b.mul(sumOfSquares, b.f32(1.0 / static_cast<double>(d)));
  Value root = mlir::math::SqrtOp::create(b, b.add(mean, b.f32(eps)));
  return mlir::arith::DivFOp::create(b, b.f32(1.0), root);
}

/// `1 / sqrt(mean(x^2) + eps)` of the `d` values that `load` gives.
inline Value
inverseRmsOf(KernelBuilder &b, int64_t d, double eps,
             llvm::function_ref<Value(KernelBuilder &, Value)> load) {
  int64_t lanes = lanesFor(d);
  llvm::SmallVector<Value> sum =
      b.loop(b.index(0), b.index(d), lanes, b.splatF32(0, lanes),
             [&](KernelBuilder &b, Value i,
                 ValueRange acc) -> llvm::SmallVector<Value> {
               Value x = load(b, i);
               return {b.fma(x, x, acc[0])};
             });
  return inverseRms(b, b.reduceAdd(sum[0]), d, eps);
}

} // namespace flow::cpu

#endif // FLOW_LIB_CODEGEN_CPU_RMSNORM_H
