// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on floats.
//
// f32 and f64 are the machine's own. The 16-bit types are computed wider and
// rounded once at the end, which is the same for sums, products and quotients.

#include "Translator.h"

#include "llvm/IR/Intrinsics.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;
namespace Intrinsic = llvm::Intrinsic;

/// Rounding to nearest is what is meant where none is written.
static constexpr StringRef kArithmeticSuffixes[] = {
    "rn", "ftz", "sat", "approx", "full", "NaN", "noftz"};

/// Where `instruction` rounds to, if not to nearest.
static std::optional<Direction> directionOf(const Instruction &instruction) {
  if (instruction.has("rz"))
    return Direction::Zero;
  if (instruction.has("rm"))
    return Direction::Down;
  if (instruction.has("rp"))
    return Direction::Up;
  return std::nullopt;
}

/// The suffixes of sums and products, which alone may round otherwise.
static llvm::SmallVector<StringRef> suffixesOf(StringRef family,
                                               const PtxType &type) {
  llvm::SmallVector<StringRef> suffixes(std::begin(kArithmeticSuffixes),
                                        std::end(kArithmeticSuffixes));
  if (type.bits >= 32 &&
      llvm::is_contained({"add", "sub", "mul", "fma", "mad"}, family))
    suffixes.append({"rz", "rm", "rp"});
  return suffixes;
}

Value *Translator::roundedTo(Direction direction, RoundedOperation operation,
                             llvm::ArrayRef<Value *> operands) {
  Type *type = operands[0]->getType();
  Value *a = scratch(0, operands[0]), *b = scratch(1, operands[1]);
  Value *result = scratch(2);
  Value *c = operands.size() > 2 ? scratch(3, operands[2]) : a;
  call(type->getScalarType()->isFloatTy() ? "round_f32" : "round_f64",
       {result, a, b, c, int32(isVector(operands[0]) ? kWarpSize : 1),
        int32(uint32_t(operation)), int32(uint32_t(direction))});
  return builder.CreateAlignedLoad(type, result, llvm::Align(64));
}

/// Denormals become zero of their sign.
Value *Translator::flushed(Value *value) {
  Value *bits = toInteger(value);
  Value *exponent = builder.CreateAnd(bits, constant(bits, 0x7f800000));
  Value *sign = builder.CreateAnd(bits, constant(bits, 0x80000000));
  Value *result =
      builder.CreateSelect(builder.CreateIsNull(exponent), sign, bits);
  return builder.CreateBitCast(result, value->getType());
}

/// Into [0, 1]; NaN becomes 0.
Value *Translator::saturated(Value *value) {
  Value *zero = llvm::ConstantFP::get(value->getType(), 0.0);
  Value *one = llvm::ConstantFP::get(value->getType(), 1.0);
  Value *isAbove = builder.CreateFCmpOGT(value, one);
  Value *isPositive = builder.CreateFCmpOGT(value, zero);
  return builder.CreateSelect(isAbove, one,
                              builder.CreateSelect(isPositive, value, zero));
}

/// Integers of a register as f32 or f64; packed halves as two lanes each.
Value *Translator::toFloat(Value *value, const PtxType &type) {
  if (type.isPacked) {
    unsigned lanes = isVector(value) ? 2 * kWarpSize : 2;
    value = builder.CreateBitCast(
        value, llvm::FixedVectorType::get(builder.getInt16Ty(), lanes));
  }
  if (type.bits == 32)
    return builder.CreateBitCast(value, shaped(builder.getFloatTy(), value));
  if (type.bits == 64)
    return builder.CreateBitCast(value, shaped(builder.getDoubleTy(), value));
  if (type.kind == PtxType::Kind::Float)
    return builder.CreateFPExt(
        builder.CreateBitCast(value, shaped(builder.getHalfTy(), value)),
        shaped(builder.getFloatTy(), value));
  Value *wide = builder.CreateZExt(value, shaped(builder.getInt32Ty(), value));
  wide = builder.CreateShl(wide, 16);
  return builder.CreateBitCast(wide, shaped(builder.getFloatTy(), wide));
}

/// f32 as it is; f64 to f32 such that rounding once more to fewer bits is
/// right: what is inexact gets an odd last bit.
Value *Translator::roundedToOdd(Value *value) {
  if (value->getType()->getScalarType()->isFloatTy())
    return value;
  Value *single =
      builder.CreateFPTrunc(value, shaped(builder.getFloatTy(), value));
  Value *back = builder.CreateFPExt(single, value->getType());
  Value *bits = toInteger(single);
  Value *isOdd = builder.CreateTrunc(bits, shaped(builder.getInt1Ty(), bits));
  Value *isExact = builder.CreateFCmpUEQ(back, value);
  Value *isBelow = builder.CreateFCmpOLT(intrinsic(Intrinsic::fabs, {back}),
                                         intrinsic(Intrinsic::fabs, {value}));
  Value *moved = builder.CreateAdd(
      bits, builder.CreateSelect(isBelow, constant(bits, 1),
                                 constant(bits, ~uint64_t(0))));
  bits = builder.CreateSelect(builder.CreateOr(isOdd, isExact), bits, moved);
  return builder.CreateBitCast(bits, single->getType());
}

/// From f32, or f64 for one that must be rounded once, to the bits of `type`.
Value *Translator::narrowFloat(Value *value, const PtxType &type) {
  if (type.bits >= 32)
    return toInteger(value);
  Value *bits = nullptr;
  if (type.kind == PtxType::Kind::Float) {
    bits = toInteger(
        builder.CreateFPTrunc(value, shaped(builder.getHalfTy(), value)));
  } else {
    // To nearest, ties to even; NaN is 0x7fff.
    Value *single = roundedToOdd(value);
    Value *whole = toInteger(single);
    Value *odd =
        builder.CreateAnd(builder.CreateLShr(whole, 16), constant(whole, 1));
    Value *rounded = builder.CreateAdd(
        whole, builder.CreateAdd(odd, constant(whole, 0x7fff)));
    rounded = builder.CreateLShr(rounded, 16);
    rounded = builder.CreateSelect(builder.CreateFCmpUNO(single, single),
                                   constant(whole, 0x7fff), rounded);
    bits = builder.CreateTrunc(rounded, shaped(builder.getInt16Ty(), rounded));
  }
  if (!type.isPacked)
    return bits;
  unsigned lanes =
      llvm::cast<llvm::FixedVectorType>(bits->getType())->getNumElements();
  Type *packed = builder.getInt32Ty();
  if (lanes > 2)
    packed = llvm::FixedVectorType::get(packed, lanes / 2);
  return builder.CreateBitCast(bits, packed);
}

llvm::Expected<Value *> Translator::readFloat(const Operand &operand,
                                              const PtxType &type) {
  auto value = read(operand, type.registerBits());
  if (!value)
    return value.takeError();
  return toFloat(*value, type);
}

llvm::Error Translator::writeFloat(const Instruction &instruction, Value *value,
                                   const PtxType &type) {
  if (instruction.has("sat"))
    value = saturated(value);
  if (instruction.has("ftz") && type.bits == 32)
    value = flushed(value);
  return write(instruction.operands[0], narrowFloat(value, type));
}

llvm::Error Translator::floatBinary(const Instruction &instruction) {
  PtxType type = *parseType(instruction.type());
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error =
          expectSuffixes(instruction, suffixesOf(instruction.family(), type)))
    return error;
  auto values = readAll({instruction.operands[1], instruction.operands[2]},
                        type.registerBits());
  if (!values)
    return values.takeError();
  Value *a = toFloat((*values)[0], type), *b = toFloat((*values)[1], type);
  if (instruction.has("ftz") && type.bits == 32) {
    a = flushed(a);
    b = flushed(b);
  }
  StringRef family = instruction.family();
  Value *result = nullptr;
  if (std::optional<Direction> direction = directionOf(instruction))
    result = roundedTo(*direction,
                       family == "add"   ? RoundedOperation::Add
                       : family == "sub" ? RoundedOperation::Subtract
                                         : RoundedOperation::Multiply,
                       {a, b});
  else if (family == "add")
    result = builder.CreateFAdd(a, b);
  else if (family == "sub")
    result = builder.CreateFSub(a, b);
  else if (family == "mul")
    result = builder.CreateFMul(a, b);
  else if (family == "div")
    result = builder.CreateFDiv(a, b);
  else if (instruction.has("NaN"))
    result = intrinsic(
        family == "min" ? Intrinsic::minimum : Intrinsic::maximum, {a, b});
  else
    result = intrinsic(family == "min" ? Intrinsic::minimumnum
                                       : Intrinsic::maximumnum,
                       {a, b});
  return writeFloat(instruction, result, type);
}

llvm::Error Translator::fma(const Instruction &instruction) {
  PtxType type = *parseType(instruction.type());
  if (llvm::Error error = expectOperands(instruction, 4))
    return error;
  if (llvm::Error error =
          expectSuffixes(instruction, suffixesOf(instruction.family(), type)))
    return error;
  auto values = readAll(llvm::ArrayRef(instruction.operands).drop_front(),
                        type.registerBits());
  if (!values)
    return values.takeError();
  llvm::SmallVector<Value *, 3> operands;
  for (Value *value : *values) {
    Value *number = toFloat(value, type);
    if (instruction.has("ftz") && type.bits == 32)
      number = flushed(number);
    // The product of two halves is exact in f64, and their sum nearly always.
    if (type.bits == 16)
      number =
          builder.CreateFPExt(number, shaped(builder.getDoubleTy(), number));
    operands.push_back(number);
  }
  std::optional<Direction> direction = directionOf(instruction);
  return writeFloat(instruction,
                    direction
                        ? roundedTo(*direction, RoundedOperation::Fma, operands)
                        : intrinsic(Intrinsic::fma, operands),
                    type);
}

llvm::Error Translator::floatUnary(const Instruction &instruction) {
  PtxType type = *parseType(instruction.type());
  StringRef family = instruction.family();
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, kArithmeticSuffixes))
    return error;
  auto bits = read(instruction.operands[1], type.registerBits());
  if (!bits)
    return bits.takeError();
  // These only touch the sign, of NaNs too.
  if ((family == "neg" || family == "abs") && !instruction.has("ftz")) {
    uint64_t sign = type.bits == 64 ? uint64_t(1) << 63
                    : type.isPacked ? 0x80008000
                                    : uint64_t(1) << (type.bits - 1);
    Value *result = family == "neg"
                        ? builder.CreateXor(*bits, constant(*bits, sign))
                        : builder.CreateAnd(*bits, constant(*bits, ~sign));
    return write(instruction.operands[0], result);
  }
  Value *value = toFloat(*bits, type);
  if (instruction.has("ftz") && type.bits == 32)
    value = flushed(value);
  Value *result = nullptr;
  if (family == "neg")
    result = builder.CreateFNeg(value);
  else if (family == "abs")
    result = intrinsic(Intrinsic::fabs, {value});
  else if (family == "sqrt")
    result = intrinsic(Intrinsic::sqrt, {value});
  else
    result =
        builder.CreateFDiv(llvm::ConstantFP::get(value->getType(), 1.0), value);
  return writeFloat(instruction, result, type);
}

/// The special function unit's, computed exactly but for the last place.
llvm::Error Translator::special(const Instruction &instruction) {
  PtxType type = *parseType(instruction.type());
  StringRef family = instruction.family();
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {"approx", "ftz"}))
    return error;
  if (type.isPacked || (type.bits == 64 && family != "rsqrt"))
    return unsupported(instruction);
  auto value = readFloat(instruction.operands[1], type);
  if (!value)
    return value.takeError();
  Value *operand = *value;
  if (instruction.has("ftz") && type.bits == 32)
    operand = flushed(operand);
  Value *result = callLanes(
      (family + (type.bits == 64 ? "_f64" : "_f32")).str(), {operand});
  return writeFloat(instruction, result, type);
}

/// `copysign d, a, b`: the sign of `a`, the rest of `b`.
llvm::Error Translator::copySign(const Instruction &instruction) {
  PtxType type = *parseType(instruction.type());
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  if (type.bits < 32)
    return unsupported(instruction);
  auto values =
      readAll({instruction.operands[1], instruction.operands[2]}, type.bits);
  if (!values)
    return values.takeError();
  uint64_t sign = uint64_t(1) << (type.bits - 1);
  Value *a = (*values)[0], *b = (*values)[1];
  return write(instruction.operands[0],
               builder.CreateOr(builder.CreateAnd(a, constant(a, sign)),
                                builder.CreateAnd(b, constant(b, sign - 1))));
}
