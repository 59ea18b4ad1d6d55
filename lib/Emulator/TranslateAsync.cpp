// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mbarriers, copies by the asynchronous proxy, and its fences.

#include "Runtime.h"
#include "Translator.h"

#include "llvm/ADT/StringSwitch.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;

/// The address in brackets, as 64 bits of each lane.
llvm::Expected<Value *> Translator::readAddress(const Operand &operand) {
  if (operand.kind != Operand::Kind::Address)
    return unsupported(*current, "expected an address in brackets");
  const Operand &base = operand.elements[0];
  bool isWord = base.kind == Operand::Kind::Register &&
                kernel.registers[base.reg].bits == 32;
  auto value = read(base, isWord ? 32 : 64);
  if (!value)
    return value.takeError();
  Value *address = builder.CreateAdd(*value, constant(*value, operand.value));
  return splat(
      builder.CreateZExt(address, shaped(builder.getInt64Ty(), address)));
}

/// `mbarrier.init.shared.b64 [a], n`, `.inval [a]`, `.arrive state, [a]{, n}`,
/// `.arrive.expect_tx state, [a], bytes`, `.expect_tx [a], bytes`. Others than
/// those of the CTA, and relaxed ones, are not supported.
llvm::Error Translator::mbarrier(const Instruction &instruction) {
  llvm::ArrayRef<Operand> operands(instruction.operands);
  bool isExpect = instruction.has("expect_tx");
  auto operation =
      llvm::StringSwitch<std::optional<MbarrierOperation>>(
          instruction.parts.size() > 1 ? instruction.parts[1] : "")
          .Case("init", MbarrierOperation::Init)
          .Case("inval", MbarrierOperation::Invalidate)
          .Case("arrive", isExpect ? MbarrierOperation::ArriveExpect
                                   : MbarrierOperation::Arrive)
          .Case("expect_tx", MbarrierOperation::Expect)
          .Default(std::nullopt);
  bool isRelaxed = operation == MbarrierOperation::Expect;
  llvm::SmallVector<StringRef> known = {"init",   "inval",       "arrive",
                                        "shared", "shared::cta", "expect_tx",
                                        "cta",    "release"};
  if (isRelaxed)
    known.push_back("relaxed");
  if (llvm::Error error = expectSuffixes(instruction, known))
    return error;
  if (!operation || instruction.type() != "b64")
    return unsupported(instruction);
  bool arrives = *operation == MbarrierOperation::Arrive ||
                 *operation == MbarrierOperation::ArriveExpect;
  bool hasOperand = *operation != MbarrierOperation::Invalidate;
  bool isOptional = *operation == MbarrierOperation::Arrive;
  if (llvm::Error error =
          expectOperands(instruction, arrives + 1 + (hasOperand && !isOptional),
                         arrives + 1 + hasOperand))
    return error;
  auto address = readAddress(operands[arrives]);
  if (!address)
    return address.takeError();
  Value *operand = builder.getInt32(1);
  if (operands.size() > arrives + 1u) {
    auto given = read(operands[arrives + 1], 32);
    if (!given)
      return given.takeError();
    operand = *given;
  }
  operand =
      splat(builder.CreateZExt(operand, shaped(builder.getInt64Ty(), operand)));
  Value *result = scratch(2);
  Value *lanes = guardedMask(instruction);
  call("mbarrier", {function->getArg(0), int32(indexOf(instruction)), lanes,
                    int32(uint32_t(*operation)), scratch(0, *address),
                    scratch(1, operand), result});
  if (!arrives)
    return llvm::Error::success();
  Type *type = llvm::FixedVectorType::get(builder.getInt64Ty(), kWarpSize);
  return write(operands[0],
               builder.CreateAlignedLoad(type, result, llvm::Align(64)));
}

/// `mbarrier.try_wait{.parity}.shared.b64 p, [a], phase{, nanoseconds}` waits
/// until the phase is over; `test_wait` asks.
llvm::Error Translator::waitForPhase(const Instruction &instruction) {
  if (llvm::Error error = expectSuffixes(
          instruction, {"try_wait", "test_wait", "parity", "acquire", "cta",
                        "shared", "shared::cta"}))
    return error;
  bool waits = instruction.has("try_wait");
  if (llvm::Error error = expectOperands(instruction, 3, waits ? 4 : 3))
    return error;
  auto address = readAddress(instruction.operands[1]);
  if (!address)
    return address.takeError();
  bool isParity = instruction.has("parity");
  auto phase = read(instruction.operands[2], isParity ? 32 : 64);
  if (!phase)
    return phase.takeError();
  Value *wide =
      splat(builder.CreateZExt(*phase, shaped(builder.getInt64Ty(), *phase)));
  Value *over = call("phase",
                     {function->getArg(0), int32(indexOf(instruction)),
                      guardedMask(instruction), int32(waits), int32(isParity),
                      scratch(0, *address), scratch(1, wide)},
                     builder.getInt32Ty());
  return write(instruction.operands[0], predicatesOf(over));
}

/// `cp.async.bulk.tensor.2d.shared::cluster.global{.tile}
/// .mbarrier::complete_tx::bytes [to], [map, {x, y}], [barrier]`, and
/// `cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [to],
/// [from], bytes, [barrier]`.
llvm::Error Translator::bulkCopy(const Instruction &instruction) {
  if (llvm::Error error = expectSuffixes(
          instruction, {"async", "bulk", "tensor", "2d", "shared::cluster",
                        "shared::cta", "global", "tile"}))
    return error;
  bool isTensor = instruction.has("tensor");
  bool isToShared =
      instruction.has("shared::cluster") || instruction.has("shared::cta");
  llvm::ArrayRef<Operand> operands(instruction.operands);
  if (instruction.type() != "mbarrier::complete_tx::bytes" || !isToShared ||
      isTensor != instruction.has("2d"))
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, isTensor ? 3 : 4))
    return error;
  bool hasCoordinates = operands[1].kind == Operand::Kind::Address &&
                        operands[1].elements.size() == 2 &&
                        operands[1].elements[1].elements.size() == 2;
  if (isTensor != hasCoordinates)
    return unsupported(instruction, "expected a map with two coordinates");
  llvm::SmallVector<Value *> values;
  auto add = [&](llvm::Expected<Value *> value) -> llvm::Error {
    if (!value)
      return value.takeError();
    values.push_back(splat(
        builder.CreateZExt(*value, shaped(builder.getInt64Ty(), *value))));
    return llvm::Error::success();
  };
  if (llvm::Error error = add(readAddress(operands[0])))
    return error;
  if (llvm::Error error = add(readAddress(operands[1])))
    return error;
  llvm::ArrayRef<Operand> numbers =
      isTensor ? llvm::ArrayRef(operands[1].elements[1].elements)
               : operands.slice(2, 1);
  for (const Operand &number : numbers)
    if (llvm::Error error = add(read(number, 32)))
      return error;
  if (llvm::Error error = add(readAddress(operands.back())))
    return error;
  // Rows of 32 words of 64 bits.
  Type *row = llvm::FixedVectorType::get(builder.getInt64Ty(), kWarpSize);
  llvm::IRBuilder<> atEntry(entry, entry->begin());
  auto *rows = atEntry.CreateAlloca(llvm::ArrayType::get(row, values.size()));
  rows->setAlignment(llvm::Align(64));
  for (auto [i, value] : llvm::enumerate(values))
    builder.CreateAlignedStore(value,
                               builder.CreateConstInBoundsGEP1_64(row, rows, i),
                               llvm::Align(64));
  call("bulk", {function->getArg(0), int32(indexOf(instruction)),
                guardedMask(instruction), int32(isTensor), rows});
  return llvm::Error::success();
}

/// `fence.proxy.async{.space}` and `fence.mbarrier_init.release.cluster`.
llvm::Error Translator::fenceProxy(const Instruction &instruction) {
  bool isInit = instruction.has("mbarrier_init");
  bool isAsync = instruction.has("proxy") && instruction.has("async");
  if (!isInit && !isAsync)
    return unsupported(instruction);
  // What is in global memory the proxy sees as it is.
  if (instruction.has("global"))
    return llvm::Error::success();
  if (options.checks)
    call("fence_proxy", {function->getArg(0), int32(isInit)});
  return llvm::Error::success();
}
