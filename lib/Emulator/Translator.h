// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From a kernel's PTX to a function that runs one of its warps.

#ifndef FLOW_LIB_EMULATOR_TRANSLATOR_H
#define FLOW_LIB_EMULATOR_TRANSLATOR_H

#include "ControlFlow.h"
#include "KernelCode.h"
#include "Runtime.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"

namespace flow::emulator {

/// The type at the end of most opcodes.
struct PtxType {
  enum class Kind { Bits, Unsigned, Signed, Float, BFloat, Predicate };
  Kind kind = Kind::Bits;
  /// Of one element.
  unsigned bits = 32;
  /// `f16x2` and `bf16x2`: two elements in 32 bits.
  bool isPacked = false;

  bool isFloat() const { return kind == Kind::Float || kind == Kind::BFloat; }
  bool isSigned() const { return kind == Kind::Signed; }
  unsigned registerBits() const { return isPacked ? 32 : bits; }
};

/// Reads a type such as `s32`; none if it is no type.
std::optional<PtxType> parseType(llvm::StringRef text);

/// Translates one kernel.
///
/// A value is a vector of 32 lanes, or one number if it is uniform; operations
/// work on either. Registers that matter outside their block live in the frame
/// of the warp, where the runtime finds them too and a barrier leaves them
/// alone; the others never touch memory.
class Translator {
public:
  using Type = llvm::Type;
  using Value = llvm::Value;

  Translator(const Kernel &kernel, const ControlFlow &flow, KernelCode &code,
             const ProgramOptions &options,
             const llvm::StringMap<uint64_t> &globals, llvm::Module &module);

  /// Adds the function `name` to the module.
  llvm::Error translate(llvm::StringRef name);

private:
  using Handler = llvm::Error (Translator::*)(const Instruction &);

  // Translator.cpp: instructions and operands.
  llvm::Error translateInstruction(const Instruction &instruction);
  Handler findHandler(const Instruction &instruction) const;
  llvm::Error unsupported(const Instruction &instruction,
                          const llvm::Twine &why = "") const;
  /// Fails unless there are `least` to `most` operands.
  llvm::Error expectOperands(const Instruction &instruction, size_t least,
                             size_t most) const;
  llvm::Error expectOperands(const Instruction &instruction,
                             size_t count) const {
    return expectOperands(instruction, count, count);
  }
  /// Fails if a suffix between the family and the types at the end is none of
  /// `known`.
  llvm::Error expectSuffixes(const Instruction &instruction,
                             llvm::ArrayRef<llvm::StringRef> known,
                             unsigned types = 1) const;
  void layOutRegisters();
  Slot slotOf(unsigned reg) const;
  Slot newSlot(unsigned bits, bool isUniform);

  /// The value of an operand as integers of `bits` bits, or predicates for 1.
  llvm::Expected<Value *> read(const Operand &operand, unsigned bits);
  /// The same as floats; packed types give two lanes for each.
  llvm::Expected<Value *> readFloat(const Operand &operand,
                                    const PtxType &type);
  /// All of them, and all vectors if one is.
  llvm::Expected<llvm::SmallVector<Value *, 4>>
  readAll(llvm::ArrayRef<Operand> operands, unsigned bits);
  Value *readRegister(unsigned reg);
  llvm::Expected<Value *> readSpecial(llvm::StringRef name);
  std::optional<uint64_t> addressOf(llvm::StringRef variable) const;

  /// Writes where the lanes are active and the guard holds. Wider registers
  /// are filled with zeros, or the sign.
  llvm::Error write(const Operand &operand, Value *value,
                    bool isSigned = false);
  void storeRegister(unsigned reg, Value *value);
  void writeRegister(unsigned reg, Value *value);

  // Vectors and scalars alike.
  bool isVector(Value *value) const { return value->getType()->isVectorTy(); }
  Value *splat(Value *value);
  void unify(llvm::MutableArrayRef<Value *> values);
  /// `element` with as many lanes as `like` has.
  Type *shaped(Type *element, Value *like) const;
  Value *constant(Value *like, uint64_t value) const;
  Value *toInteger(Value *value);
  Value *toFloat(Value *value, const PtxType &type);
  Value *lanesOf(Value *predicate);
  Value *predicatesOf(Value *lanes);
  Value *intrinsic(llvm::Intrinsic::ID id, llvm::ArrayRef<Value *> operands);
  Value *flushed(Value *value);
  Value *saturated(Value *value);

  // The frame and the runtime.
  Value *framePointer(uint64_t offset);
  Value *loadField(uint64_t offset, Type *type);
  void storeField(uint64_t offset, Value *value);
  Value *mask();
  Value *guardedMask(const Instruction &instruction);
  Value *guardOf(unsigned reg, bool negated);
  uint32_t indexOf(const Instruction &instruction) const;
  Value *scratch(unsigned number, Value *value);
  Value *scratch(unsigned number);
  llvm::CallInst *call(llvm::StringRef name, llvm::ArrayRef<Value *> operands,
                       Type *result = nullptr);
  Value *callLanes(llvm::StringRef name, llvm::ArrayRef<Value *> operands);
  llvm::Expected<Slot> pin(const Operand &operand, unsigned bits);
  llvm::Expected<Value *> pinVector(const Operand &operand);
  void forget(const Operand &operand);
  Value *int32(uint64_t value) { return builder.getInt32(value); }
  Value *pointerTo(const void *address);

  // TranslateControl.cpp
  void createBlocks(llvm::StringRef name);
  llvm::Error translateBlock(unsigned index);
  void stopIfFailed();
  void countBlock(unsigned index);
  llvm::Error endBlock(unsigned index);
  void endBranch(unsigned index);
  void endExit(unsigned index);
  llvm::Error endBarrier(unsigned index);
  void go(unsigned from, unsigned to);
  void part(unsigned from, Value *toTaken, Value *toNext);
  void push(unsigned block, Value *lanes);
  void emitDispatcher();
  Value *pendingWord(unsigned word);
  llvm::BasicBlock *newBlock(const llvm::Twine &name);

  // TranslateArithmetic.cpp: integers, bits, predicates.
  llvm::Error add(const Instruction &);
  llvm::Error sub(const Instruction &);
  llvm::Error mul(const Instruction &);
  llvm::Error mad(const Instruction &);
  llvm::Error divide(const Instruction &);
  llvm::Error minMax(const Instruction &);
  llvm::Error bitwise(const Instruction &);
  llvm::Error shift(const Instruction &);
  llvm::Error funnelShift(const Instruction &);
  llvm::Error unaryInteger(const Instruction &);
  llvm::Error bitField(const Instruction &);
  llvm::Error lop3(const Instruction &);
  llvm::Error prmt(const Instruction &);
  llvm::Error dp4a(const Instruction &);
  llvm::Error integerMulAdd(const Instruction &, bool adds);
  llvm::Expected<Value *> product(const Instruction &, const PtxType &,
                                  Value *a, Value *b);

  // TranslateFloats.cpp
  llvm::Error floatBinary(const Instruction &);
  llvm::Error fma(const Instruction &);
  llvm::Error floatUnary(const Instruction &);
  llvm::Error special(const Instruction &);
  llvm::Error copySign(const Instruction &);
  llvm::Error writeFloat(const Instruction &, Value *value,
                         const PtxType &type);
  Value *roundedToOdd(Value *value);
  /// `operation` of two or three operands, rounded otherwise than to nearest.
  Value *roundedTo(Direction direction, RoundedOperation operation,
                   llvm::ArrayRef<Value *> operands);
  Value *narrowFloat(Value *value, const PtxType &type);

  // TranslateMoves.cpp: moves, conversions, selections, comparisons.
  llvm::Error mov(const Instruction &);
  llvm::Error cvta(const Instruction &);
  llvm::Error cvt(const Instruction &);
  llvm::Error selp(const Instruction &);
  llvm::Error setp(const Instruction &);
  llvm::Expected<Value *> compare(const Instruction &, llvm::StringRef how,
                                  const PtxType &type, const Operand &a,
                                  const Operand &b);
  Value *convert(Value *value, const PtxType &from, const PtxType &to,
                 const Instruction &instruction);
  Value *roundToInteger(Value *value, const Instruction &instruction);

  // TranslateMemory.cpp
  llvm::Error load(const Instruction &);
  llvm::Error loadParameter(const Instruction &);
  llvm::Error store(const Instruction &);
  llvm::Error atomic(const Instruction &);
  llvm::Error asyncCopy(const Instruction &);
  llvm::Error matrix(const Instruction &);
  llvm::Error nothing(const Instruction &);
  llvm::Error fence(const Instruction &);
  llvm::Expected<Access *> startAccess(const Instruction &instruction,
                                       const Operand &address);
  void finishAccess(const Instruction &instruction, llvm::StringRef name,
                    const Access &access);

  // TranslateAsync.cpp: mbarriers and the asynchronous proxy.
  llvm::Error mbarrier(const Instruction &);
  llvm::Error waitForPhase(const Instruction &);
  llvm::Error bulkCopy(const Instruction &);
  llvm::Error fenceProxy(const Instruction &);
  llvm::Expected<Value *> readAddress(const Operand &operand);

  // TranslateMma.cpp
  llvm::Error mma(const Instruction &);
  llvm::Error wgmma(const Instruction &);
  llvm::Error wgmmaProduct(const Instruction &);
  void watchProductRegisters(const Instruction &);
  void findProductRegisters();
  llvm::Expected<Value *> pinSum(const Operand &operand,
                                 std::vector<uint32_t> &offsets);

  // TranslateWarp.cpp: what lanes do together.
  llvm::Error elect(const Instruction &);
  llvm::Error barrier(const Instruction &);
  llvm::Error callBarrier(const Instruction &, bool waits);
  llvm::Error shuffle(const Instruction &);
  llvm::Error vote(const Instruction &);
  llvm::Error reduce(const Instruction &);
  llvm::Error match(const Instruction &);
  llvm::Error activeMask(const Instruction &);
  llvm::Error trap(const Instruction &);
  llvm::Error converge(const Instruction &, const Operand &members);

  const Kernel &kernel;
  const ControlFlow &flow;
  KernelCode &code;
  const ProgramOptions &options;
  const llvm::StringMap<uint64_t> &globals;
  llvm::Module &module;
  llvm::LLVMContext &context;
  llvm::IRBuilder<> builder;
  llvm::Function *function = nullptr;
  llvm::BasicBlock *entry = nullptr, *done = nullptr, *dispatcher = nullptr;
  std::vector<llvm::BasicBlock *> starts;
  llvm::SmallVector<llvm::AllocaInst *> scratches;
  llvm::AllocaInst *shuffleOperands = nullptr, *fragments = nullptr;
  /// Registers of any wgmma.
  llvm::DenseSet<unsigned> productRegisters;
  std::vector<Slot> slots;
  uint32_t frameBytes = 0;
  /// In the frame: a mask of lanes a block, and which of them are not empty.
  uint32_t pendingBegin = 0, summaryBegin = 0;
  llvm::SmallVector<bool> isPushed;

  // Of the block that is translated.
  llvm::DenseMap<unsigned, Value *> values;
  Value *blockMask = nullptr;
  Value *blockActive = nullptr;
  const Instruction *current = nullptr;
  unsigned currentBlock = 0;
  bool isWholeChecked = false;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_TRANSLATOR_H
