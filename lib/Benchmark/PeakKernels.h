// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Loops that do nothing but arithmetic, and one that does nothing but read.

#ifndef FLOW_LIB_BENCHMARK_PEAKKERNELS_H
#define FLOW_LIB_BENCHMARK_PEAKKERNELS_H

#include "flow/Target/CpuTarget.h"
#include "mlir/IR/OwningOpRef.h"

namespace flow {

/// Functions of the LLVM dialect, as `generateCode` takes them. Each is entered
/// with (context, i64, data, results), the last two being pointers aligned to
/// 64; `results` has room for `kResultBytes`, which keep the loop from being
/// optimised away.
struct PeakKernels {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  /// Multiplications and additions of a round of `peak_f32`, `peak_bf16` and
  /// `peak_int8`, which do as many rounds as the integer says, at least one;
  /// 0 where the target has no such instruction and so no such function. `data`
  /// is `kDataBytes` long.
  int64_t f32 = 0, bf16 = 0, int8 = 0;
  /// `read` reads as many bytes as the integer says, a positive multiple of
  /// this, from `data` on.
  int64_t readStep = 0;
};

/// Accumulators of 64 bytes at most, and two operands behind them.
constexpr size_t kResultBytes = 16 * 64, kDataBytes = kResultBytes + 2 * 64;

/// The kernels for the widest vectors of `target`.
PeakKernels buildPeakKernels(mlir::MLIRContext &context,
                             const CpuTarget &target);

} // namespace flow

#endif // FLOW_LIB_BENCHMARK_PEAKKERNELS_H
