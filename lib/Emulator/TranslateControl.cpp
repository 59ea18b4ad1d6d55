// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How a warp gets from block to block, whole or in parts.
//
// Where lanes may part, each block has a mask of those that wait to enter it.
// A branch that parts lanes adds them to the masks of its targets, and the
// dispatcher goes on with the first block that has any: by the order of the
// blocks lanes meet again as early as they can.

#include "Translator.h"

#include "Runtime.h"

#include "llvm/Support/MathExtras.h"

using namespace flow::emulator;
using llvm::Value;

llvm::BasicBlock *Translator::newBlock(const llvm::Twine &name) {
  return llvm::BasicBlock::Create(context, name, function);
}

void Translator::createBlocks(llvm::StringRef name) {
  auto *type = llvm::FunctionType::get(builder.getInt32Ty(),
                                       {builder.getPtrTy()}, false);
  function = llvm::Function::Create(type, llvm::Function::ExternalLinkage, name,
                                    module);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  entry = newBlock("entry");
  done = newBlock("done");
  dispatcher = newBlock("dispatch");
  for (unsigned i = 0; i < flow.blocks.size(); ++i)
    starts.push_back(newBlock("block" + llvm::Twine(i)));
  isPushed.assign(flow.blocks.size(), false);
  // A warp begins at the first block, or after the barrier where it stopped.
  builder.SetInsertPoint(entry);
  auto *resume = builder.CreateSwitch(
      loadField(offsetof(WarpState, resume), builder.getInt32Ty()), starts[0]);
  llvm::SmallVector<bool> isResumed(flow.blocks.size(), false);
  for (const Block &block : flow.blocks) {
    if (block.end != Block::End::Barrier || isResumed[block.next])
      continue;
    isResumed[block.next] = true;
    if (block.next != 0)
      resume->addCase(builder.getInt32(block.next), starts[block.next]);
  }
  builder.SetInsertPoint(done);
  builder.CreateRet(int32(uint32_t(WarpStatus::Done)));
}

/// Operations of a whole mma or wgmma of the shape `mMnNkK`.
static uint64_t tensorOperations(const Instruction &instruction) {
  for (llvm::StringRef part : instruction.parts) {
    uint64_t m = 0, n = 0, k = 0;
    if (part.consume_front("m") && !part.consumeInteger(10, m) &&
        part.consume_front("n") && !part.consumeInteger(10, n) &&
        part.consume_front("k") && !part.consumeInteger(10, k))
      return 2 * m * n * k;
  }
  return 0;
}

/// Operations of a lane on f32.
static uint64_t floatOperations(const Instruction &instruction) {
  llvm::StringRef type = instruction.type(), family = instruction.family();
  if (type != "f32" && type != "f32x2")
    return 0;
  uint64_t elements = type == "f32" ? 1 : 2;
  if (family == "fma" || family == "mad")
    return 2 * elements;
  return family == "add" || family == "sub" || family == "mul" ? elements : 0;
}

/// What an instruction adds to the counters by being executed.
static void countInstruction(const Instruction &instruction,
                             Counters &counters) {
  llvm::StringRef family = instruction.family();
  ++counters.instructions;
  if (family == "mma") {
    ++counters.mma;
    bool isOfBytes = instruction.has("s8") || instruction.has("u8");
    (isOfBytes ? counters.byteTensorOperations : counters.tensorOperations) +=
        tensorOperations(instruction);
  }
  counters.floatOperations += floatOperations(instruction);
  counters.ldmatrix += family == "ldmatrix";
  counters.asyncCopies += family == "cp" && instruction.has("async") &&
                          instruction.has("global") && !instruction.has("bulk");
  counters.bulkCopies += family == "cp" && instruction.has("bulk");
  if (family == "wgmma" && instruction.has("mma_async")) {
    ++counters.wgmma;
    // Each of the four warps executes it for its 16 rows of 64.
    counters.tensorOperations += tensorOperations(instruction) / 4;
  }
  counters.barriers += isBarrier(instruction);
  static constexpr llvm::StringRef specials[] = {"ex2",  "lg2", "rcp", "rsqrt",
                                                 "sqrt", "sin", "cos", "tanh"};
  counters.special += llvm::is_contained(specials, family);
}

void Translator::countBlock(unsigned index) {
  const Block &block = flow.blocks[index];
  Counters &counters = code.blocks.emplace_back();
  for (unsigned i = block.first; i < block.last; ++i)
    countInstruction(kernel.instructions[i], counters);
  bool hasEnd =
      block.end == Block::End::Exit || block.end == Block::End::Branch;
  // Neither the branch around a guarded collective nor the return at the very
  // end is in the text.
  if (hasEnd && block.last < kernel.instructions.size()) {
    llvm::StringRef family = kernel.instructions[block.last].family();
    if (family == "bra" || family == "ret" || family == "exit")
      ++counters.instructions;
  }
  if (!options.count || !counters.instructions)
    return;
  Value *table =
      loadField(offsetof(WarpState, blockCounts), builder.getPtrTy());
  Value *lanes = builder.CreateZExt(
      builder.CreateUnaryIntrinsic(llvm::Intrinsic::ctpop, mask()),
      builder.getInt64Ty());
  for (auto [i, amount] :
       {std::pair<unsigned, Value *>(0, builder.getInt64(1)), {1, lanes}}) {
    Value *slot = builder.CreateConstInBoundsGEP1_64(
        builder.getInt64Ty(), table, 2 * uint64_t(index) + i);
    Value *sum = builder.CreateAdd(
        builder.CreateLoad(builder.getInt64Ty(), slot), amount);
    builder.CreateStore(sum, slot);
  }
}

/// How many instructions become one block of LLVM's. Its scheduler takes time
/// that grows with the square of a block.
static constexpr unsigned kPiece = 16;

/// Ends a block of LLVM's; one whose end can be seen through would be merged
/// with the next.
void Translator::stopIfFailed() {
  Value *failed = loadField(offsetof(WarpState, failed), builder.getInt32Ty());
  auto *next = newBlock("piece");
  builder.CreateCondBr(builder.CreateIsNotNull(failed), done, next);
  builder.SetInsertPoint(next);
}

llvm::Error Translator::translateBlock(unsigned index) {
  const Block &block = flow.blocks[index];
  builder.SetInsertPoint(starts[index]);
  currentBlock = index;
  values.clear();
  blockMask = blockActive = nullptr;
  isWholeChecked = false;
  countBlock(index);
  unsigned last =
      block.end == Block::End::Barrier ? block.last - 1 : block.last;
  for (unsigned i = block.first; i < last; ++i) {
    if (llvm::Error error = translateInstruction(kernel.instructions[i]))
      return error;
    if ((i - block.first) % kPiece == kPiece - 1)
      stopIfFailed();
  }
  return endBlock(index);
}

llvm::Error Translator::endBlock(unsigned index) {
  const Block &block = flow.blocks[index];
  switch (block.end) {
  case Block::End::Next:
    go(index, block.next);
    break;
  case Block::End::Branch:
    endBranch(index);
    break;
  case Block::End::Exit:
    endExit(index);
    break;
  case Block::End::Barrier:
    return endBarrier(index);
  }
  return llvm::Error::success();
}

/// All lanes that are here go to one block. Lanes that wait elsewhere may be
/// first.
void Translator::go(unsigned from, unsigned to) {
  if (flow.blocks[from].isMasked) {
    Value *waiting = builder.getFalse();
    for (unsigned word = 0; word * 64 < flow.blocks.size(); ++word)
      waiting =
          builder.CreateOr(waiting, builder.CreateIsNotNull(pendingWord(word)));
    auto *direct = newBlock("direct"), *queue = newBlock("queue");
    builder.CreateCondBr(waiting, queue, direct);
    builder.SetInsertPoint(queue);
    push(to, mask());
    builder.CreateBr(dispatcher);
    builder.SetInsertPoint(direct);
  } else if (flow.blocks[to].isMasked) {
    storeField(offsetof(WarpState, active), mask());
  }
  if (to > from) {
    builder.CreateBr(starts[to]);
    return;
  }
  // A rule was broken: what the loop waits for may never come.
  Value *failed = loadField(offsetof(WarpState, failed), builder.getInt32Ty());
  builder.CreateCondBr(builder.CreateIsNotNull(failed), done, starts[to]);
}

void Translator::endBranch(unsigned index) {
  mask(); // is used in both directions
  const Block &block = flow.blocks[index];
  if (!block.guard)
    return go(index, block.taken);
  Value *guard = guardOf(*block.guard, block.guardNegated);
  auto *taken = newBlock("taken"), *next = newBlock("next");
  if (!isVector(guard)) {
    builder.CreateCondBr(guard, taken, next);
  } else {
    Value *lanes = builder.CreateAnd(mask(), lanesOf(guard));
    Value *others = builder.CreateXor(mask(), lanes);
    auto *some = newBlock("some"), *both = newBlock("both");
    builder.CreateCondBr(builder.CreateIsNull(others), taken, some);
    builder.SetInsertPoint(some);
    builder.CreateCondBr(builder.CreateIsNull(lanes), next, both);
    builder.SetInsertPoint(both);
    part(index, lanes, others);
  }
  builder.SetInsertPoint(taken);
  go(index, block.taken);
  builder.SetInsertPoint(next);
  go(index, block.next);
}

/// The lanes go both ways.
void Translator::part(unsigned from, Value *toTaken, Value *toNext) {
  push(flow.blocks[from].taken, toTaken);
  push(flow.blocks[from].next, toNext);
  uint64_t counter = offsetof(WarpState, divergentBranches);
  storeField(counter,
             builder.CreateAdd(loadField(counter, builder.getInt64Ty()),
                               builder.getInt64(1)));
  builder.CreateBr(dispatcher);
}

Value *Translator::pendingWord(unsigned word) {
  return loadField(summaryBegin + 8 * word, builder.getInt64Ty());
}

void Translator::push(unsigned block, Value *lanes) {
  isPushed[block] = true;
  uint64_t slot = pendingBegin + 4 * uint64_t(block);
  storeField(slot,
             builder.CreateOr(loadField(slot, builder.getInt32Ty()), lanes));
  uint64_t bit = uint64_t(1) << block % 64;
  storeField(summaryBegin + block / 64 * 8,
             builder.CreateOr(pendingWord(block / 64), bit));
}

void Translator::emitDispatcher() {
  builder.SetInsertPoint(dispatcher);
  Value *failed = loadField(offsetof(WarpState, failed), builder.getInt32Ty());
  auto *search = newBlock("search");
  builder.CreateCondBr(builder.CreateIsNotNull(failed), done, search);
  builder.SetInsertPoint(search);
  auto *unreachable = newBlock("unreachable");
  for (unsigned first = 0; first < flow.blocks.size(); first += 64) {
    Value *word = pendingWord(first / 64);
    auto *found = newBlock("found"), *nextWord = newBlock("word");
    builder.CreateCondBr(builder.CreateIsNotNull(word), found, nextWord);
    builder.SetInsertPoint(found);
    Value *bit =
        builder.CreateIntrinsic(llvm::Intrinsic::cttz, {builder.getInt64Ty()},
                                {word, builder.getTrue()});
    storeField(
        summaryBegin + first / 8,
        builder.CreateAnd(word, builder.CreateSub(word, builder.getInt64(1))));
    Value *slot = builder.CreateInBoundsGEP(
        builder.getInt32Ty(), framePointer(pendingBegin + 4 * uint64_t(first)),
        bit);
    Value *lanes = builder.CreateLoad(builder.getInt32Ty(), slot);
    builder.CreateStore(int32(0), slot);
    storeField(offsetof(WarpState, active), lanes);
    auto *choice = builder.CreateSwitch(bit, unreachable);
    for (unsigned i = first; i < std::min<size_t>(first + 64, isPushed.size());
         ++i)
      if (isPushed[i])
        choice->addCase(builder.getInt64(i - first), starts[i]);
    builder.SetInsertPoint(nextWord);
  }
  // Nobody is left.
  builder.CreateBr(done);
  builder.SetInsertPoint(unreachable);
  builder.CreateUnreachable();
}

void Translator::endExit(unsigned index) {
  const Block &block = flow.blocks[index];
  Value *lanes = mask();
  if (block.guard)
    lanes = builder.CreateAnd(
        lanes, lanesOf(guardOf(*block.guard, block.guardNegated)));
  Value *alive = loadField(offsetof(WarpState, alive), builder.getInt32Ty());
  Value *left = builder.CreateAnd(alive, builder.CreateNot(lanes));
  storeField(offsetof(WarpState, alive), left);
  if (!block.guard) {
    builder.CreateBr(block.isMasked ? dispatcher : done);
    return;
  }
  if (block.isMasked) {
    left = builder.CreateAnd(mask(), builder.CreateNot(lanes));
    storeField(offsetof(WarpState, active), left);
  }
  blockMask = left;
  auto *on = newBlock("on");
  builder.CreateCondBr(builder.CreateIsNull(left),
                       block.isMasked ? dispatcher : done, on);
  builder.SetInsertPoint(on);
  go(index, block.next);
}

llvm::Error Translator::endBarrier(unsigned index) {
  const Block &block = flow.blocks[index];
  const Instruction &instruction = kernel.instructions[block.last - 1];
  current = &instruction;
  bool isPhase = isPhaseWait(instruction);
  llvm::Error error = isPhase ? waitForPhase(instruction)
                              : callBarrier(instruction, /*waits=*/true);
  current = nullptr;
  if (error)
    return error;
  if (!block.isMasked && flow.blocks[block.next].isMasked)
    storeField(offsetof(WarpState, active), mask());
  storeField(offsetof(WarpState, resume), int32(block.next));
  builder.CreateRet(
      int32(uint32_t(isPhase ? WarpStatus::AtPhase : WarpStatus::AtBarrier)));
  return llvm::Error::success();
}
