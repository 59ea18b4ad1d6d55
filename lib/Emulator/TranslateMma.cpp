// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// mma.sync and wgmma, by lanes.
//
// Lane l = 4g + t owns C(g, 2t + c) and C(g + 8, 2t + c). For each k it needs
// A(g, k), which a lane of its own quad holds, and B(k, 2t + c), which lane
// 4(2t + c) + k's quad place holds: two fixed permutations and a multiply-add
// over all lanes, without going through matrices.

#include "Runtime.h"
#include "Translator.h"

#include "llvm/ADT/StringSwitch.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;

namespace {

/// A product as its opcode names it: how many elements a register holds, and
/// how many registers of A and B there are.
struct MmaShape {
  StringRef name;
  PtxType a, b;
  unsigned elements = 2, aRegisters = 4, bRegisters = 2;
  bool isFloat() const { return a.isFloat(); }
};

/// Emits the function `void (ptr d0..3, ptr a…, ptr b…, ptr c0..3)`.
class MmaEmitter {
public:
  MmaEmitter(const MmaShape &shape, llvm::Function *function)
      : shape(shape), function(function),
        builder(
            llvm::BasicBlock::Create(function->getContext(), "", function)) {}
  void emit();

private:
  Value *loadRegister(unsigned argument, llvm::Type *element);
  Value *element(Value *reg, unsigned index, const PtxType &type);
  Value *acrossQuad(Value *value, unsigned place);
  Value *acrossColumns(Value *value, unsigned place, unsigned column);
  Value *multiplyAdd(Value *a, Value *b, Value *c);

  const MmaShape &shape;
  llvm::Function *function;
  llvm::IRBuilder<> builder;
};

Value *MmaEmitter::loadRegister(unsigned argument, llvm::Type *element) {
  return builder.CreateAlignedLoad(
      llvm::FixedVectorType::get(element, kWarpSize),
      function->getArg(argument), llvm::Align(64));
}

/// Element `index` of each lane's register, as f32 or i32.
Value *MmaEmitter::element(Value *reg, unsigned index, const PtxType &type) {
  llvm::Type *floats =
      llvm::FixedVectorType::get(builder.getFloatTy(), kWarpSize);
  if (type.kind == PtxType::Kind::BFloat)
    return builder.CreateBitCast(index ? builder.CreateAnd(reg, 0xffff0000)
                                       : builder.CreateShl(reg, 16),
                                 floats);
  if (type.kind == PtxType::Kind::Float) {
    Value *half = builder.CreateTrunc(
        builder.CreateLShr(reg, 16 * index),
        llvm::FixedVectorType::get(builder.getInt16Ty(), kWarpSize));
    half = builder.CreateBitCast(
        half, llvm::FixedVectorType::get(builder.getHalfTy(), kWarpSize));
    return builder.CreateFPExt(half, floats);
  }
  Value *top = builder.CreateShl(reg, 24 - 8 * index);
  return type.isSigned() ? builder.CreateAShr(top, 24)
                         : builder.CreateLShr(top, 24);
}

Value *MmaEmitter::acrossQuad(Value *value, unsigned place) {
  llvm::SmallVector<int, kWarpSize> lanes;
  for (unsigned lane = 0; lane < kWarpSize; ++lane)
    lanes.push_back((lane & ~3) + place);
  return builder.CreateShuffleVector(value, lanes);
}

Value *MmaEmitter::acrossColumns(Value *value, unsigned place,
                                 unsigned column) {
  // Four numbers, the same for each quad.
  llvm::SmallVector<int, 4> four;
  for (unsigned t = 0; t < 4; ++t)
    four.push_back(4 * (2 * t + column) + place);
  llvm::SmallVector<int, kWarpSize> lanes;
  for (unsigned lane = 0; lane < kWarpSize; ++lane)
    lanes.push_back(lane % 4);
  return builder.CreateShuffleVector(builder.CreateShuffleVector(value, four),
                                     lanes);
}

/// Products of 16-bit floats are exact in f32, so this rounds once either way.
Value *MmaEmitter::multiplyAdd(Value *a, Value *b, Value *c) {
  if (!shape.isFloat())
    return builder.CreateAdd(builder.CreateMul(a, b), c);
  return builder.CreateIntrinsic(llvm::Intrinsic::fmuladd, {a->getType()},
                                 {a, b, c});
}

void MmaEmitter::emit() {
  llvm::Type *accumulator =
      shape.isFloat() ? builder.getFloatTy() : builder.getInt32Ty();
  unsigned firstA = 4, firstB = firstA + shape.aRegisters,
           firstC = firstB + shape.bRegisters;
  Value *sums[4];
  for (unsigned i = 0; i < 4; ++i)
    sums[i] = loadRegister(firstC + i, accumulator);
  // A register of B holds the k of two registers of A: rows g and g + 8.
  for (unsigned group = 0; group < shape.bRegisters; ++group) {
    Value *b = loadRegister(firstB + group, builder.getInt32Ty());
    Value *a[2];
    for (unsigned half = 0; half < 2; ++half)
      a[half] = loadRegister(firstA + 2 * group + half, builder.getInt32Ty());
    for (unsigned index = 0; index < shape.elements; ++index) {
      Value *bElement = element(b, index, shape.b);
      Value *aElements[2] = {element(a[0], index, shape.a),
                             element(a[1], index, shape.a)};
      for (unsigned place = 0; place < 4; ++place)
        for (unsigned column = 0; column < 2; ++column) {
          Value *right = acrossColumns(bElement, place, column);
          for (unsigned half = 0; half < 2; ++half)
            sums[2 * half + column] =
                multiplyAdd(acrossQuad(aElements[half], place), right,
                            sums[2 * half + column]);
        }
    }
  }
  for (unsigned i = 0; i < 4; ++i)
    builder.CreateAlignedStore(sums[i], function->getArg(i), llvm::Align(64));
  builder.CreateRetVoid();
}

/// The product that the opcode names, if it is one of ours.
std::optional<MmaShape> findShape(const Instruction &instruction) {
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  if (parts.size() < 10)
    return std::nullopt;
  bool isWrapped = parts.size() == 10 && parts[1] == "sync" &&
                   parts[2] == "aligned" && parts[4] == "row" &&
                   parts[5] == "col";
  if (!isWrapped)
    return std::nullopt;
  std::optional<PtxType> d = parseType(parts[6]), a = parseType(parts[7]),
                         b = parseType(parts[8]), c = parseType(parts[9]);
  // mma spells 8-bit types u8 and s8.
  if (!a || !b || !c || !d || d->bits != 32 || c->kind != d->kind ||
      c->bits != 32 || a->bits != b->bits || a->isPacked || b->isPacked)
    return std::nullopt;
  MmaShape shape;
  shape.name = parts[3];
  shape.a = *a;
  shape.b = *b;
  bool isHalves = a->isFloat() && a->bits == 16 && a->kind == b->kind &&
                  d->kind == PtxType::Kind::Float;
  bool isBytes = a->bits == 8 && a->kind != PtxType::Kind::Bits &&
                 b->kind != PtxType::Kind::Bits &&
                 d->kind == PtxType::Kind::Signed;
  if (!isHalves && !isBytes)
    return std::nullopt;
  shape.elements = isHalves ? 2 : 4;
  bool isLong = parts[3] == (isHalves ? "m16n8k16" : "m16n8k32");
  bool isShort = parts[3] == (isHalves ? "m16n8k8" : "m16n8k16");
  if (!isLong && !isShort)
    return std::nullopt;
  shape.aRegisters = isLong ? 4 : 2;
  shape.bRegisters = isLong ? 2 : 1;
  return shape;
}

/// One function for each kind of product keeps the code small: a product is
/// some 500 machine instructions.
llvm::Function *productFunction(llvm::Module &module, const MmaShape &shape,
                                StringRef opcode) {
  std::string name = ("mma_" + opcode).str();
  if (llvm::Function *known = module.getFunction(name))
    return known;
  llvm::LLVMContext &context = module.getContext();
  llvm::SmallVector<llvm::Type *> types(8 + shape.aRegisters + shape.bRegisters,
                                        llvm::PointerType::getUnqual(context));
  auto *function = llvm::Function::Create(
      llvm::FunctionType::get(llvm::Type::getVoidTy(context), types, false),
      llvm::Function::InternalLinkage, name, module);
  function->addFnAttr(llvm::Attribute::NoInline);
  function->addFnAttr(llvm::Attribute::NoUnwind);
  MmaEmitter(shape, function).emit();
  return function;
}

bool isWarpgroupProduct(const Instruction &instruction) {
  return instruction.family() == "wgmma" && instruction.has("mma_async");
}

} // namespace

llvm::Error Translator::mma(const Instruction &instruction) {
  std::optional<MmaShape> shape = findShape(instruction);
  if (!shape)
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 4))
    return error;
  // All lanes, or nothing is written right: one check a block is enough.
  if (!isWholeChecked)
    call("whole_warp",
         {function->getArg(0), int32(indexOf(instruction)), mask()});
  isWholeChecked = true;
  const size_t counts[] = {4, shape->aRegisters, shape->bRegisters, 4};
  llvm::SmallVector<Value *> pointers;
  for (auto [operand, count] : llvm::zip(instruction.operands, counts)) {
    // One register stands for a list of one.
    llvm::ArrayRef<Operand> elements = operand.kind == Operand::Kind::List
                                           ? llvm::ArrayRef(operand.elements)
                                           : llvm::ArrayRef(operand);
    if (elements.size() != count)
      return unsupported(instruction, "a fragment of this size");
    for (const Operand &element : elements) {
      auto pointer = pinVector(element);
      if (!pointer)
        return pointer.takeError();
      pointers.push_back(*pointer);
    }
  }
  builder.CreateCall(productFunction(module, *shape, instruction.opcode),
                     pointers);
  for (const Operand &element : instruction.operands[0].elements)
    forget(element);
  return llvm::Error::success();
}

/// Where the 32 words of an operand are.
llvm::Expected<Value *> Translator::pinVector(const Operand &operand) {
  if (operand.kind == Operand::Kind::Register &&
      !flow.registers[operand.reg].isUniform &&
      kernel.registers[operand.reg].bits == 32)
    return framePointer(slots[operand.reg].offset);
  if (operand.kind == Operand::Kind::Sink)
    return framePointer(newSlot(32, /*isUniform=*/false).offset);
  auto value = read(operand, 32);
  if (!value)
    return value.takeError();
  Slot slot = newSlot(32, /*isUniform=*/false);
  storeField(slot.offset, splat(*value));
  return framePointer(slot.offset);
}

/// The registers that only wgmma may touch while it is under way.
void Translator::findProductRegisters() {
  for (const Instruction &instruction : kernel.instructions)
    if (isWarpgroupProduct(instruction))
      for (const Operand &operand : instruction.operands)
        if (operand.kind == Operand::Kind::List)
          for (const Operand &element : operand.elements)
            productRegisters.insert(element.reg);
}

void Translator::watchProductRegisters(const Instruction &instruction) {
  if (productRegisters.empty() || !options.checks ||
      isWarpgroupProduct(instruction))
    return;
  forEachRegister(instruction, [&](const Operand &operand, bool) {
    if (productRegisters.contains(operand.reg))
      call("product_touch", {function->getArg(0), int32(indexOf(instruction)),
                             int32(slots[operand.reg].offset)});
  });
}

/// `wgmma.fence.sync.aligned`, `.commit_group`, `.wait_group n`, and products.
llvm::Error Translator::wgmma(const Instruction &instruction) {
  if (isWarpgroupProduct(instruction))
    return wgmmaProduct(instruction);
  auto step = llvm::StringSwitch<std::optional<ProductStep>>(
                  instruction.parts.size() == 4 ? instruction.parts[1] : "")
                  .Case("fence", ProductStep::Fence)
                  .Case("commit_group", ProductStep::Commit)
                  .Case("wait_group", ProductStep::Wait)
                  .Default(std::nullopt);
  if (!step || !instruction.has("sync") || !instruction.has("aligned"))
    return unsupported(instruction);
  bool isWait = *step == ProductStep::Wait;
  if (llvm::Error error = expectOperands(instruction, isWait))
    return error;
  if (isWait && instruction.operands[0].kind != Operand::Kind::Immediate)
    return unsupported(instruction);
  call("product_step", {function->getArg(0), int32(indexOf(instruction)),
                        mask(), int32(uint32_t(*step)),
                        int32(isWait ? instruction.operands[0].value : 0)});
  return llvm::Error::success();
}

/// Where the words of a register of a product are, which join `offsets`.
llvm::Expected<Value *> Translator::pinSum(const Operand &operand,
                                           std::vector<uint32_t> &offsets) {
  if (operand.kind != Operand::Kind::Register ||
      kernel.registers[operand.reg].bits != 32 ||
      flow.registers[operand.reg].isUniform)
    return unsupported(*current, "expected registers of 32 bits");
  offsets.push_back(slots[operand.reg].offset);
  return framePointer(offsets.back());
}

/// `wgmma.mma_async.sync.aligned.m64nNk16.f32.bf16.bf16 {sums}, a, b, adds, 1,
/// 1{, transposed a}, transposed b`, where a is a descriptor or four registers,
/// which cannot be transposed, and b a descriptor.
llvm::Error Translator::wgmmaProduct(const Instruction &instruction) {
  llvm::ArrayRef<StringRef> parts = instruction.parts;
  llvm::ArrayRef<Operand> operands(instruction.operands);
  unsigned columns = 0;
  StringRef shapeName = parts.size() == 8 ? parts[4] : "";
  bool isShape = shapeName.consume_front("m64n") &&
                 shapeName.consume_back("k16") &&
                 !shapeName.getAsInteger(10, columns) && columns % 8 == 0 &&
                 columns >= 8 && columns <= 256;
  if (!isShape || parts[2] != "sync" || parts[3] != "aligned" ||
      parts[5] != "f32" || parts[6] != parts[7] ||
      (parts[6] != "bf16" && parts[6] != "f16"))
    return unsupported(instruction);
  bool hasRegisters =
      operands.size() > 1 && operands[1].kind == Operand::Kind::List;
  if (llvm::Error error = expectOperands(instruction, hasRegisters ? 7 : 8))
    return error;
  // Not negated, and transposed or not.
  for (size_t i = 4; i < operands.size(); ++i)
    if (operands[i].kind != Operand::Kind::Immediate ||
        (i < 6 ? operands[i].value != 1 : operands[i].value > 1))
      return unsupported(instruction,
                         "operands may be transposed, but not negated");
  WarpgroupProduct &product = code.products.emplace_back();
  product.instruction = indexOf(instruction);
  product.columns = columns;
  product.hasRegisters = hasRegisters;
  product.isTransposedA = !hasRegisters && operands[6].value == 1;
  product.isTransposedB = operands.back().value == 1;
  if (operands[0].elements.size() != columns / 2 ||
      (hasRegisters && operands[1].elements.size() != 4))
    return unsupported(instruction, "the registers do not fit the shape");
  llvm::SmallVector<Value *> sums, a;
  for (const Operand &element : operands[0].elements) {
    auto pointer = pinSum(element, product.sums);
    if (!pointer)
      return pointer.takeError();
    sums.push_back(*pointer);
  }
  // Fragments: four registers of A, then two for each 8 columns.
  Type *row = llvm::FixedVectorType::get(builder.getInt32Ty(), kWarpSize);
  if (!fragments) {
    llvm::IRBuilder<> atEntry(entry, entry->begin());
    fragments = atEntry.CreateAlloca(llvm::ArrayType::get(row, 4 + 2 * 32));
    fragments->setAlignment(llvm::Align(64));
  }
  auto fragment = [&](unsigned index) {
    return builder.CreateConstInBoundsGEP1_64(row, fragments, index);
  };
  for (unsigned i = 0; i < 4; ++i) {
    a.push_back(fragment(i));
    if (!hasRegisters)
      continue;
    auto pointer = pinSum(operands[1].elements[i], product.registers);
    if (!pointer)
      return pointer.takeError();
    a.back() = *pointer;
  }
  auto descriptors = hasRegisters ? readAll({operands[2], operands[2]}, 64)
                                  : readAll({operands[1], operands[2]}, 64);
  if (!descriptors)
    return descriptors.takeError();
  auto adds = read(operands[3], 1);
  if (!adds)
    return adds.takeError();
  call("product",
       {function->getArg(0), pointerTo(&product), mask(), lanesOf(*adds),
        scratch(0, splat((*descriptors)[0])),
        scratch(1, splat((*descriptors)[1])), fragment(0), fragment(4)});
  MmaShape shape;
  shape.name = "m16n8k16";
  shape.a = shape.b = *parseType(parts[6]);
  std::string opcode = ("mma.sync.aligned.m16n8k16.row.col.f32." + parts[6] +
                        "." + parts[6] + ".f32")
                           .str();
  llvm::Function *multiply = productFunction(module, shape, opcode);
  for (unsigned tile = 0; tile < columns / 8; ++tile) {
    llvm::ArrayRef<Value *> own = llvm::ArrayRef(sums).slice(4 * tile, 4);
    llvm::SmallVector<Value *> pointers(own);
    llvm::append_range(pointers, a);
    pointers.push_back(fragment(4 + 2 * tile));
    pointers.push_back(fragment(4 + 2 * tile + 1));
    llvm::append_range(pointers, own);
    builder.CreateCall(multiply, pointers);
  }
  for (const Operand &element : operands[0].elements)
    forget(element);
  // A block of LLVM's holds few instructions, and this is many.
  stopIfFailed();
  return llvm::Error::success();
}
