// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The functions that generated code calls.

#ifndef FLOW_LIB_EMULATOR_RUNTIME_H
#define FLOW_LIB_EMULATOR_RUNTIME_H

#include "WarpState.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace flow::emulator {

struct RuntimeFunction {
  llvm::StringLiteral name;
  void *address;
};

/// Accesses to memory: `void (WarpState *, const Access *, uint32_t lanes)`.
/// load store async ldmatrix stmatrix atomic.
llvm::ArrayRef<RuntimeFunction> memoryFunctions();

/// Of lanes with one another:
///   void commit(WarpState *, uint32_t lanes)
///   void wait(WarpState *, uint32_t lanes, uint32_t groupsLeft)
///   void converge(WarpState *, uint32_t instruction, uint32_t lanes,
///                 const uint32_t *members, uint32_t count)
///   void whole_warp(WarpState *, uint32_t instruction, uint32_t lanes)
///   void barrier(WarpState *, uint32_t instruction, uint32_t lanes,
///                const uint32_t *id, const uint32_t *threads, uint32_t count,
///                uint32_t waits)
///   uint32_t shuffle(WarpState *, uint32_t instruction, uint32_t lanes,
///                    uint32_t mode, const uint32_t (*operands)[32],
///                    uint32_t *result)
///   uint32_t reduce(uint32_t lanes, uint32_t kind, const uint32_t *values)
///   uint32_t match(uint32_t lanes, uint32_t bits, uint32_t isAll,
///                  const void *values, uint32_t *result)
///   void fence(WarpState *)
///   void trap(WarpState *, uint32_t instruction)
llvm::ArrayRef<RuntimeFunction> warpFunctions();

/// Of the asynchronous proxy. Addresses and other operands are 32 of 64 bits:
///   void mbarrier(WarpState *, uint32_t instruction, uint32_t lanes,
///                 uint32_t operation, const uint64_t *addresses,
///                 const uint64_t *operands, uint64_t *result)
///   uint32_t phase(WarpState *, uint32_t instruction, uint32_t lanes,
///                  uint32_t waits, uint32_t isParity,
///                  const uint64_t *addresses, const uint64_t *phases)
///   void bulk(WarpState *, uint32_t instruction, uint32_t lanes,
///             uint32_t isTensor, const uint64_t (*operands)[32])
///   void fence_proxy(WarpState *, uint32_t isInit)
llvm::ArrayRef<RuntimeFunction> asyncFunctions();

/// Of wgmma:
///   void product(WarpState *, const WarpgroupProduct *, uint32_t lanes,
///                uint32_t adds, const uint64_t *a, const uint64_t *b,
///                uint32_t (*aFragments)[32], uint32_t (*bFragments)[32])
///   void product_step(WarpState *, uint32_t instruction, uint32_t lanes,
///                     uint32_t step, uint32_t groupsLeft)
///   void product_touch(WarpState *, uint32_t instruction, uint32_t offset)
llvm::ArrayRef<RuntimeFunction> productFunctions();

/// Arithmetic that has no vector code:
/// `void (void *result, const void *a, const void *b, uint32_t count)`, named
/// by what it does and the type: div_s32, rem_u64, ex2_f32, tanh_f32, …
///
/// round_f32 and round_f64 take three operands, and how the last step rounds:
/// `void (void *result, const void *a, const void *b, const void *c,
/// uint32_t count, uint32_t operation, uint32_t direction)`. Sums and products
/// do not read `c`.
llvm::ArrayRef<RuntimeFunction> laneFunctions();

enum class RoundedOperation : uint32_t { Add, Subtract, Multiply, Fma };
enum class Direction : uint32_t { Zero, Down, Up };

enum class ShuffleMode : uint32_t { Up, Down, Butterfly, Index };

/// Of `mbarrier`, whose operands are a count of arrivals or of bytes.
enum class MbarrierOperation : uint32_t {
  Init,
  Invalidate,
  Arrive,
  ArriveExpect,
  Expect
};

/// Of `product_step`.
enum class ProductStep : uint32_t { Fence, Commit, Wait };

/// In `wait`: also what has not been committed.
constexpr uint32_t kWaitForAll = UINT32_MAX;

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_RUNTIME_H
