// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// PTX text as data: kernels, their variables, and instructions with operands.

#ifndef FLOW_LIB_EMULATOR_PTXPARSER_H
#define FLOW_LIB_EMULATOR_PTXPARSER_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace flow::emulator {

/// A register as declared. Predicates have one bit.
struct RegisterInfo {
  std::string name;
  unsigned bits = 32;
};

struct Operand {
  enum class Kind {
    Register,  ///< `reg`
    Immediate, ///< `value`, the bits of a number
    Symbol,    ///< `name`: variable, parameter, special register or label
    Sink,      ///< `_`
    List,      ///< `{a, b}`: `elements`
    Address,   ///< `[base+offset]`: `elements[0]` and `value`; of
               ///< `[base, {x, y}]` the list is `elements[1]`
    Pair,      ///< `a|b`: `elements`
  };
  Kind kind = Kind::Sink;
  unsigned reg = 0;
  /// A register is written `!%p`.
  bool negated = false;
  /// Of an immediate: `0f…` gives 32, `0d…` 64 bits of a float, numbers 0.
  unsigned floatBits = 0;
  uint64_t value = 0;
  llvm::StringRef name;
  std::vector<Operand> elements;
};

struct Instruction {
  unsigned line = 0;
  /// The opcode with its suffixes, and both apart.
  llvm::StringRef opcode;
  llvm::SmallVector<llvm::StringRef, 6> parts;
  /// `@%p` or `@!%p`.
  std::optional<unsigned> guard;
  bool guardNegated = false;
  std::vector<Operand> operands;
  /// The instruction on one line, for messages.
  std::string text;

  llvm::StringRef family() const { return parts.front(); }
  bool has(llvm::StringRef suffix) const;
  /// The last suffix, which is a type in most instructions.
  llvm::StringRef type() const { return parts.back(); }
};

/// A parameter or a variable of a kernel.
struct Variable {
  uint64_t offset = 0, size = 0, align = 1;
};

/// A variable in global or constant memory, with the bytes it starts with.
struct GlobalVariable {
  std::string name;
  uint64_t align = 1;
  bool readOnly = false;
  std::string bytes;
};

struct Kernel {
  std::string name;
  std::vector<Variable> parameters;
  uint64_t parameterBytes = 0;
  std::vector<RegisterInfo> registers;
  llvm::StringMap<Variable> parameterNames, shared, local;
  uint64_t sharedBytes = 0, localBytes = 0;
  /// Names of dynamic shared memory: it begins where static memory ends.
  llvm::StringMap<Variable> dynamicShared;
  /// `.maxntid` or `.reqntid`; zeros if there is none.
  uint32_t maxThreads[3] = {0, 0, 0};
  bool exactThreads = false;
  std::vector<Instruction> instructions;
  /// From labels to indices of instructions.
  llvm::StringMap<unsigned> labels;
};

struct PtxModule {
  /// The text without comments; everything here that refers to text refers to
  /// it.
  std::unique_ptr<std::string> text;
  /// They stay where they are: operands refer to names of labels.
  std::deque<Kernel> kernels;
  std::vector<GlobalVariable> globals;
};

/// Reads PTX. Instructions are split into their words and not yet understood.
llvm::Expected<PtxModule> parsePtx(llvm::StringRef ptx);

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_PTXPARSER_H
