// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The blocks of a kernel, where its lanes may part, and what all lanes share.

#ifndef FLOW_LIB_EMULATOR_CONTROLFLOW_H
#define FLOW_LIB_EMULATOR_CONTROLFLOW_H

#include "PtxParser.h"

#include "llvm/ADT/STLFunctionalExtras.h"

namespace flow::emulator {

/// Instructions without a branch among them, and what follows them.
struct Block {
  static constexpr unsigned kNone = ~0u;
  enum class End {
    Next,    ///< goes on with `next`
    Branch,  ///< goes to `taken` where the guard holds, else to `next`
    Exit,    ///< ends where the guard holds, else goes on with `next`
    Barrier, ///< stops at what `last - 1` waits for, then goes on with `next`
  };
  /// The instructions [first, last), without the branch or exit at the end.
  unsigned first = 0, last = 0;
  End end = End::Next;
  unsigned taken = kNone, next = kNone;
  std::optional<unsigned> guard;
  bool guardNegated = false;
  /// Lanes may be here while others of their warp are elsewhere.
  bool isMasked = false;
};

/// What is known of a register.
struct RegisterUse {
  /// All lanes that are not elsewhere hold the same value: one is kept.
  bool isUniform = true;
  /// Lives in the frame: it is used in several blocks, or by the runtime.
  bool isInMemory = false;
};

struct ControlFlow {
  /// In an order in which every block comes before the one where its lanes meet
  /// again: whoever always runs the first block that has lanes brings them
  /// together. Unreachable blocks are left out.
  std::vector<Block> blocks;
  std::vector<RegisterUse> registers;
};

/// Fails where a branch goes nowhere, or the text runs on past the end.
llvm::Expected<ControlFlow> analyzeControlFlow(const Kernel &kernel);

/// Calls `visit` for each register that `instruction` names, but for its guard.
void forEachRegister(
    const Instruction &instruction,
    llvm::function_ref<void(const Operand &reg, bool isDefined)> visit);

/// True for what the runtime does on registers in the frame.
bool usesFrame(const Instruction &instruction);

/// True for `bar.sync` and its like, at which a warp waits for others, and for
/// questions for a phase of an mbarrier.
bool isBarrier(const Instruction &instruction);
bool isPhaseWait(const Instruction &instruction);
inline bool stopsWarp(const Instruction &instruction) {
  return isBarrier(instruction) || isPhaseWait(instruction);
}

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_CONTROLFLOW_H
