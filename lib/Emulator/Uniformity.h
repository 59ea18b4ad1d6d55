// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which registers hold one value for all lanes.

#ifndef FLOW_LIB_EMULATOR_UNIFORMITY_H
#define FLOW_LIB_EMULATOR_UNIFORMITY_H

#include "ControlFlow.h"

#include <functional>

namespace flow::emulator {

/// Starts with all registers uniform and takes that back where it cannot be.
///
/// A result is uniform if what it is made of is. In masked blocks this is not
/// enough: lanes that are elsewhere keep the old value. There the result may
/// stay uniform only if it is written in one place that comes before all its
/// uses, so that nobody can ask for an older value. (Its operands cannot change
/// while lanes are apart: those that do are written in masked blocks more than
/// once, or before their uses only by chance, and so are not uniform.)
class UniformityAnalysis {
public:
  using Dominates = std::function<bool(unsigned block, unsigned other)>;

  UniformityAnalysis(const Kernel &kernel, ControlFlow &flow,
                     Dominates dominates);

  /// Follows the masks of the blocks; true if a register changed.
  bool update();

private:
  struct Definition {
    unsigned count = 0, block = 0, instruction = 0;
    bool precedesUses = true;
  };

  void collectDefinitions();
  bool isVarying(const Operand &operand) const;
  bool makesVarying(const Instruction &instruction, bool isMasked) const;
  bool isWarpIndex(const Instruction &instruction) const;

  const Kernel &kernel;
  ControlFlow &flow;
  Dominates dominates;
  std::vector<Definition> definitions;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_UNIFORMITY_H
