// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which registers hold one value for all lanes.

#include "Uniformity.h"

#include "llvm/ADT/STLExtras.h"

using namespace flow::emulator;
using llvm::StringRef;

UniformityAnalysis::UniformityAnalysis(const Kernel &kernel, ControlFlow &flow,
                                       Dominates dominates)
    : kernel(kernel), flow(flow), dominates(std::move(dominates)) {
  collectDefinitions();
}

void UniformityAnalysis::collectDefinitions() {
  definitions.resize(kernel.registers.size());
  auto forAll = [&](llvm::function_ref<void(unsigned reg, bool isDefined,
                                            unsigned block, unsigned at)>
                        visit) {
    for (auto [index, block] : llvm::enumerate(flow.blocks)) {
      for (unsigned i = block.first; i < block.last; ++i) {
        const Instruction &instruction = kernel.instructions[i];
        forEachRegister(instruction,
                        [&, b = index](const Operand &operand, bool isDefined) {
                          visit(operand.reg, isDefined, b, i);
                        });
        if (instruction.guard)
          visit(*instruction.guard, /*isDefined=*/false, index, i);
      }
      if (block.guard)
        visit(*block.guard, /*isDefined=*/false, index, block.last);
    }
  };
  forAll([&](unsigned reg, bool isDefined, unsigned block, unsigned at) {
    if (!isDefined)
      return;
    Definition &definition = definitions[reg];
    ++definition.count;
    definition.block = block;
    definition.instruction = at;
    // Where the guard does not hold the old value stays.
    if (kernel.instructions[at].guard)
      definition.precedesUses = false;
  });
  forAll([&](unsigned reg, bool isDefined, unsigned block, unsigned at) {
    Definition &definition = definitions[reg];
    if (isDefined || !definition.count)
      return;
    bool precedes = definition.block == block
                        ? definition.instruction < at
                        : dominates(definition.block, block);
    definition.precedesUses &= precedes;
  });
}

/// Special registers that differ from lane to lane.
static bool isLaneName(StringRef name) {
  return name.starts_with("%tid") || name == "%laneid" ||
         name.starts_with("%lanemask");
}

bool UniformityAnalysis::isVarying(const Operand &operand) const {
  if (operand.kind == Operand::Kind::Register)
    return !flow.registers[operand.reg].isUniform;
  if (operand.kind == Operand::Kind::Symbol)
    return isLaneName(operand.name);
  return llvm::any_of(operand.elements, [&](const Operand &element) {
    return isVarying(element);
  });
}

/// `shr %r, %tid.x, 5` and `and %r, %tid.x, -32`, and higher powers: the warp's
/// number, in blocks of one dimension.
bool UniformityAnalysis::isWarpIndex(const Instruction &instruction) const {
  if (kernel.maxThreads[0] == 0 || kernel.maxThreads[1] != 1 ||
      kernel.maxThreads[2] != 1 || instruction.operands.size() != 3)
    return false;
  const Operand &source = instruction.operands[1];
  const Operand &amount = instruction.operands[2];
  if (source.kind != Operand::Kind::Register ||
      amount.kind != Operand::Kind::Immediate)
    return false;
  const Definition &definition = definitions[source.reg];
  // The number is taken from lane 0, which may be absent from masked blocks.
  if (definition.count != 1 || !definition.precedesUses ||
      flow.blocks[definition.block].isMasked)
    return false;
  const Instruction &origin = kernel.instructions[definition.instruction];
  if (origin.family() != "mov" ||
      origin.operands[1].kind != Operand::Kind::Symbol ||
      origin.operands[1].name != "%tid.x")
    return false;
  if (instruction.family() == "shr")
    return amount.value >= 5;
  return instruction.family() == "and" && (amount.value & 31) == 0;
}

bool UniformityAnalysis::makesVarying(const Instruction &instruction,
                                      bool isMasked) const {
  StringRef family = instruction.family();
  bool isGuardVarying =
      instruction.guard && !flow.registers[*instruction.guard].isUniform;
  if (isGuardVarying)
    return true;
  if (family == "atom" || family == "shfl" || family == "mma" ||
      family == "ldmatrix" || family == "match" || family == "wgmma" ||
      family == "mbarrier" || family == "elect")
    return true;
  // All lanes that vote hear the same.
  if (family == "vote" || family == "activemask" || family == "redux")
    return isMasked;
  bool isLoad = family == "ld" && !instruction.has("param");
  if (isLoad && (isMasked || instruction.has("local") || instruction.guard))
    return true;
  if (isWarpIndex(instruction))
    return false;
  return llvm::any_of(
      llvm::drop_begin(instruction.operands),
      [&](const Operand &operand) { return isVarying(operand); });
}

bool UniformityAnalysis::update() {
  bool anyChange = false;
  for (bool changed = true; changed; anyChange |= changed) {
    changed = false;
    for (const Block &block : flow.blocks)
      for (unsigned i = block.first; i < block.last; ++i) {
        const Instruction &instruction = kernel.instructions[i];
        if (instruction.operands.empty())
          continue;
        bool isVarying = makesVarying(instruction, block.isMasked);
        forEachRegister(
            instruction, [&](const Operand &operand, bool isDefined) {
              RegisterUse &use = flow.registers[operand.reg];
              const Definition &definition = definitions[operand.reg];
              if (!isDefined || !use.isUniform)
                return;
              bool isOldNeeded = block.isMasked && (definition.count != 1 ||
                                                    !definition.precedesUses);
              if (!isVarying && !isOldNeeded)
                return;
              use.isUniform = false;
              changed = true;
            });
      }
  }
  return anyChange;
}
