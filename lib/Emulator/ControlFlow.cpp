// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Splits kernels into blocks, orders them, and finds the masked ones.
//
// LLVM's analyses do the work: they run on a function that has the kernel's
// blocks and branches and nothing else.

#include "ControlFlow.h"
#include "Uniformity.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Analysis/LoopInfo.h"
#include "llvm/Analysis/PostDominators.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/Dominators.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace flow::emulator;
using llvm::StringRef;

bool flow::emulator::isBarrier(const Instruction &instruction) {
  StringRef family = instruction.family();
  return (family == "bar" || family == "barrier") && instruction.has("sync") &&
         !instruction.has("warp");
}

bool flow::emulator::isPhaseWait(const Instruction &instruction) {
  return instruction.family() == "mbarrier" &&
         (instruction.has("try_wait") || instruction.has("test_wait"));
}

bool flow::emulator::usesFrame(const Instruction &instruction) {
  StringRef family = instruction.family();
  if (family == "ld" || family == "st")
    return !instruction.has("param");
  return family == "atom" || family == "red" || family == "mma" ||
         family == "ldmatrix" || family == "stmatrix" || family == "cp" ||
         family == "wgmma";
}

/// True for instructions whose first operand is no result.
static bool hasNoResult(const Instruction &instruction) {
  static constexpr StringRef families[] = {"st",
                                           "bar",
                                           "barrier",
                                           "cp",
                                           "bra",
                                           "ret",
                                           "exit",
                                           "red",
                                           "membar",
                                           "fence",
                                           "trap",
                                           "prefetch",
                                           "griddepcontrol",
                                           "nanosleep",
                                           "stmatrix",
                                           "setmaxnreg",
                                           "prefetchu"};
  return llvm::is_contained(families, instruction.family());
}

static void
visitOperand(const Operand &operand, bool isDefined,
             llvm::function_ref<void(const Operand &, bool)> visit) {
  switch (operand.kind) {
  case Operand::Kind::Register:
    return visit(operand, isDefined);
  case Operand::Kind::Address:
    for (const Operand &element : operand.elements)
      visitOperand(element, /*isDefined=*/false, visit);
    return;
  case Operand::Kind::List:
  case Operand::Kind::Pair:
    for (const Operand &element : operand.elements)
      visitOperand(element, isDefined, visit);
    return;
  case Operand::Kind::Immediate:
  case Operand::Kind::Symbol:
  case Operand::Kind::Sink:
    return;
  }
}

void flow::emulator::forEachRegister(
    const Instruction &instruction,
    llvm::function_ref<void(const Operand &, bool)> visit) {
  // What is read comes first, as in `add %r1, %r1, 1`.
  size_t results = hasNoResult(instruction) ? 0 : 1;
  for (const Operand &operand :
       llvm::drop_begin(instruction.operands,
                        std::min(results, instruction.operands.size())))
    visitOperand(operand, /*isDefined=*/false, visit);
  if (results && !instruction.operands.empty())
    visitOperand(instruction.operands[0], /*isDefined=*/true, visit);
}

namespace {

/// True for what is put into a block of its own, behind a branch, when it has a
/// guard: all lanes do it or none.
bool isCollective(const Instruction &instruction) {
  return stopsWarp(instruction) || instruction.family() == "mma" ||
         instruction.family() == "wgmma" || instruction.family() == "trap";
}

bool isReturn(const Instruction &instruction) {
  return instruction.family() == "ret" || instruction.family() == "exit";
}

class BlockBuilder {
public:
  explicit BlockBuilder(const Kernel &kernel) : kernel(kernel) {}

  llvm::Expected<std::vector<Block>> build();

private:
  llvm::Expected<unsigned> target(const Instruction &branch) const;
  void findStarts();
  void exitInsteadOfBranching();

  const Kernel &kernel;
  std::vector<Block> blocks;
  /// The block that begins at an instruction.
  std::vector<unsigned> blockAt;
};

/// Marks where blocks begin in `blockAt`: with anything but `kNone`.
void BlockBuilder::findStarts() {
  const auto &code = kernel.instructions;
  blockAt.assign(code.size() + 1, Block::kNone);
  blockAt[0] = 0;
  for (const auto &label : kernel.labels)
    blockAt[label.second] = 0;
  for (auto [i, instruction] : llvm::enumerate(code)) {
    bool isGuarded = isCollective(instruction) && instruction.guard;
    if (isGuarded)
      blockAt[i] = 0;
    if (isGuarded || stopsWarp(instruction) || isReturn(instruction) ||
        instruction.family() == "bra")
      blockAt[i + 1] = 0;
  }
}

llvm::Expected<unsigned> BlockBuilder::target(const Instruction &branch) const {
  const Operand *operand =
      branch.operands.size() == 1 ? &branch.operands[0] : nullptr;
  if (operand && operand->kind == Operand::Kind::Symbol)
    if (auto label = kernel.labels.find(operand->name);
        label != kernel.labels.end())
      return blockAt[label->second];
  return llvm::createStringError("PTX line " + llvm::Twine(branch.line) +
                                 ": no label for '" + branch.text + "'");
}

llvm::Expected<std::vector<Block>> BlockBuilder::build() {
  const auto &code = kernel.instructions;
  if (code.empty())
    return llvm::createStringError("kernel '" + kernel.name +
                                   "' has no instructions");
  findStarts();
  // A guarded collective takes two blocks: one that branches around it.
  unsigned count = 0;
  for (size_t i = 0; i < code.size(); ++i)
    if (blockAt[i] != Block::kNone) {
      blockAt[i] = count;
      count += isCollective(code[i]) && code[i].guard ? 2 : 1;
    }
  // A label at the very end stands before an implied return.
  blockAt[code.size()] = count;
  for (unsigned first = 0, last; first < code.size(); first = last) {
    for (last = first + 1; blockAt[last] == Block::kNone; ++last)
      ;
    const Instruction &instruction = code[last - 1];
    Block block;
    block.first = first;
    block.last = last;
    block.next = blockAt[last];
    if (isCollective(instruction) && instruction.guard) {
      Block around = block;
      around.last = first;
      around.end = Block::End::Branch;
      around.guard = instruction.guard;
      around.guardNegated = !instruction.guardNegated;
      around.taken = block.next;
      around.next = blocks.size() + 1;
      blocks.push_back(around);
    } else if (instruction.guard) {
      block.guard = instruction.guard;
      block.guardNegated = instruction.guardNegated;
    }
    if (stopsWarp(instruction)) {
      block.end = Block::End::Barrier;
    } else if (isReturn(instruction)) {
      block.end = Block::End::Exit;
      --block.last;
    } else if (instruction.family() == "bra") {
      auto to = target(instruction);
      if (!to)
        return to.takeError();
      block.end = Block::End::Branch;
      block.taken = *to;
      --block.last;
    } else {
      block.guard = std::nullopt;
    }
    blocks.push_back(block);
  }
  Block end;
  end.first = end.last = code.size();
  end.end = Block::End::Exit;
  blocks.push_back(end);
  exitInsteadOfBranching();
  return std::move(blocks);
}

/// Turns branches to a return into returns: lanes that leave do not keep the
/// others from being whole.
void BlockBuilder::exitInsteadOfBranching() {
  auto isEnd = [&](unsigned index) {
    const Block &block = blocks[index];
    return block.first == block.last && block.end == Block::End::Exit &&
           !block.guard;
  };
  for (Block &block : blocks) {
    if (block.end == Block::End::Branch && isEnd(block.taken)) {
      block.end = Block::End::Exit;
    } else if (block.end == Block::End::Branch && block.guard &&
               isEnd(block.next)) {
      block.end = Block::End::Exit;
      block.guardNegated = !block.guardNegated;
      block.next = block.taken;
    }
  }
}

/// The blocks and branches of a kernel as a function of LLVM's.
class Skeleton {
public:
  explicit Skeleton(const std::vector<Block> &blocks);

  llvm::Function &function() { return *body; }
  unsigned indexOf(const llvm::BasicBlock *block) const {
    return indices.lookup(block);
  }
  llvm::BasicBlock *at(unsigned index) const { return made[index]; }

private:
  llvm::LLVMContext context;
  llvm::Module module{"skeleton", context};
  llvm::Function *body = nullptr;
  std::vector<llvm::BasicBlock *> made;
  llvm::DenseMap<const llvm::BasicBlock *, unsigned> indices;
};

Skeleton::Skeleton(const std::vector<Block> &blocks) {
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       /*isVarArg=*/false);
  body = llvm::Function::Create(type, llvm::Function::ExternalLinkage, "body",
                                module);
  for (size_t i = 0; i < blocks.size(); ++i) {
    made.push_back(llvm::BasicBlock::Create(context, "", body));
    indices[made.back()] = i;
  }
  llvm::Value *unknown = llvm::PoisonValue::get(llvm::Type::getInt1Ty(context));
  for (auto [i, block] : llvm::enumerate(blocks)) {
    // Lanes that exit at a guarded exit are no path: they only get fewer.
    if (block.end == Block::End::Exit && !block.guard)
      llvm::ReturnInst::Create(context, made[i]);
    else if (block.end == Block::End::Branch && !block.guard)
      llvm::BranchInst::Create(made[block.taken], made[i]);
    else if (block.end == Block::End::Branch)
      llvm::BranchInst::Create(made[block.taken], made[block.next], unknown,
                               made[i]);
    else
      llvm::BranchInst::Create(made[block.next], made[i]);
  }
}

/// The blocks in reverse post-order, in which what a loop leads to comes after
/// all of the loop.
std::vector<unsigned> orderBlocks(Skeleton &skeleton) {
  llvm::DominatorTree dominators(skeleton.function());
  llvm::LoopInfo loops(dominators);
  struct Visit {
    llvm::BasicBlock *block;
    llvm::SmallVector<llvm::BasicBlock *, 2> left;
  };
  std::vector<unsigned> order;
  llvm::SmallPtrSet<llvm::BasicBlock *, 32> seen;
  std::vector<Visit> stack;
  auto enter = [&](llvm::BasicBlock *block) {
    if (!seen.insert(block).second)
      return;
    Visit visit{block, {llvm::succ_begin(block), llvm::succ_end(block)}};
    // Those that leave most loops are visited first and so come last; they are
    // taken from the back.
    auto depthShared = [&](llvm::BasicBlock *to) {
      unsigned depth = 0;
      for (llvm::Loop *loop = loops.getLoopFor(block); loop;
           loop = loop->getParentLoop())
        depth += loop->contains(to);
      return depth;
    };
    // There are two at most.
    if (visit.left.size() == 2 &&
        depthShared(visit.left[0]) < depthShared(visit.left[1]))
      std::swap(visit.left[0], visit.left[1]);
    stack.push_back(std::move(visit));
  };
  enter(&skeleton.function().getEntryBlock());
  while (!stack.empty()) {
    if (!stack.back().left.empty()) {
      enter(stack.back().left.pop_back_val());
      continue;
    }
    order.push_back(skeleton.indexOf(stack.back().block));
    stack.pop_back();
  }
  std::reverse(order.begin(), order.end());
  return order;
}

std::vector<Block> reorder(const std::vector<Block> &blocks,
                           const std::vector<unsigned> &order) {
  std::vector<unsigned> position(blocks.size(), Block::kNone);
  for (auto [i, index] : llvm::enumerate(order))
    position[index] = i;
  std::vector<Block> ordered;
  for (unsigned index : order) {
    Block block = blocks[index];
    // An unguarded end has one successor at most.
    bool takes = block.end == Block::End::Branch;
    bool goesOn = block.end == Block::End::Next ||
                  block.end == Block::End::Barrier || block.guard.has_value();
    block.taken = takes ? position[block.taken] : Block::kNone;
    block.next = goesOn ? position[block.next] : Block::kNone;
    ordered.push_back(block);
  }
  return ordered;
}

/// Marks the blocks that lanes may reach apart from one another: those between
/// a branch that parts them and the place where they meet again.
void maskRegion(std::vector<Block> &blocks, unsigned branch, unsigned join) {
  llvm::SmallVector<unsigned> open = {blocks[branch].taken,
                                      blocks[branch].next};
  llvm::SmallVector<bool> seen(blocks.size(), false);
  while (!open.empty()) {
    unsigned index = open.pop_back_val();
    if (index == join || index == Block::kNone || seen[index])
      continue;
    seen[index] = true;
    blocks[index].isMasked = true;
    open.push_back(blocks[index].taken);
    open.push_back(blocks[index].next);
  }
}

/// Finds what lies in memory: what outlives a block, or the runtime uses.
void placeRegisters(const Kernel &kernel, ControlFlow &flow) {
  std::vector<unsigned> home(flow.registers.size(), Block::kNone);
  for (unsigned index = 0; index < flow.blocks.size(); ++index) {
    const Block &block = flow.blocks[index];
    auto touch = [&](unsigned reg, bool isWhole) {
      // What is not written first comes from elsewhere.
      if (home[reg] == Block::kNone && isWhole)
        home[reg] = index;
      else if (home[reg] != index)
        flow.registers[reg].isInMemory = true;
    };
    for (unsigned i = block.first; i < block.last; ++i) {
      const Instruction &instruction = kernel.instructions[i];
      if (instruction.guard)
        touch(*instruction.guard, /*isWhole=*/false);
      bool isPinned = usesFrame(instruction);
      forEachRegister(instruction, [&](const Operand &operand, bool isDefined) {
        touch(operand.reg, isDefined && !instruction.guard);
        flow.registers[operand.reg].isInMemory |= isPinned;
      });
    }
    if (block.guard)
      touch(*block.guard, /*isWhole=*/false);
  }
}

} // namespace

llvm::Expected<ControlFlow>
flow::emulator::analyzeControlFlow(const Kernel &kernel) {
  auto blocks = BlockBuilder(kernel).build();
  if (!blocks)
    return blocks.takeError();
  ControlFlow flow;
  {
    Skeleton skeleton(*blocks);
    flow.blocks = reorder(*blocks, orderBlocks(skeleton));
  }
  Skeleton skeleton(flow.blocks);
  llvm::DominatorTree dominators(skeleton.function());
  llvm::PostDominatorTree postDominators(skeleton.function());
  flow.registers.resize(kernel.registers.size());
  UniformityAnalysis uniformity(kernel, flow, [&](unsigned a, unsigned b) {
    return dominators.dominates(skeleton.at(a), skeleton.at(b));
  });
  // More masked blocks make fewer registers uniform, and those mask more.
  for (bool changed = true; changed;) {
    changed = uniformity.update();
    for (auto [i, block] : llvm::enumerate(flow.blocks)) {
      if (block.end != Block::End::Branch || !block.guard ||
          flow.registers[*block.guard].isUniform)
        continue;
      auto *node = postDominators.getNode(skeleton.at(i))->getIDom();
      bool meets = node && node->getBlock();
      maskRegion(flow.blocks, i,
                 meets ? skeleton.indexOf(node->getBlock()) : Block::kNone);
    }
  }
  placeRegisters(kernel, flow);
  return flow;
}
