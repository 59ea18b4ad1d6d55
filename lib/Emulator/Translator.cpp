// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Instructions find their handlers, operands their values.

#include "Translator.h"

#include "Runtime.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/Constants.h"
#include "llvm/Support/MathExtras.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;

std::optional<PtxType> flow::emulator::parseType(StringRef text) {
  PtxType type;
  if (text == "pred") {
    type.kind = PtxType::Kind::Predicate;
    type.bits = 1;
    return type;
  }
  type.isPacked = text.consume_back("x2");
  if (text.consume_front("bf"))
    type.kind = PtxType::Kind::BFloat;
  else if (text.consume_front("f"))
    type.kind = PtxType::Kind::Float;
  else if (text.consume_front("u"))
    type.kind = PtxType::Kind::Unsigned;
  else if (text.consume_front("s"))
    type.kind = PtxType::Kind::Signed;
  else if (!text.consume_front("b"))
    return std::nullopt;
  if (text.getAsInteger(10, type.bits))
    return std::nullopt;
  bool isKnown = type.bits == 16 || (type.kind != PtxType::Kind::BFloat &&
                                     (type.bits == 32 || type.bits == 64 ||
                                      (type.bits == 8 && !type.isFloat())));
  if (!isKnown || (type.isPacked && type.bits != 16))
    return std::nullopt;
  return type;
}

Translator::Translator(const Kernel &kernel, const ControlFlow &flow,
                       KernelCode &code, const ProgramOptions &options,
                       const llvm::StringMap<uint64_t> &globals,
                       llvm::Module &module)
    : kernel(kernel), flow(flow), code(code), options(options),
      globals(globals), module(module), context(module.getContext()),
      builder(context) {}

llvm::Error Translator::translate(StringRef name) {
  uint64_t align = 16;
  for (const auto &variable : kernel.dynamicShared)
    align = std::max(align, variable.second.align);
  code.dynamicShared = kernel.dynamicShared.empty()
                           ? kernel.sharedBytes
                           : llvm::alignTo(kernel.sharedBytes, align);
  layOutRegisters();
  findProductRegisters();
  createBlocks(name);
  for (unsigned i = 0; i < flow.blocks.size(); ++i)
    if (llvm::Error error = translateBlock(i))
      return error;
  emitDispatcher();
  code.frameBytes = frameBytes;
  return llvm::Error::success();
}

Slot Translator::newSlot(unsigned bits, bool isUniform) {
  Slot slot;
  // Predicates of a warp are the bits of one word.
  bool isWord = bits == 1;
  slot.bytes = isWord ? 4 : bits / 8;
  slot.stride = isUniform || isWord ? 0 : slot.bytes;
  bool isVector = slot.stride != 0;
  frameBytes = llvm::alignTo(frameBytes, isVector ? 64 : 8);
  slot.offset = frameBytes;
  frameBytes += isVector ? slot.bytes * kWarpSize : 8;
  return slot;
}

void Translator::layOutRegisters() {
  pendingBegin = kRegistersBegin;
  unsigned words = llvm::divideCeil(flow.blocks.size(), 64);
  summaryBegin = llvm::alignTo(pendingBegin + 4 * flow.blocks.size(), 8);
  frameBytes = summaryBegin + 8 * words;
  slots.resize(kernel.registers.size());
  for (size_t reg = 0; reg < slots.size(); ++reg)
    if (flow.registers[reg].isInMemory)
      slots[reg] =
          newSlot(kernel.registers[reg].bits, flow.registers[reg].isUniform);
}

llvm::Error Translator::unsupported(const Instruction &instruction,
                                    const llvm::Twine &why) const {
  return llvm::createStringError("PTX line " + llvm::Twine(instruction.line) +
                                 " of kernel '" + kernel.name + "': '" +
                                 instruction.text + "' is not supported" +
                                 (why.isTriviallyEmpty() ? "" : ": ") + why);
}

llvm::Error Translator::expectOperands(const Instruction &instruction,
                                       size_t least, size_t most) const {
  size_t found = instruction.operands.size();
  if (found >= least && found <= most)
    return llvm::Error::success();
  return unsupported(
      instruction,
      "expected " + llvm::Twine(least) +
          (least == most ? llvm::Twine("") : " to " + llvm::Twine(most)) +
          " operands, found " + llvm::Twine(found));
}

llvm::Error Translator::expectSuffixes(const Instruction &instruction,
                                       llvm::ArrayRef<StringRef> known,
                                       unsigned types) const {
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  if (parts.size() < 1 + types)
    return unsupported(instruction);
  for (StringRef suffix : parts.drop_front().drop_back(types))
    if (!llvm::is_contained(known, suffix))
      return unsupported(instruction, "of '." + suffix + "'");
  return llvm::Error::success();
}

Translator::Handler
Translator::findHandler(const Instruction &instruction) const {
  StringRef family = instruction.family();
  std::optional<PtxType> type = parseType(instruction.type());
  if (type && type->isFloat()) {
    auto handler =
        llvm::StringSwitch<Handler>(family)
            .Cases({"add", "sub", "mul", "div", "min", "max"},
                   &Translator::floatBinary)
            .Cases({"fma", "mad"}, &Translator::fma)
            .Cases({"neg", "abs", "sqrt", "rcp"}, &Translator::floatUnary)
            .Cases({"ex2", "lg2", "sin", "cos", "tanh", "rsqrt"},
                   &Translator::special)
            .Case("copysign", &Translator::copySign)
            .Default(nullptr);
    if (handler)
      return handler;
  }
  return llvm::StringSwitch<Handler>(family)
      .Case("add", &Translator::add)
      .Case("sub", &Translator::sub)
      .Case("mul", &Translator::mul)
      .Case("mad", &Translator::mad)
      .Cases({"div", "rem"}, &Translator::divide)
      .Cases({"min", "max"}, &Translator::minMax)
      .Cases({"and", "or", "xor", "not", "cnot"}, &Translator::bitwise)
      .Cases({"shl", "shr"}, &Translator::shift)
      .Case("shf", &Translator::funnelShift)
      .Cases({"neg", "abs", "popc", "clz", "brev", "bfind"},
             &Translator::unaryInteger)
      .Cases({"bfe", "bfi"}, &Translator::bitField)
      .Case("lop3", &Translator::lop3)
      .Case("prmt", &Translator::prmt)
      .Case("dp4a", &Translator::dp4a)
      .Case("mov", &Translator::mov)
      .Case("cvta", &Translator::cvta)
      .Case("cvt", &Translator::cvt)
      .Case("selp", &Translator::selp)
      .Cases({"setp", "set"}, &Translator::setp)
      .Case("ld", &Translator::load)
      .Case("st", &Translator::store)
      .Cases({"atom", "red"}, &Translator::atomic)
      .Case("cp", &Translator::asyncCopy)
      .Cases({"ldmatrix", "stmatrix"}, &Translator::matrix)
      .Case("mma", &Translator::mma)
      .Case("wgmma", &Translator::wgmma)
      .Case("mbarrier", &Translator::mbarrier)
      .Case("elect", &Translator::elect)
      .Cases({"bar", "barrier"}, &Translator::barrier)
      .Case("shfl", &Translator::shuffle)
      .Case("vote", &Translator::vote)
      .Case("redux", &Translator::reduce)
      .Case("match", &Translator::match)
      .Case("activemask", &Translator::activeMask)
      .Case("trap", &Translator::trap)
      .Cases({"membar", "fence"}, &Translator::fence)
      .Cases({"prefetch", "prefetchu", "griddepcontrol", "nanosleep",
              "setmaxnreg"},
             &Translator::nothing)
      .Default(nullptr);
}

llvm::Error Translator::translateInstruction(const Instruction &instruction) {
  Handler handler = findHandler(instruction);
  if (!handler)
    return unsupported(instruction);
  current = &instruction;
  watchProductRegisters(instruction);
  llvm::Error error = (this->*handler)(instruction);
  current = nullptr;
  return error;
}

//===----------------------------------------------------------------------===//
// Vectors and scalars
//===----------------------------------------------------------------------===//

Value *Translator::splat(Value *value) {
  return isVector(value) ? value : builder.CreateVectorSplat(kWarpSize, value);
}

void Translator::unify(llvm::MutableArrayRef<Value *> values) {
  if (llvm::none_of(values, [&](Value *value) { return isVector(value); }))
    return;
  for (Value *&value : values)
    value = splat(value);
}

llvm::Type *Translator::shaped(Type *element, Value *like) const {
  if (auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(like->getType()))
    return llvm::FixedVectorType::get(element, vector->getNumElements());
  return element;
}

Value *Translator::constant(Value *like, uint64_t value) const {
  auto *type = llvm::cast<llvm::IntegerType>(like->getType()->getScalarType());
  llvm::APInt bits(64, value);
  return llvm::ConstantInt::get(like->getType(),
                                bits.zextOrTrunc(type->getBitWidth()));
}

Value *Translator::toInteger(Value *value) {
  Type *element = value->getType()->getScalarType();
  if (element->isIntegerTy())
    return value;
  return builder.CreateBitCast(
      value,
      shaped(builder.getIntNTy(element->getPrimitiveSizeInBits()), value));
}

Value *Translator::lanesOf(Value *predicate) {
  if (isVector(predicate))
    return builder.CreateBitCast(predicate, builder.getInt32Ty());
  return builder.CreateSExt(predicate, builder.getInt32Ty());
}

Value *Translator::predicatesOf(Value *lanes) {
  return builder.CreateBitCast(
      lanes, llvm::FixedVectorType::get(builder.getInt1Ty(), kWarpSize));
}

Value *Translator::intrinsic(llvm::Intrinsic::ID id,
                             llvm::ArrayRef<Value *> operands) {
  return builder.CreateIntrinsic(id, {operands[0]->getType()}, operands);
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

Value *Translator::readRegister(unsigned reg) {
  if (Value *known = values.lookup(reg))
    return known;
  const Slot &slot = slots[reg];
  bool isUniform = flow.registers[reg].isUniform;
  Value *value;
  if (!flow.registers[reg].isInMemory) {
    // Never written: PTX leaves open what it holds.
    Type *element = builder.getIntNTy(kernel.registers[reg].bits);
    return llvm::Constant::getNullValue(
        isUniform ? element : llvm::FixedVectorType::get(element, kWarpSize));
  }
  if (kernel.registers[reg].bits == 1) {
    value = loadField(slot.offset, builder.getInt32Ty());
    value = isUniform ? builder.CreateTrunc(value, builder.getInt1Ty())
                      : predicatesOf(value);
  } else {
    Type *element = builder.getIntNTy(8 * slot.bytes);
    value = loadField(
        slot.offset,
        isUniform ? element : llvm::FixedVectorType::get(element, kWarpSize));
  }
  values[reg] = value;
  return value;
}

std::optional<uint64_t> Translator::addressOf(StringRef variable) const {
  if (auto at = kernel.shared.find(variable); at != kernel.shared.end())
    return at->second.offset;
  if (kernel.dynamicShared.contains(variable))
    return code.dynamicShared;
  if (auto at = kernel.local.find(variable); at != kernel.local.end())
    return at->second.offset;
  if (auto at = globals.find(variable); at != globals.end())
    return at->second;
  // Where it is among the parameters; `cvta.param` makes an address of it.
  if (auto at = kernel.parameterNames.find(variable);
      at != kernel.parameterNames.end())
    return at->second.offset;
  return std::nullopt;
}

llvm::Expected<Value *> Translator::readSpecial(StringRef name) {
  auto component = [&](size_t array) -> Value * {
    unsigned index = name.back() - 'x';
    return loadField(array + 4 * index, builder.getInt32Ty());
  };
  bool hasComponent =
      name.ends_with(".x") || name.ends_with(".y") || name.ends_with(".z");
  StringRef base = hasComponent ? name.drop_back(2) : name;
  if (hasComponent && base == "%tid")
    return loadField(
        offsetof(WarpState, tid) + 4 * kWarpSize * (name.back() - 'x'),
        llvm::FixedVectorType::get(builder.getInt32Ty(), kWarpSize));
  if (hasComponent && base == "%ntid")
    return component(offsetof(WarpState, ntid));
  if (hasComponent && base == "%ctaid")
    return component(offsetof(WarpState, ctaid));
  if (hasComponent && base == "%nctaid")
    return component(offsetof(WarpState, nctaid));
  if (name == "%warpid")
    return loadField(offsetof(WarpState, warp), builder.getInt32Ty());
  if (name == "%nwarpid")
    return loadField(offsetof(WarpState, warpCount), builder.getInt32Ty());
  if (name == "WARP_SZ")
    return int32(kWarpSize);
  llvm::SmallVector<uint32_t, kWarpSize> lanes;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    uint32_t below = (1u << lane) - 1, self = 1u << lane;
    auto value = llvm::StringSwitch<std::optional<uint32_t>>(name)
                     .Case("%laneid", lane)
                     .Case("%lanemask_eq", self)
                     .Case("%lanemask_lt", below)
                     .Case("%lanemask_le", below | self)
                     .Case("%lanemask_gt", ~(below | self))
                     .Case("%lanemask_ge", ~below)
                     .Default(std::nullopt);
    if (value)
      lanes.push_back(*value);
  }
  if (!lanes.empty())
    return llvm::ConstantDataVector::get(context, lanes);
  return unsupported(*current,
                     "no variable or special register '" + name + "'");
}

llvm::Expected<Value *> Translator::read(const Operand &operand,
                                         unsigned bits) {
  Value *value = nullptr;
  switch (operand.kind) {
  case Operand::Kind::Register:
    value = readRegister(operand.reg);
    break;
  case Operand::Kind::Immediate:
    if (bits == 1)
      return builder.getInt1(operand.value != 0);
    return llvm::ConstantInt::get(context,
                                  llvm::APInt(64, operand.value).trunc(bits));
  case Operand::Kind::Symbol:
    if (std::optional<uint64_t> address = addressOf(operand.name)) {
      value = builder.getInt64(*address);
    } else {
      auto special = readSpecial(operand.name);
      if (!special)
        return special.takeError();
      value = *special;
    }
    break;
  case Operand::Kind::Sink:
  case Operand::Kind::List:
  case Operand::Kind::Address:
  case Operand::Kind::Pair:
    return unsupported(*current, "an operand of this form");
  }
  unsigned found = value->getType()->getScalarSizeInBits();
  if ((found == 1) != (bits == 1))
    return unsupported(*current, "a predicate and a number are mixed up");
  bool isRegister = operand.kind == Operand::Kind::Register;
  if (found < bits && isRegister)
    return unsupported(*current, "register '" +
                                     kernel.registers[operand.reg].name +
                                     "' has " + llvm::Twine(found) +
                                     " bits, expected " + llvm::Twine(bits));
  value =
      builder.CreateZExtOrTrunc(value, shaped(builder.getIntNTy(bits), value));
  return operand.negated ? builder.CreateNot(value) : value;
}

llvm::Expected<llvm::SmallVector<Value *, 4>>
Translator::readAll(llvm::ArrayRef<Operand> operands, unsigned bits) {
  llvm::SmallVector<Value *, 4> values;
  for (const Operand &operand : operands) {
    auto value = read(operand, bits);
    if (!value)
      return value.takeError();
    values.push_back(*value);
  }
  unify(values);
  return values;
}

void Translator::storeRegister(unsigned reg, Value *value) {
  values[reg] = value;
  if (!flow.registers[reg].isInMemory)
    return;
  if (kernel.registers[reg].bits == 1)
    value = isVector(value) ? lanesOf(value)
                            : builder.CreateZExt(value, builder.getInt32Ty());
  storeField(slots[reg].offset, value);
}

void Translator::writeRegister(unsigned reg, Value *value) {
  bool isUniform = flow.registers[reg].isUniform;
  // Uniform results of operands that are not: all lanes hold the same.
  if (isUniform && isVector(value))
    value = builder.CreateExtractElement(value, uint64_t(0));
  if (!isUniform)
    value = splat(value);
  Value *guard = current && current->guard
                     ? guardOf(*current->guard, current->guardNegated)
                     : nullptr;
  bool isKept = flow.blocks[currentBlock].isMasked && !isUniform &&
                flow.registers[reg].isInMemory;
  if (isKept) {
    if (!blockActive)
      blockActive = predicatesOf(mask());
    guard = guard ? builder.CreateAnd(splat(guard), blockActive) : blockActive;
  }
  if (guard)
    value = builder.CreateSelect(guard, value, readRegister(reg));
  storeRegister(reg, value);
}

llvm::Error Translator::write(const Operand &operand, Value *value,
                              bool isSigned) {
  if (operand.kind == Operand::Kind::Sink)
    return llvm::Error::success();
  if (operand.kind != Operand::Kind::Register)
    return unsupported(*current, "the result is no register");
  value = toInteger(value);
  unsigned bits = kernel.registers[operand.reg].bits;
  unsigned found = value->getType()->getScalarSizeInBits();
  if (found > bits || (found == 1) != (bits == 1))
    return unsupported(*current, "a result of " + llvm::Twine(found) +
                                     " bits for register '" +
                                     kernel.registers[operand.reg].name +
                                     "' of " + llvm::Twine(bits));
  Type *type = shaped(builder.getIntNTy(bits), value);
  writeRegister(operand.reg, isSigned ? builder.CreateSExt(value, type)
                                      : builder.CreateZExt(value, type));
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The frame and the runtime
//===----------------------------------------------------------------------===//

Value *Translator::framePointer(uint64_t offset) {
  return builder.CreateConstInBoundsGEP1_64(builder.getInt8Ty(),
                                            function->getArg(0), offset);
}

static llvm::Align alignmentOf(llvm::Type *type) {
  return llvm::Align(type->isVectorTy() ? 64 : 4);
}

Value *Translator::loadField(uint64_t offset, Type *type) {
  return builder.CreateAlignedLoad(type, framePointer(offset),
                                   alignmentOf(type));
}

void Translator::storeField(uint64_t offset, Value *value) {
  builder.CreateAlignedStore(value, framePointer(offset),
                             alignmentOf(value->getType()));
}

Value *Translator::mask() {
  if (!blockMask)
    blockMask = loadField(flow.blocks[currentBlock].isMasked
                              ? offsetof(WarpState, active)
                              : offsetof(WarpState, alive),
                          builder.getInt32Ty());
  return blockMask;
}

Value *Translator::guardOf(unsigned reg, bool negated) {
  Value *guard = readRegister(reg);
  return negated ? builder.CreateNot(guard) : guard;
}

Value *Translator::guardedMask(const Instruction &instruction) {
  if (!instruction.guard)
    return mask();
  return builder.CreateAnd(
      mask(), lanesOf(guardOf(*instruction.guard, instruction.guardNegated)));
}

uint32_t Translator::indexOf(const Instruction &instruction) const {
  return &instruction - kernel.instructions.data();
}

Value *Translator::pointerTo(const void *address) {
  return builder.CreateIntToPtr(
      builder.getInt64(reinterpret_cast<uintptr_t>(address)),
      builder.getPtrTy());
}

Value *Translator::scratch(unsigned number) {
  while (scratches.size() <= number) {
    llvm::IRBuilder<> atEntry(entry, entry->begin());
    auto *slot = atEntry.CreateAlloca(
        llvm::ArrayType::get(builder.getInt8Ty(), 8 * kWarpSize));
    slot->setAlignment(llvm::Align(64));
    scratches.push_back(slot);
  }
  return scratches[number];
}

Value *Translator::scratch(unsigned number, Value *value) {
  Value *slot = scratch(number);
  builder.CreateAlignedStore(value, slot, llvm::Align(64));
  return slot;
}

llvm::CallInst *Translator::call(StringRef name,
                                 llvm::ArrayRef<Value *> operands,
                                 Type *result) {
  llvm::SmallVector<Type *> types;
  for (Value *operand : operands)
    types.push_back(operand->getType());
  auto *type = llvm::FunctionType::get(result ? result : builder.getVoidTy(),
                                       types, /*isVarArg=*/false);
  return builder.CreateCall(
      module.getOrInsertFunction(("flow_emulator_" + name).str(), type),
      operands);
}

Value *Translator::callLanes(StringRef name, llvm::ArrayRef<Value *> operands) {
  Type *type = operands[0]->getType();
  Value *a = scratch(0, operands[0]);
  Value *b = operands.size() > 1 ? scratch(1, operands[1]) : a;
  Value *result = scratch(2);
  call(name, {result, a, b, int32(isVector(operands[0]) ? kWarpSize : 1)});
  return builder.CreateAlignedLoad(type, result, llvm::Align(64));
}

llvm::Expected<Slot> Translator::pin(const Operand &operand, unsigned bits) {
  if (operand.kind == Operand::Kind::Register) {
    if (kernel.registers[operand.reg].bits < std::max(bits, 2u))
      return unsupported(*current, "register '" +
                                       kernel.registers[operand.reg].name +
                                       "' is too small");
    return slots[operand.reg];
  }
  if (operand.kind == Operand::Kind::Sink)
    return Slot();
  auto value = read(operand, bits);
  if (!value)
    return value.takeError();
  Slot slot = newSlot(bits, !isVector(*value));
  storeField(slot.offset, *value);
  return slot;
}

void Translator::forget(const Operand &operand) {
  if (operand.kind == Operand::Kind::Register)
    values.erase(operand.reg);
}
