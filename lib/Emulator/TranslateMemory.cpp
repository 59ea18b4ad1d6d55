// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory: what the runtime is asked to move.

#include "Runtime.h"
#include "Translator.h"

#include "llvm/ADT/StringSwitch.h"

using namespace flow::emulator;
using llvm::StringRef;
using llvm::Value;

static std::optional<unsigned> vectorLength(StringRef suffix) {
  return llvm::StringSwitch<std::optional<unsigned>>(suffix)
      .Case("v2", 2)
      .Case("v4", 4)
      .Case("v8", 8)
      .Default(std::nullopt);
}

/// Suffixes that say how memory is to be cached or ordered, and change nothing
/// here.
static bool isHint(StringRef suffix) {
  static constexpr StringRef hints[] = {
      "nc",      "ca",      "cg",       "cs",      "lu",     "cv",  "wb",
      "wt",      "weak",    "relaxed",  "acquire", "cta",    "gpu", "sys",
      "acq_rel", "release", "volatile", "noftz",   "cluster"};
  return llvm::is_contained(hints, suffix) || suffix.starts_with("L1::") ||
         suffix.starts_with("L2::");
}

llvm::Expected<Access *> Translator::startAccess(const Instruction &instruction,
                                                 const Operand &address) {
  if (address.kind != Operand::Kind::Address)
    return unsupported(instruction, "expected an address in brackets");
  const Operand &base = address.elements[0];
  Access &access = code.accesses.emplace_back();
  access.instruction = indexOf(instruction);
  access.offset = static_cast<int64_t>(address.value);
  access.isStrong = instruction.has("volatile") || instruction.has("relaxed") ||
                    instruction.has("acquire") || instruction.has("release");
  bool isBoth = instruction.has("acq_rel");
  access.isAcquire = isBoth || instruction.has("acquire");
  access.isRelease = isBoth || instruction.has("release");
  auto slot = pin(base, base.kind == Operand::Kind::Register
                            ? kernel.registers[base.reg].bits
                            : 64);
  if (!slot)
    return slot.takeError();
  access.address = *slot;
  if (access.address.bytes < 4)
    return unsupported(instruction, "an address of less than 32 bits");
  access.space = instruction.has("global") || instruction.has("const")
                     ? Space::Global
                 : instruction.has("shared") || instruction.has("shared::cta")
                     ? Space::Shared
                 : instruction.has("local") ? Space::Local
                                            : Space::Generic;
  for (StringRef suffix : llvm::ArrayRef(instruction.parts).drop_front()) {
    bool isSpace = suffix == "global" || suffix == "const" ||
                   suffix == "shared" || suffix == "shared::cta" ||
                   suffix == "local";
    if (std::optional<unsigned> length = vectorLength(suffix))
      access.count = *length;
    else if (suffix.starts_with("shared::") && !isSpace)
      return unsupported(instruction, "of '." + suffix + "'");
  }
  return &access;
}

void Translator::finishAccess(const Instruction &instruction, StringRef name,
                              const Access &access) {
  call(name,
       {function->getArg(0), pointerTo(&access), guardedMask(instruction)});
}

/// The registers of an operand that may be a list.
static llvm::ArrayRef<Operand> elementsOf(const Operand &operand) {
  if (operand.kind == Operand::Kind::List)
    return operand.elements;
  return operand;
}

/// Fails if a suffix of a load or store is neither known nor a hint.
static bool hasKnownSuffixes(const Instruction &instruction) {
  return llvm::all_of(
      llvm::ArrayRef(instruction.parts).drop_front().drop_back(),
      [](StringRef suffix) {
        return isHint(suffix) || vectorLength(suffix) || suffix == "global" ||
               suffix == "shared" || suffix == "shared::cta" ||
               suffix == "local" || suffix == "const" || suffix == "param";
      });
}

llvm::Error Translator::load(const Instruction &instruction) {
  std::optional<PtxType> type = parseType(instruction.type());
  if (!type || type->isPacked || !hasKnownSuffixes(instruction))
    return unsupported(instruction);
  // A cache policy may be a third operand.
  if (llvm::Error error = expectOperands(instruction, 2, 3))
    return error;
  if (instruction.has("param"))
    return loadParameter(instruction);
  auto access = startAccess(instruction, instruction.operands[1]);
  if (!access)
    return access.takeError();
  llvm::ArrayRef<Operand> to = elementsOf(instruction.operands[0]);
  (*access)->bytes = type->bits / 8;
  (*access)->isSigned = type->isSigned();
  if (to.size() != (*access)->count)
    return unsupported(instruction, "the registers do not fit the vector");
  for (auto [i, operand] : llvm::enumerate(to)) {
    auto slot = pin(operand, type->bits);
    if (!slot)
      return slot.takeError();
    (*access)->data[i] = *slot;
  }
  finishAccess(instruction, "load", **access);
  for (const Operand &operand : to)
    forget(operand);
  return llvm::Error::success();
}

llvm::Error Translator::loadParameter(const Instruction &instruction) {
  PtxType type = *parseType(instruction.type());
  const Operand &address = instruction.operands[1];
  if (address.kind != Operand::Kind::Address ||
      address.elements[0].kind != Operand::Kind::Symbol)
    return unsupported(instruction, "expected the name of a parameter");
  auto parameter = kernel.parameterNames.find(address.elements[0].name);
  if (parameter == kernel.parameterNames.end())
    return unsupported(instruction, "no parameter of this name");
  Value *base = loadField(offsetof(WarpState, parameters), builder.getPtrTy());
  uint64_t bytes = type.bits / 8;
  llvm::ArrayRef<Operand> to = elementsOf(instruction.operands[0]);
  const Variable &variable = parameter->second;
  if (address.value > variable.size ||
      bytes * to.size() > variable.size - address.value)
    return unsupported(instruction, "the parameter has " +
                                        llvm::Twine(variable.size) + " bytes");
  for (auto [i, operand] : llvm::enumerate(to)) {
    Value *at = builder.CreateConstInBoundsGEP1_64(
        builder.getInt8Ty(), base, variable.offset + address.value + i * bytes);
    Value *value = builder.CreateAlignedLoad(builder.getIntNTy(type.bits), at,
                                             llvm::Align(1));
    if (llvm::Error error = write(operand, value, type.isSigned()))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error Translator::store(const Instruction &instruction) {
  std::optional<PtxType> type = parseType(instruction.type());
  if (!type || type->isPacked || !hasKnownSuffixes(instruction) ||
      instruction.has("param") || instruction.has("const"))
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 2, 3))
    return error;
  auto access = startAccess(instruction, instruction.operands[0]);
  if (!access)
    return access.takeError();
  llvm::ArrayRef<Operand> from = elementsOf(instruction.operands[1]);
  (*access)->bytes = type->bits / 8;
  if (from.size() != (*access)->count)
    return unsupported(instruction, "the registers do not fit the vector");
  for (auto [i, operand] : llvm::enumerate(from)) {
    auto slot = pin(operand, type->bits);
    if (!slot)
      return slot.takeError();
    (*access)->data[i] = *slot;
  }
  finishAccess(instruction, "store", **access);
  return llvm::Error::success();
}

static std::optional<AtomicKind> atomicKind(StringRef operation,
                                            const PtxType &type) {
  bool isSigned = type.isSigned();
  return llvm::StringSwitch<std::optional<AtomicKind>>(operation)
      .Case("add", type.isFloat() ? AtomicKind::AddFloat : AtomicKind::Add)
      .Case("and", AtomicKind::And)
      .Case("or", AtomicKind::Or)
      .Case("xor", AtomicKind::Xor)
      .Case("inc", AtomicKind::Increment)
      .Case("dec", AtomicKind::Decrement)
      .Case("exch", AtomicKind::Exchange)
      .Case("cas", AtomicKind::CompareAndSwap)
      .Case("min", isSigned ? AtomicKind::MinSigned : AtomicKind::MinUnsigned)
      .Case("max", isSigned ? AtomicKind::MaxSigned : AtomicKind::MaxUnsigned)
      .Default(std::nullopt);
}

/// `atom.add.u32 d, [a], b` and `red.add.u32 [a], b`.
llvm::Error Translator::atomic(const Instruction &instruction) {
  std::optional<PtxType> type = parseType(instruction.type());
  std::optional<AtomicKind> kind;
  if (!type || type->bits < 32)
    return unsupported(instruction);
  for (StringRef suffix :
       llvm::ArrayRef(instruction.parts).drop_front().drop_back()) {
    if (auto found = atomicKind(suffix, *type))
      kind = found;
    else if (!isHint(suffix) && suffix != "global" && suffix != "shared" &&
             suffix != "shared::cta")
      return unsupported(instruction);
  }
  bool hasResult = instruction.family() == "atom";
  bool swaps = kind == AtomicKind::CompareAndSwap;
  if (!kind || (type->isFloat() && *kind != AtomicKind::AddFloat))
    return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 2 + hasResult + swaps))
    return error;
  llvm::ArrayRef<Operand> operands(instruction.operands);
  auto access = startAccess(instruction, operands[hasResult]);
  if (!access)
    return access.takeError();
  (*access)->bytes = type->bits / 8;
  (*access)->atomic = *kind;
  (*access)->hasResult =
      hasResult && operands[0].kind == Operand::Kind::Register;
  // Result, operand, replacement: the address is left out.
  llvm::SmallVector<const Operand *> used = {&operands[0]};
  for (const Operand &operand : operands.drop_front(1 + hasResult))
    used.push_back(&operand);
  for (size_t i = (*access)->hasResult ? 0 : 1; i < used.size(); ++i) {
    auto slot = pin(*used[i], type->bits);
    if (!slot)
      return slot.takeError();
    (*access)->data[i] = *slot;
  }
  finishAccess(instruction, "atomic", **access);
  if (hasResult)
    forget(operands[0]);
  return llvm::Error::success();
}

/// `cp.async.cg.shared.global [to], [from], 16{, size}`, and what waits for it.
llvm::Error Translator::asyncCopy(const Instruction &instruction) {
  if (instruction.has("bulk"))
    return bulkCopy(instruction);
  if (!instruction.has("async") || instruction.has("mbarrier"))
    return unsupported(instruction);
  llvm::ArrayRef<Operand> operands(instruction.operands);
  auto isNumber = [](const Operand &operand) {
    return operand.kind == Operand::Kind::Immediate;
  };
  if (instruction.type() == "commit_group" ||
      instruction.type() == "wait_all" || instruction.type() == "wait_group") {
    bool isCommit = instruction.type() == "commit_group";
    bool isGroup = instruction.type() == "wait_group";
    if (llvm::Error error = expectOperands(instruction, isGroup))
      return error;
    if (isGroup && !isNumber(operands[0]))
      return unsupported(instruction);
    // Without checks a copy is done at once.
    if (!options.checks)
      return llvm::Error::success();
    Value *lanes = guardedMask(instruction);
    if (isCommit)
      call("commit", {function->getArg(0), lanes});
    else
      call("wait", {function->getArg(0), lanes,
                    int32(isGroup ? operands[0].value : kWaitForAll)});
    return llvm::Error::success();
  }
  for (StringRef suffix : llvm::ArrayRef(instruction.parts).drop_front(2))
    if (!isHint(suffix) && suffix != "global" && suffix != "shared" &&
        suffix != "shared::cta")
      return unsupported(instruction);
  if (llvm::Error error = expectOperands(instruction, 3, 4))
    return error;
  if (operands[1].kind != Operand::Kind::Address || !isNumber(operands[2]) ||
      !llvm::is_contained({4u, 8u, 16u}, operands[2].value))
    return unsupported(instruction);
  auto access = startAccess(instruction, operands[0]);
  if (!access)
    return access.takeError();
  (*access)->space = Space::Shared;
  (*access)->bytes = operands[2].value;
  (*access)->sourceOffset = static_cast<int64_t>(operands[1].value);
  auto source = pin(operands[1].elements[0], 64);
  if (!source)
    return source.takeError();
  (*access)->data[0] = *source;
  if (operands.size() == 4) {
    if (operands[3].kind == Operand::Kind::Register &&
        kernel.registers[operands[3].reg].bits != 32)
      return unsupported(instruction);
    auto size = pin(operands[3], 32);
    if (!size)
      return size.takeError();
    (*access)->data[1] = *size;
  }
  finishAccess(instruction, "async", **access);
  return llvm::Error::success();
}

/// ldmatrix and stmatrix of 8x8 matrices of 16-bit elements.
llvm::Error Translator::matrix(const Instruction &instruction) {
  bool loads = instruction.family() == "ldmatrix";
  if (llvm::Error error =
          expectSuffixes(instruction, {"sync", "aligned", "m8n8", "x1", "x2",
                                       "x4", "trans", "shared", "shared::cta"}))
    return error;
  if (llvm::Error error = expectOperands(instruction, 2))
    return error;
  if (instruction.type() != "b16" || !instruction.has("m8n8"))
    return unsupported(instruction);
  auto access = startAccess(instruction, instruction.operands[loads ? 1 : 0]);
  if (!access)
    return access.takeError();
  (*access)->count = instruction.has("x4") ? 4 : instruction.has("x2") ? 2 : 1;
  (*access)->isTransposed = instruction.has("trans");
  llvm::ArrayRef<Operand> registers =
      elementsOf(instruction.operands[loads ? 0 : 1]);
  if (registers.size() != (*access)->count)
    return unsupported(instruction, "the registers do not fit the matrices");
  for (auto [i, operand] : llvm::enumerate(registers)) {
    bool isSink = loads && operand.kind != Operand::Kind::Register;
    auto slot = isSink ? newSlot(32, /*isUniform=*/false) : pin(operand, 32);
    if (!slot)
      return slot.takeError();
    (*access)->data[i] = *slot;
  }
  finishAccess(instruction, instruction.family(), **access);
  if (loads)
    for (const Operand &operand : registers)
      forget(operand);
  return llvm::Error::success();
}

/// Prefetches, and waits for other kernels: memory is as it will be.
llvm::Error Translator::nothing(const Instruction &) {
  return llvm::Error::success();
}

/// Accesses happen in their order as it is. Between CTAs a fence tells and
/// hears, unless it is for one CTA alone.
llvm::Error Translator::fence(const Instruction &instruction) {
  if (instruction.has("proxy") || instruction.has("mbarrier_init"))
    return fenceProxy(instruction);
  if (options.checks && !instruction.has("cta"))
    call("fence", {function->getArg(0)});
  return llvm::Error::success();
}
