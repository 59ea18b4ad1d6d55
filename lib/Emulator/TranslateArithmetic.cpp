// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Integers and bits.

#include "Translator.h"

#include "llvm/IR/Intrinsics.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;
namespace Intrinsic = llvm::Intrinsic;

/// The type of an integer instruction, which ends its opcode.
static std::optional<PtxType> integerType(const Instruction &instruction) {
  std::optional<PtxType> type = parseType(instruction.type());
  if (!type || type->isFloat() || type->isPacked)
    return std::nullopt;
  return type;
}

llvm::Error Translator::add(const Instruction &instruction) {
  auto type = integerType(instruction);
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto values =
      readAll({instruction.operands[1], instruction.operands[2]}, type->bits);
  if (!values)
    return values.takeError();
  return write(instruction.operands[0],
               builder.CreateAdd((*values)[0], (*values)[1]));
}

llvm::Error Translator::sub(const Instruction &instruction) {
  auto type = integerType(instruction);
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto values =
      readAll({instruction.operands[1], instruction.operands[2]}, type->bits);
  if (!values)
    return values.takeError();
  return write(instruction.operands[0],
               builder.CreateSub((*values)[0], (*values)[1]));
}

/// The low or high half of a product, or all of it.
llvm::Expected<Value *> Translator::product(const Instruction &instruction,
                                            const PtxType &type, Value *a,
                                            Value *b) {
  if (instruction.has("lo"))
    return builder.CreateMul(a, b);
  bool isHigh = instruction.has("hi");
  if (!isHigh && !(instruction.has("wide") && type.bits <= 32))
    return unsupported(instruction);
  Type *wide = shaped(builder.getIntNTy(2 * type.bits), a);
  auto extend = [&](Value *value) {
    return type.isSigned() ? builder.CreateSExt(value, wide)
                           : builder.CreateZExt(value, wide);
  };
  Value *whole = builder.CreateMul(extend(a), extend(b));
  if (!isHigh)
    return whole;
  return builder.CreateTrunc(builder.CreateLShr(whole, type.bits),
                             a->getType());
}

llvm::Error Translator::integerMulAdd(const Instruction &instruction,
                                      bool adds) {
  auto type = integerType(instruction);
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, adds ? 4 : 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {"lo", "hi", "wide"}))
    return error;
  auto factors =
      readAll({instruction.operands[1], instruction.operands[2]}, type->bits);
  if (!factors)
    return factors.takeError();
  auto result = product(instruction, *type, (*factors)[0], (*factors)[1]);
  if (!result)
    return result.takeError();
  if (!adds)
    return write(instruction.operands[0], *result);
  auto addend = read(instruction.operands[3],
                     (*result)->getType()->getScalarSizeInBits());
  if (!addend)
    return addend.takeError();
  Value *terms[] = {*result, *addend};
  unify(terms);
  return write(instruction.operands[0], builder.CreateAdd(terms[0], terms[1]));
}

llvm::Error Translator::mul(const Instruction &instruction) {
  return integerMulAdd(instruction, /*adds=*/false);
}

llvm::Error Translator::mad(const Instruction &instruction) {
  return integerMulAdd(instruction, /*adds=*/true);
}

llvm::Error Translator::divide(const Instruction &instruction) {
  auto type = integerType(instruction);
  if (!type || type->kind == PtxType::Kind::Bits)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto values =
      readAll({instruction.operands[1], instruction.operands[2]}, type->bits);
  if (!values)
    return values.takeError();
  // Sixteen bits divide as thirty-two.
  unsigned bits = std::max(type->bits, 32u);
  for (Value *&value : *values)
    value = builder.CreateIntCast(value, shaped(builder.getIntNTy(bits), value),
                                  type->isSigned());
  std::string name = (instruction.family() + "_" +
                      (type->isSigned() ? "s" : "u") + llvm::Twine(bits))
                         .str();
  Value *result = callLanes(name, *values);
  return write(instruction.operands[0],
               builder.CreateTrunc(
                   result, shaped(builder.getIntNTy(type->bits), result)));
}

llvm::Error Translator::minMax(const Instruction &instruction) {
  auto type = integerType(instruction);
  if (!type || type->kind == PtxType::Kind::Bits)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {"relu"}))
    return error;
  bool isClamped = instruction.has("relu");
  if (isClamped && instruction.type() != "s32")
    return unsupported(instruction);
  auto values =
      readAll({instruction.operands[1], instruction.operands[2]}, type->bits);
  if (!values)
    return values.takeError();
  bool isMin = instruction.family() == "min";
  Intrinsic::ID id = type->isSigned()
                         ? (isMin ? Intrinsic::smin : Intrinsic::smax)
                         : (isMin ? Intrinsic::umin : Intrinsic::umax);
  Value *result = intrinsic(id, *values);
  if (isClamped)
    result =
        intrinsic(Intrinsic::smax,
                  {result, llvm::Constant::getNullValue(result->getType())});
  return write(instruction.operands[0], result);
}

llvm::Error Translator::bitwise(const Instruction &instruction) {
  auto type = integerType(instruction);
  StringRef family = instruction.family();
  if (!type)
    return unsupported(instruction);
  bool isUnary = family == "not" || family == "cnot";
  if (llvm::Error error = expectOperands(instruction, isUnary ? 2 : 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto values =
      readAll(llvm::ArrayRef(instruction.operands).drop_front(), type->bits);
  if (!values)
    return values.takeError();
  Value *a = (*values)[0], *result = nullptr;
  if (family == "not")
    result = builder.CreateNot(a);
  else if (family == "cnot")
    result = builder.CreateZExt(builder.CreateIsNull(a), a->getType());
  else if (family == "and")
    result = builder.CreateAnd(a, (*values)[1]);
  else if (family == "or")
    result = builder.CreateOr(a, (*values)[1]);
  else
    result = builder.CreateXor(a, (*values)[1]);
  return write(instruction.operands[0], result);
}

/// Amounts beyond the width shift everything out.
llvm::Error Translator::shift(const Instruction &instruction) {
  auto type = integerType(instruction);
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 3))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto value = read(instruction.operands[1], type->bits);
  if (!value)
    return value.takeError();
  auto amount = read(instruction.operands[2], 32);
  if (!amount)
    return amount.takeError();
  bool isLeft = instruction.family() == "shl";
  bool isArithmetic = !isLeft && type->isSigned();
  Value *most = constant(*amount, type->bits - 1);
  Value *within = intrinsic(Intrinsic::umin, {*amount, most});
  Value *isBeyond = builder.CreateICmpUGT(*amount, most);
  within = builder.CreateIntCast(
      within, shaped(builder.getIntNTy(type->bits), within), false);
  Value *operands[] = {*value, within};
  unify(operands);
  if (isArithmetic)
    return write(instruction.operands[0],
                 builder.CreateAShr(operands[0], operands[1]));
  Value *shifted = isLeft ? builder.CreateShl(operands[0], operands[1])
                          : builder.CreateLShr(operands[0], operands[1]);
  if (isVector(shifted))
    isBeyond = splat(isBeyond);
  return write(instruction.operands[0],
               builder.CreateSelect(isBeyond, constant(shifted, 0), shifted));
}

llvm::Error Translator::funnelShift(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 4))
    return error;
  if (llvm::Error error =
          expectSuffixes(instruction, {"l", "r", "wrap", "clamp"}))
    return error;
  auto values = readAll(llvm::ArrayRef(instruction.operands).drop_front(), 32);
  if (!values || instruction.type() != "b32")
    return values ? unsupported(instruction) : values.takeError();
  Value *low = (*values)[0], *high = (*values)[1], *amount = (*values)[2];
  bool isLeft = instruction.has("l");
  Value *wide = builder.CreateIntCast(
      amount, shaped(builder.getInt64Ty(), amount), false);
  wide = instruction.has("wrap")
             ? builder.CreateAnd(wide, constant(wide, 31))
             : intrinsic(Intrinsic::umin, {wide, constant(wide, 32)});
  Type *type = wide->getType();
  Value *both =
      builder.CreateOr(builder.CreateShl(builder.CreateZExt(high, type), 32),
                       builder.CreateZExt(low, type));
  Value *result = isLeft ? builder.CreateLShr(builder.CreateShl(both, wide), 32)
                         : builder.CreateLShr(both, wide);
  return write(instruction.operands[0],
               builder.CreateTrunc(result, low->getType()));
}

llvm::Error Translator::unaryInteger(const Instruction &instruction) {
  auto type = integerType(instruction);
  StringRef family = instruction.family();
  if (!type)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  bool isShift = family == "bfind" && instruction.has("shiftamt");
  if (llvm::Error error = expectSuffixes(
          instruction, isShift ? llvm::ArrayRef<StringRef>("shiftamt")
                               : llvm::ArrayRef<StringRef>()))
    return error;
  auto value = read(instruction.operands[1], type->bits);
  if (!value)
    return value.takeError();
  Value *a = *value, *no = builder.getFalse();
  Value *result = nullptr;
  if (family == "neg")
    result = builder.CreateNeg(a);
  else if (family == "abs")
    result = builder.CreateBinaryIntrinsic(Intrinsic::abs, a, no);
  else if (family == "popc")
    result = intrinsic(Intrinsic::ctpop, {a});
  else if (family == "clz")
    result = builder.CreateBinaryIntrinsic(Intrinsic::ctlz, a, no);
  else if (family == "brev")
    result = intrinsic(Intrinsic::bitreverse, {a});
  else if (type->isSigned())
    return unsupported(instruction);
  else // bfind: the place of the highest bit, or all ones
    result = builder.CreateSub(
        constant(a, type->bits - 1),
        builder.CreateBinaryIntrinsic(Intrinsic::ctlz, a, no));
  // How far to shift it to the top, or all ones.
  if (isShift)
    result = builder.CreateSelect(
        builder.CreateIsNull(a), result,
        builder.CreateSub(constant(a, type->bits - 1), result));
  // Counts have 32 bits whatever they are taken of.
  bool isCount = family == "popc" || family == "clz" || family == "bfind";
  if (isCount)
    result = builder.CreateIntCast(result, shaped(builder.getInt32Ty(), result),
                                   family == "bfind");
  return write(instruction.operands[0], result);
}

/// `bfe d, a, pos, len` and `bfi d, a, b, pos, len`; both use the low 8 bits of
/// place and length.
llvm::Error Translator::bitField(const Instruction &instruction) {
  auto type = integerType(instruction);
  bool inserts = instruction.family() == "bfi";
  if (!type || type->bits < 32)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, inserts ? 5 : 4))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  llvm::ArrayRef<Operand> operands(instruction.operands);
  auto fields = readAll(operands.drop_front().drop_back(2), type->bits);
  if (!fields)
    return fields.takeError();
  auto places = readAll(operands.take_back(2), 32);
  if (!places)
    return places.takeError();
  llvm::SmallVector<Value *, 4> values = *fields;
  unsigned bits = type->bits;
  for (Value *place : *places)
    values.push_back(
        builder.CreateIntCast(builder.CreateAnd(place, constant(place, 255)),
                              shaped(builder.getIntNTy(bits), place), false));
  unify(values);
  Value *position = values[values.size() - 2], *length = values.back();
  Value *a = values[0], *width = constant(a, bits), *one = constant(a, 1);
  // Shifts by the width or more give nothing.
  auto shiftLeft = [&](Value *value, Value *amount) {
    Value *isBeyond = builder.CreateICmpUGE(amount, width);
    Value *within = builder.CreateAnd(amount, constant(a, bits - 1));
    return builder.CreateSelect(isBeyond, constant(a, 0),
                                builder.CreateShl(value, within));
  };
  Value *ones = builder.CreateSub(shiftLeft(one, length), one);
  if (inserts) {
    Value *field = shiftLeft(ones, position);
    Value *inserted = builder.CreateAnd(shiftLeft(a, position), field);
    Value *kept = builder.CreateAnd(values[1], builder.CreateNot(field));
    return write(instruction.operands[0], builder.CreateOr(inserted, kept));
  }
  Value *most = constant(a, bits - 1);
  Value *within = intrinsic(Intrinsic::umin, {position, most});
  if (!type->isSigned()) {
    Value *isBeyond = builder.CreateICmpUGE(position, width);
    Value *shifted = builder.CreateSelect(isBeyond, constant(a, 0),
                                          builder.CreateLShr(a, within));
    return write(instruction.operands[0], builder.CreateAnd(shifted, ones));
  }
  // Beyond the value its sign goes on, beyond the field that of its highest
  // bit; an empty field is zero.
  Value *shifted = builder.CreateAShr(a, within);
  Value *last =
      intrinsic(Intrinsic::umin, {builder.CreateSub(length, one), most});
  Value *sign = builder.CreateAnd(builder.CreateAShr(shifted, last), one);
  Value *isNegative = builder.CreateAnd(builder.CreateIsNotNull(sign),
                                        builder.CreateIsNotNull(length));
  Value *result = builder.CreateAnd(shifted, ones);
  result = builder.CreateSelect(
      isNegative, builder.CreateOr(result, builder.CreateNot(ones)), result);
  return write(instruction.operands[0], result);
}

/// Any function of three bits, given by its table.
llvm::Error Translator::lop3(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 5))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  const Operand &table = instruction.operands[4];
  if (table.kind != Operand::Kind::Immediate || instruction.type() != "b32")
    return unsupported(instruction);
  auto values = readAll(
      llvm::ArrayRef(instruction.operands).drop_front().drop_back(), 32);
  if (!values)
    return values.takeError();
  Value *result = constant((*values)[0], 0);
  for (unsigned row = 0; row < 8; ++row) {
    if (!(table.value >> row & 1))
      continue;
    Value *term = nullptr;
    for (unsigned i = 0; i < 3; ++i) {
      bool isSet = row >> (2 - i) & 1;
      Value *bit = isSet ? (*values)[i] : builder.CreateNot((*values)[i]);
      term = term ? builder.CreateAnd(term, bit) : bit;
    }
    result = builder.CreateOr(result, term);
  }
  return write(instruction.operands[0], result);
}

/// Picks bytes of two registers; the highest bit of a selector spreads the sign
/// of its byte.
llvm::Error Translator::prmt(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 4))
    return error;
  if (llvm::Error error = expectSuffixes(instruction, {}))
    return error;
  auto values = readAll(llvm::ArrayRef(instruction.operands).drop_front(), 32);
  if (!values)
    return values.takeError();
  Value *a = (*values)[0], *b = (*values)[1], *selectors = (*values)[2];
  Type *wide = shaped(builder.getInt64Ty(), a);
  Value *both =
      builder.CreateOr(builder.CreateShl(builder.CreateZExt(b, wide), 32),
                       builder.CreateZExt(a, wide));
  Value *result = constant(a, 0);
  for (unsigned i = 0; i < 4; ++i) {
    Value *selector = builder.CreateLShr(selectors, 4 * i);
    Value *place =
        builder.CreateShl(builder.CreateAnd(selector, constant(a, 7)), 3);
    Value *byte = builder.CreateAnd(
        builder.CreateTrunc(
            builder.CreateLShr(both, builder.CreateZExt(place, wide)),
            a->getType()),
        constant(a, 255));
    Value *isNegative = builder.CreateICmpUGT(byte, constant(a, 127));
    Value *sign =
        builder.CreateSelect(isNegative, constant(a, 255), constant(a, 0));
    Value *spreads =
        builder.CreateIsNotNull(builder.CreateAnd(selector, constant(a, 8)));
    byte = builder.CreateSelect(spreads, sign, byte);
    result = builder.CreateOr(result, builder.CreateShl(byte, 8 * i));
  }
  return write(instruction.operands[0], result);
}

llvm::Error Translator::dp4a(const Instruction &instruction) {
  if (llvm::Error error = expectOperands(instruction, 4))
    return error;
  auto isByteType = [](StringRef type) {
    return type == "u32" || type == "s32";
  };
  if (instruction.parts.size() != 3 || !isByteType(instruction.parts[1]) ||
      !isByteType(instruction.parts[2]))
    return unsupported(instruction);
  auto values = readAll(llvm::ArrayRef(instruction.operands).drop_front(), 32);
  if (!values)
    return values.takeError();
  auto byteOf = [&](unsigned operand, unsigned i) {
    Value *top = builder.CreateShl((*values)[operand], 24 - 8 * i);
    return instruction.parts[1 + operand] == "s32"
               ? builder.CreateAShr(top, 24)
               : builder.CreateLShr(top, 24);
  };
  Value *sum = (*values)[2];
  for (unsigned i = 0; i < 4; ++i)
    sum = builder.CreateAdd(sum, builder.CreateMul(byteOf(0, i), byteOf(1, i)));
  return write(instruction.operands[0], sum);
}
