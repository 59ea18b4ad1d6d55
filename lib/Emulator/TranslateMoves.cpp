// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Moves, conversions, comparisons and selections.

#include "Translator.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/Intrinsics.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;
namespace Intrinsic = llvm::Intrinsic;

/// Also packs and unpacks: the first element is the lowest part.
llvm::Error Translator::mov(const Instruction &instruction) {
  std::optional<PtxType> type = parseType(instruction.type());
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  const Operand &to = instruction.operands[0], &from = instruction.operands[1];
  unsigned bits = type->registerBits();
  if (from.kind == Operand::Kind::List) {
    unsigned part = bits / from.elements.size();
    auto parts = readAll(from.elements, part);
    if (!parts)
      return parts.takeError();
    Value *packed = nullptr;
    for (auto [i, value] : llvm::enumerate(*parts)) {
      Value *wide =
          builder.CreateZExt(value, shaped(builder.getIntNTy(bits), value));
      wide = builder.CreateShl(wide, part * i);
      packed = packed ? builder.CreateOr(packed, wide) : wide;
    }
    return write(to, packed);
  }
  auto value = read(from, bits);
  if (!value)
    return value.takeError();
  if (to.kind != Operand::Kind::List)
    return write(to, *value);
  unsigned part = bits / to.elements.size();
  for (auto [i, element] : llvm::enumerate(to.elements)) {
    Value *low = builder.CreateLShr(*value, part * i);
    low = builder.CreateTrunc(low, shaped(builder.getIntNTy(part), low));
    if (llvm::Error error = write(element, low))
      return error;
  }
  return llvm::Error::success();
}

/// Shared and local memory have windows among the generic addresses; global
/// memory is where it is.
llvm::Error Translator::cvta(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  if (llvm::Error error = expectSuffixes(
          instruction, {"to", "global", "const", "shared", "shared::cta",
                        "shared::cluster", "local", "param"}))
    return error;
  if (instruction.type() != "u64")
    return unsupported(instruction);
  auto value = read(instruction.operands[1], 64);
  if (!value)
    return value.takeError();
  if (instruction.has("param") && !instruction.has("to")) {
    Value *base =
        loadField(offsetof(WarpState, parameters), builder.getInt64Ty());
    return write(
        instruction.operands[0],
        builder.CreateAdd(*value, isVector(*value) ? splat(base) : base));
  }
  if (instruction.has("param"))
    return unsupported(instruction);
  bool isShared = instruction.has("shared") || instruction.has("shared::cta") ||
                  instruction.has("shared::cluster");
  uint64_t window = isShared                   ? kSharedWindow
                    : instruction.has("local") ? kLocalWindow
                                               : 0;
  Value *result = *value;
  if (window && instruction.has("to"))
    result = builder.CreateAnd(result, constant(result, ~kWindowMask));
  else if (window)
    result = builder.CreateOr(result, constant(result, window));
  return write(instruction.operands[0], result);
}

/// To an integer that is still a float: rni, rzi, rmi, rpi.
Value *Translator::roundToInteger(Value *value,
                                  const Instruction &instruction) {
  for (auto [suffix, id] : {std::pair("rni", Intrinsic::roundeven),
                            {"rzi", Intrinsic::trunc},
                            {"rmi", Intrinsic::floor},
                            {"rpi", Intrinsic::ceil}})
    if (instruction.has(suffix))
      return intrinsic(id, {value});
  return value;
}

/// `value` as the bits of `to`; both are numbers.
Value *Translator::convert(Value *value, const PtxType &from, const PtxType &to,
                           const Instruction &instruction) {
  Type *integer = shaped(builder.getIntNTy(to.bits), value);
  bool saturates = instruction.has("sat");
  if (!from.isFloat() && !to.isFloat()) {
    if (saturates && to.bits < from.bits) {
      // Into the range of the result.
      uint64_t top = to.isSigned() ? (uint64_t(1) << (to.bits - 1)) - 1
                                   : (uint64_t(1) << to.bits) - 1;
      if (from.isSigned()) {
        uint64_t bottom = to.isSigned() ? ~top : 0;
        value = intrinsic(Intrinsic::smax, {value, constant(value, bottom)});
        value = intrinsic(Intrinsic::smin, {value, constant(value, top)});
      } else {
        value = intrinsic(Intrinsic::umin, {value, constant(value, top)});
      }
    }
    return builder.CreateIntCast(value, integer, from.isSigned());
  }
  if (!from.isFloat()) {
    // By way of f64, in which all but 64-bit integers are exact.
    Type *type = shaped(to.bits == 64 || to.bits == 16 ? builder.getDoubleTy()
                                                       : builder.getFloatTy(),
                        value);
    Value *number = from.isSigned() ? builder.CreateSIToFP(value, type)
                                    : builder.CreateUIToFP(value, type);
    return narrowFloat(number, to);
  }
  Value *number = toFloat(value, from);
  if (instruction.has("ftz") && from.bits == 32)
    number = flushed(number);
  if (!to.isFloat()) {
    number = roundToInteger(number, instruction);
    return builder.CreateIntrinsic(to.isSigned() ? Intrinsic::fptosi_sat
                                                 : Intrinsic::fptoui_sat,
                                   {integer, number->getType()}, {number});
  }
  if (from.bits == to.bits && from.kind == to.kind)
    number = roundToInteger(number, instruction);
  if (instruction.has("relu"))
    number = intrinsic(Intrinsic::maximum,
                       {number, llvm::ConstantFP::get(number->getType(), 0.0)});
  if (saturates)
    number = saturated(number);
  if (to.bits == 64)
    return toInteger(
        builder.CreateFPCast(number, shaped(builder.getDoubleTy(), number)));
  if (to.bits == 32) {
    number = builder.CreateFPCast(number, shaped(builder.getFloatTy(), number));
    return toInteger(instruction.has("ftz") ? flushed(number) : number);
  }
  return narrowFloat(number, to);
}

llvm::Error Translator::cvt(const Instruction &instruction) {
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  std::optional<PtxType> from = parseType(instruction.type());
  std::optional<PtxType> to =
      parts.size() > 2 ? parseType(parts[parts.size() - 2]) : std::nullopt;
  if (!from || !to || from->isPacked)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, to->isPacked ? 3 : 2))
    return error;
  if (llvm::Error error = expectSuffixes(
          instruction, {"rn", "rni", "rzi", "rmi", "rpi", "ftz", "sat", "relu"},
          /*types=*/2))
    return error;
  auto values =
      readAll(llvm::ArrayRef(instruction.operands).drop_front(), from->bits);
  if (!values)
    return values.takeError();
  if (!to->isPacked)
    return write(instruction.operands[0],
                 convert((*values)[0], *from, *to, instruction),
                 to->isSigned());
  // The first operand goes into the high half.
  PtxType half = *to;
  half.isPacked = false;
  Value *high = convert((*values)[0], *from, half, instruction);
  Value *low = convert((*values)[1], *from, half, instruction);
  Type *wide = shaped(builder.getInt32Ty(), low);
  return write(
      instruction.operands[0],
      builder.CreateOr(builder.CreateShl(builder.CreateZExt(high, wide), 16),
                       builder.CreateZExt(low, wide)));
}

llvm::Error Translator::selp(const Instruction &instruction) {
  std::optional<PtxType> type = parseType(instruction.type());
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 4))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto values =
      readAll({instruction.operands[1], instruction.operands[2]}, type->bits);
  if (!values)
    return values.takeError();
  auto choice = read(instruction.operands[3], 1);
  if (!choice)
    return choice.takeError();
  Value *operands[] = {(*values)[0], (*values)[1], *choice};
  unify(operands);
  return write(instruction.operands[0],
               builder.CreateSelect(operands[2], operands[0], operands[1]));
}

llvm::Expected<Value *> Translator::compare(const Instruction &instruction,
                                            StringRef how, const PtxType &type,
                                            const Operand &a,
                                            const Operand &b) {
  auto values = readAll({a, b}, type.registerBits());
  if (!values)
    return values.takeError();
  using Predicate = llvm::CmpInst::Predicate;
  if (!type.isFloat()) {
    bool isSigned = type.isSigned();
    auto predicate =
        llvm::StringSwitch<Predicate>(how)
            .Case("eq", Predicate::ICMP_EQ)
            .Case("ne", Predicate::ICMP_NE)
            .Case("lt", isSigned ? Predicate::ICMP_SLT : Predicate::ICMP_ULT)
            .Case("le", isSigned ? Predicate::ICMP_SLE : Predicate::ICMP_ULE)
            .Case("gt", isSigned ? Predicate::ICMP_SGT : Predicate::ICMP_UGT)
            .Case("ge", isSigned ? Predicate::ICMP_SGE : Predicate::ICMP_UGE)
            .Case("lo", Predicate::ICMP_ULT)
            .Case("ls", Predicate::ICMP_ULE)
            .Case("hi", Predicate::ICMP_UGT)
            .Case("hs", Predicate::ICMP_UGE)
            .Default(Predicate::BAD_ICMP_PREDICATE);
    if (predicate == Predicate::BAD_ICMP_PREDICATE)
      return unsupported(instruction);
    return builder.CreateICmp(predicate, (*values)[0], (*values)[1]);
  }
  auto predicate = llvm::StringSwitch<Predicate>(how)
                       .Case("eq", Predicate::FCMP_OEQ)
                       .Case("ne", Predicate::FCMP_ONE)
                       .Case("lt", Predicate::FCMP_OLT)
                       .Case("le", Predicate::FCMP_OLE)
                       .Case("gt", Predicate::FCMP_OGT)
                       .Case("ge", Predicate::FCMP_OGE)
                       .Case("equ", Predicate::FCMP_UEQ)
                       .Case("neu", Predicate::FCMP_UNE)
                       .Case("ltu", Predicate::FCMP_ULT)
                       .Case("leu", Predicate::FCMP_ULE)
                       .Case("gtu", Predicate::FCMP_UGT)
                       .Case("geu", Predicate::FCMP_UGE)
                       .Case("num", Predicate::FCMP_ORD)
                       .Case("nan", Predicate::FCMP_UNO)
                       .Default(Predicate::BAD_FCMP_PREDICATE);
  if (predicate == Predicate::BAD_FCMP_PREDICATE || type.isPacked)
    return unsupported(instruction);
  Value *x = toFloat((*values)[0], type), *y = toFloat((*values)[1], type);
  if (instruction.has("ftz") && type.bits == 32) {
    x = flushed(x);
    y = flushed(y);
  }
  return builder.CreateFCmp(predicate, x, y);
}

/// `setp.how{.and}{.ftz}.type p{|q}, a, b{, c}` and `set` of the same form,
/// with a number as its result.
llvm::Error Translator::setp(const Instruction &instruction) {
  bool isSet = instruction.family() == "set";
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  std::optional<PtxType> type = parseType(instruction.type());
  if (!type || parts.size() < (isSet ? 4 : 3))
    return unsupported(instruction);
  StringRef how = parts[1], combine;
  for (StringRef part : parts.drop_front(2).drop_back(isSet ? 2 : 1)) {
    if (part == "and" || part == "or" || part == "xor")
      combine = part;
    else if (part != "ftz")
      return unsupported(instruction);
  }
  if (llvm::Error error = expectOperands(instruction, combine.empty() ? 3 : 4))
    return error;
  auto holds = compare(instruction, how, *type, instruction.operands[1],
                       instruction.operands[2]);
  if (!holds)
    return holds.takeError();
  Value *result = *holds, *inverse = builder.CreateNot(*holds);
  if (!combine.empty()) {
    auto other = read(instruction.operands[3], 1);
    if (!other)
      return other.takeError();
    auto combined = [&](Value *value) {
      Value *both[] = {value, *other};
      unify(both);
      return combine == "and"  ? builder.CreateAnd(both[0], both[1])
             : combine == "or" ? builder.CreateOr(both[0], both[1])
                               : builder.CreateXor(both[0], both[1]);
    };
    result = combined(result);
    inverse = combined(inverse);
  }
  const Operand &to = instruction.operands[0];
  if (isSet) {
    std::optional<PtxType> numbers = parseType(parts[parts.size() - 2]);
    if (!numbers || numbers->bits != 32)
      return unsupported(instruction);
    Value *bits =
        builder.CreateSExt(result, shaped(builder.getInt32Ty(), result));
    if (numbers->isFloat()) // 1.0
      bits = builder.CreateAnd(bits, constant(bits, 0x3f800000));
    return write(to, bits);
  }
  if (to.kind != Operand::Kind::Pair)
    return write(to, result);
  if (llvm::Error error = write(to.elements[0], result))
    return error;
  return write(to.elements[1], inverse);
}
