// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers dot products of bytes and of bf16 to instructions of AArch64.

#include "Dots.h"
#include "flow/Codegen/CPU/Passes.h"

using namespace mlir;
using namespace flow::cpu;

namespace flow {
#define GEN_PASS_DEF_AARCH64CONTRACT
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {

enum class Isa { Neon, DotProd, I8mm };

/// Words of a register.
constexpr int64_t kLanes = 4;

/// `sdot` or `usdot`, which LLVM calls `name`. They do not saturate.
Value emitByteDot(KernelBuilder &b, const Dot &dot, StringRef name) {
  auto words = b.vector(kLanes, b.getI32Type());
  auto bytes = b.vector(4 * kLanes, b.getI8Type());
  // LLVM makes a word in all lanes the lane operand of the instruction.
  Value x =
      vector::BitCastOp::create(b, bytes, b.splat(asWord(b, dot.row), kLanes));
  return perRegister(b, dot, flatWeights(b, dot), kLanes,
                     [&](Value acc, Value w) {
                       return callIntrinsic(b, name, words, {acc, w, x});
                     });
}

/// `bfmlalt` and `bfmlalb`, which are fused multiply-adds of f32 with operands
/// of bf16: what `emitFmaPairs` computes, without widening.
Value emitBf16Dot(KernelBuilder &b, const Dot &dot) {
  auto element = [&](int64_t k) {
    return b.splat(vector::ExtractOp::create(b, dot.row, ArrayRef<int64_t>{k}),
                   2 * kLanes);
  };
  Value even = element(0), odd = element(1);
  return perRegister(b, dot, flatWeights(b, dot), kLanes,
                     [&](Value acc, Value w) {
                       Type floats = acc.getType();
                       acc = callIntrinsic(b, "llvm.aarch64.neon.bfmlalt",
                                           floats, {acc, w, odd});
                       return callIntrinsic(b, "llvm.aarch64.neon.bfmlalb",
                                            floats, {acc, w, even});
                     });
}

struct AArch64Contract : flow::impl::AArch64ContractBase<AArch64Contract> {
  using AArch64ContractBase::AArch64ContractBase;

  void runOnOperation() override {
    std::optional<Isa> target = llvm::StringSwitch<std::optional<Isa>>(isa)
                                    .Case("i8mm", Isa::I8mm)
                                    .Case("dotprod", Isa::DotProd)
                                    .Case("neon", Isa::Neon)
                                    .Default(std::nullopt);
    if (!target) {
      getOperation()->emitError("unknown isa '")
          << isa << "', expected i8mm, dotprod or neon";
      return signalPassFailure();
    }
    if (failed(replaceContractions(
            getOperation(),
            [&](KernelBuilder &b, vector::ContractionOp contract) {
              return emit(b, contract, *target);
            })))
      signalPassFailure();
  }

  /// What replaces `contract`; null if it is no dot of this target, or of
  /// columns that do not fill registers.
  Value emit(KernelBuilder &b, vector::ContractionOp contract, Isa target) {
    auto isWhole = [](const std::optional<Dot> &dot) {
      return dot && dot->columns() % kLanes == 0;
    };
    if (std::optional<Dot> dot = matchBf16Dot(contract)) {
      if (!bf16)
        return emitFmaPairs(b, *dot);
      return isWhole(dot) ? emitBf16Dot(b, *dot) : Value();
    }
    std::optional<Dot> dot = matchByteDot(contract);
    if (target == Isa::Neon)
      return dot ? emitByteProducts(b, *dot) : Value();
    if (target == Isa::I8mm && isWhole(dot))
      return emitByteDot(b, *dot, "llvm.aarch64.neon.usdot.v4i32.v16i8");
    dot = matchSignedByteDot(contract);
    if (!isWhole(dot))
      return {};
    return emitByteDot(b, *dot, "llvm.aarch64.neon.sdot.v4i32.v16i8");
  }
};
} // namespace
