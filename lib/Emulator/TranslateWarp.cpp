// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the lanes of a warp do together: barriers, votes, shuffles.

#include "Runtime.h"
#include "Translator.h"

#include "llvm/ADT/StringSwitch.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;

llvm::Error Translator::converge(const Instruction &instruction,
                                 const Operand &members) {
  auto named = read(members, 32);
  if (!named)
    return named.takeError();
  if (!options.checks)
    return llvm::Error::success();
  call("converge", {function->getArg(0), int32(indexOf(instruction)),
                    guardedMask(instruction), scratch(0, *named),
                    int32(isVector(*named) ? kWarpSize : 1)});
  return llvm::Error::success();
}

llvm::Error Translator::barrier(const Instruction &instruction) {
  if (instruction.has("warp") && instruction.has("sync")) {
    if (llvm::Error error = expectOperands(instruction, 1))
      return error;
    return converge(instruction, instruction.operands[0]);
  }
  if (!instruction.has("arrive"))
    return unsupported(instruction);
  return callBarrier(instruction, /*waits=*/false);
}

/// `bar.sync id{, threads}`; without threads all of the CTA take part.
llvm::Error Translator::callBarrier(const Instruction &instruction,
                                    bool waits) {
  if (llvm::Error error =
          expectSuffixes(instruction, {"sync", "arrive", "cta", "aligned"}, 0))
    return error;
  if (llvm::Error error = expectOperands(instruction, waits ? 1 : 2, 2))
    return error;
  auto values = readAll(instruction.operands, 32);
  if (!values)
    return values.takeError();
  Value *id = (*values)[0];
  Value *threads = values->size() > 1
                       ? (*values)[1]
                       : llvm::Constant::getNullValue(id->getType());
  call("barrier",
       {function->getArg(0), int32(indexOf(instruction)),
        guardedMask(instruction), scratch(0, id), scratch(1, threads),
        int32(isVector(id) ? kWarpSize : 1), int32(waits)});
  return llvm::Error::success();
}

/// `shfl.sync.bfly.b32 d{|p}, value, lane, clamp, members`.
llvm::Error Translator::shuffle(const Instruction &instruction) {
  if (llvm::Error error =
          expectSuffixes(instruction, {"sync", "up", "down", "bfly", "idx"}))
    return error;
  if (llvm::Error error = expectOperands(instruction, 5))
    return error;
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  auto mode = llvm::StringSwitch<std::optional<ShuffleMode>>(
                  parts.size() == 4 ? parts[2] : "")
                  .Case("up", ShuffleMode::Up)
                  .Case("down", ShuffleMode::Down)
                  .Case("bfly", ShuffleMode::Butterfly)
                  .Case("idx", ShuffleMode::Index)
                  .Default(std::nullopt);
  if (!mode || parts[1] != "sync" || instruction.type() != "b32")
    return unsupported(instruction);
  auto values = readAll(llvm::ArrayRef(instruction.operands).drop_front(), 32);
  if (!values)
    return values.takeError();
  // Four rows of 32 words.
  Type *row = llvm::FixedVectorType::get(builder.getInt32Ty(), kWarpSize);
  if (!shuffleOperands) {
    llvm::IRBuilder<> atEntry(entry, entry->begin());
    shuffleOperands = atEntry.CreateAlloca(llvm::ArrayType::get(row, 4));
    shuffleOperands->setAlignment(llvm::Align(64));
  }
  for (auto [i, value] : llvm::enumerate(*values))
    builder.CreateAlignedStore(
        splat(value),
        builder.CreateConstInBoundsGEP1_64(row, shuffleOperands, i),
        llvm::Align(64));
  Value *result = scratch(2);
  Value *inRange = call("shuffle",
                        {function->getArg(0), int32(indexOf(instruction)),
                         guardedMask(instruction), int32(uint32_t(*mode)),
                         shuffleOperands, result},
                        builder.getInt32Ty());
  Value *shuffled = builder.CreateAlignedLoad(row, result, llvm::Align(64));
  const Operand &to = instruction.operands[0];
  if (to.kind != Operand::Kind::Pair)
    return write(to, shuffled);
  if (llvm::Error error = write(to.elements[0], shuffled))
    return error;
  return write(to.elements[1], predicatesOf(inRange));
}

/// `vote.sync.any.pred p, {!}q, members` and `vote.sync.ballot.b32`.
llvm::Error Translator::vote(const Instruction &instruction) {
  if (llvm::Error error =
          expectSuffixes(instruction, {"sync", "any", "all", "uni", "ballot"}))
    return error;
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (!instruction.has("sync"))
    return unsupported(instruction);
  if (llvm::Error error = converge(instruction, instruction.operands[2]))
    return error;
  auto predicate = read(instruction.operands[1], 1);
  if (!predicate)
    return predicate.takeError();
  Value *lanes = guardedMask(instruction);
  Value *yes = builder.CreateAnd(lanes, lanesOf(*predicate));
  if (instruction.has("ballot"))
    return write(instruction.operands[0], yes);
  Value *isAny = builder.CreateIsNotNull(yes);
  Value *isAll = builder.CreateICmpEQ(yes, lanes);
  Value *result = instruction.has("any") ? isAny
                  : instruction.has("all")
                      ? isAll
                      : builder.CreateOr(builder.CreateNot(isAny), isAll);
  return write(instruction.operands[0], result);
}

/// `redux.sync.add.s32 d, a, members`.
llvm::Error Translator::reduce(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  StringRef type = instruction.type();
  bool isSigned = type == "s32", isBits = type == "b32";
  auto kind = llvm::StringSwitch<std::optional<AtomicKind>>(
                  parts.size() == 4 ? parts[2] : "")
                  .Case("add", AtomicKind::Add)
                  .Case("min", isSigned ? AtomicKind::MinSigned
                                        : AtomicKind::MinUnsigned)
                  .Case("max", isSigned ? AtomicKind::MaxSigned
                                        : AtomicKind::MaxUnsigned)
                  .Case("and", AtomicKind::And)
                  .Case("or", AtomicKind::Or)
                  .Case("xor", AtomicKind::Xor)
                  .Default(std::nullopt);
  if (!kind || parts[1] != "sync" || !(isSigned || isBits || type == "u32"))
    return unsupported(instruction);
  bool isBitwise = *kind == AtomicKind::And || *kind == AtomicKind::Or ||
                   *kind == AtomicKind::Xor;
  if (isBitwise != isBits)
    return unsupported(instruction);
  if (llvm::Error error = converge(instruction, instruction.operands[2]))
    return error;
  auto value = read(instruction.operands[1], 32);
  if (!value)
    return value.takeError();
  return write(instruction.operands[0],
               call("reduce",
                    {guardedMask(instruction), int32(uint32_t(*kind)),
                     scratch(0, splat(*value))},
                    builder.getInt32Ty()));
}

/// `match.any.sync.b32 d, a, members` and `match.all.sync.b32 d{|p}, a,
/// members`: the lanes that hold the same.
llvm::Error Translator::match(const Instruction &instruction) {
  if (llvm::Error error = expectSuffixes(instruction, {"sync", "any", "all"}))
    return error;
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  unsigned bits = instruction.type() == "b64" ? 64 : 32;
  bool isAll = instruction.has("all");
  if (!instruction.has("sync") || isAll == instruction.has("any") ||
      (bits == 32 && instruction.type() != "b32"))
    return unsupported(instruction);
  if (llvm::Error error = converge(instruction, instruction.operands[2]))
    return error;
  auto value = read(instruction.operands[1], bits);
  if (!value)
    return value.takeError();
  Value *result = scratch(2);
  Value *isOne = call("match",
                      {guardedMask(instruction), int32(bits), int32(isAll),
                       scratch(0, splat(*value)), result},
                      builder.getInt32Ty());
  Value *lanes = builder.CreateAlignedLoad(
      llvm::FixedVectorType::get(builder.getInt32Ty(), kWarpSize), result,
      llvm::Align(64));
  const Operand &to = instruction.operands[0];
  if (to.kind != Operand::Kind::Pair)
    return write(to, lanes);
  if (!isAll)
    return unsupported(instruction);
  if (llvm::Error error = write(to.elements[0], lanes))
    return error;
  return write(to.elements[1], predicatesOf(isOne));
}

/// `elect.sync d|p, members`: the first of the lanes is the leader.
llvm::Error Translator::elect(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  const Operand &to = instruction.operands[0];
  if (instruction.type() != "sync" || to.kind != Operand::Kind::Pair)
    return unsupported(instruction);
  if (llvm::Error error = converge(instruction, instruction.operands[1]))
    return error;
  Value *lanes = guardedMask(instruction);
  Value *leader = builder.CreateAnd(lanes, builder.CreateNeg(lanes));
  if (llvm::Error error = write(
          to.elements[0],
          builder.CreateIntrinsic(llvm::Intrinsic::cttz, {builder.getInt32Ty()},
                                  {leader, builder.getFalse()})))
    return error;
  return write(to.elements[1], predicatesOf(leader));
}

llvm::Error Translator::activeMask(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 1))
    return error;
  return write(instruction.operands[0], guardedMask(instruction));
}

llvm::Error Translator::trap(const Instruction &instruction) {
  call("trap", {function->getArg(0), int32(indexOf(instruction))});
  // Nothing after it may happen.
  return llvm::Error::success();
}
