// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds instructions and loops, in text and in machine code.

#include "flow/Target/GpuInstructions.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <numeric>
#include <tuple>

using namespace flow;
using Kind = GpuInstruction;

llvm::StringRef flow::nameOf(GpuInstruction kind) {
  constexpr llvm::StringLiteral names[kGpuInstructions] = {
      "tensor",  "ldmatrix", "async_copy", "shared", "global",
      "special", "float",    "barrier",    "other"};
  return names[static_cast<size_t>(kind)];
}

int64_t InstructionMix::total() const {
  return std::accumulate(counts.begin(), counts.end(), int64_t(0));
}

namespace {

/// Instructions in their order, and branches back: from the first to the last
/// of a loop.
struct Listing {
  std::vector<std::optional<Kind>> kinds;
  std::vector<std::pair<size_t, size_t>> loops;

  InstructionMix count(size_t first, size_t last) const {
    InstructionMix mix;
    for (size_t i = first; i != last; ++i)
      if (kinds[i])
        ++mix[*kinds[i]];
    return mix;
  }

  KernelInstructions take(llvm::StringRef kernel) const {
    KernelInstructions read;
    read.kernel = kernel.str();
    read.all = count(0, kinds.size());
    auto weightOf = [](const InstructionMix &mix) {
      return std::tuple(mix[Kind::Tensor],
                        mix[Kind::Float] + mix[Kind::Global] +
                            mix[Kind::AsyncCopy],
                        -mix.total());
    };
    for (auto [index, loop] : llvm::enumerate(loops)) {
      InstructionMix mix = count(loop.first, loop.second + 1);
      if (index == 0 || weightOf(mix) > weightOf(read.loop))
        read.loop = mix;
    }
    return read;
  }
};

//===----------------------------------------------------------------------===//
// PTX
//===----------------------------------------------------------------------===//

Kind classify(llvm::StringRef opcode) {
  llvm::SmallVector<llvm::StringRef, 10> parts;
  opcode.split(parts, '.');
  llvm::StringRef family = parts.front();
  auto has = [&](llvm::StringRef part) {
    return llvm::is_contained(parts, part);
  };
  if (family == "mma" || (family == "wgmma" && has("mma_async")) ||
      (family == "tcgen05" && has("mma")))
    return Kind::Tensor;
  if (family == "ldmatrix")
    return Kind::MatrixLoad;
  if (family == "cp" && has("async") && has("global"))
    return Kind::AsyncCopy;
  if (family == "ld" || family == "st" || family == "atom" || family == "red")
    return has("shared")   ? Kind::Shared
           : has("global") ? Kind::Global
                           : Kind::Other;
  if (family == "bar" || family == "barrier")
    return has("warp") ? Kind::Other : Kind::Barrier;
  bool isFloat = has("f32") || has("f32x2");
  return llvm::StringSwitch<Kind>(family)
      .Cases({"ex2", "lg2", "rcp", "rsqrt", "sqrt", "sin", "cos", "tanh"},
             Kind::Special)
      .Cases({"add", "sub", "mul", "fma"}, isFloat ? Kind::Float : Kind::Other)
      .Default(Kind::Other);
}

/// Reads the body of one kernel, a statement a line.
class PtxListing {
public:
  void add(llvm::StringRef line) {
    line = line.trim();
    if (line.consume_back(":")) {
      labels[line] = listing.kinds.size();
      return;
    }
    if (!line.consume_back(";") || line.starts_with("."))
      return;
    if (line.consume_front("@"))
      line = line.split(' ').second.ltrim();
    auto [opcode, operands] = line.split(' ');
    if (opcode.empty() || opcode.starts_with("ld.param"))
      return;
    if (opcode.starts_with("bra")) {
      auto target = labels.find(operands.trim());
      if (target != labels.end())
        listing.loops.push_back({target->second, listing.kinds.size()});
    }
    Kind kind = classify(opcode);
    hasWarpGroups |= kind == Kind::Tensor && !opcode.starts_with("mma");
    listing.kinds.push_back(kind);
  }
  KernelInstructions take(llvm::StringRef kernel) const {
    KernelInstructions read = listing.take(kernel);
    read.hasWarpGroups = hasWarpGroups;
    return read;
  }

private:
  Listing listing;
  llvm::StringMap<size_t> labels;
  bool hasWarpGroups = false;
};

//===----------------------------------------------------------------------===//
// Machine code
//===----------------------------------------------------------------------===//

/// Since sm_70 an instruction has 16 bytes: its kind in the low 9 bits, how
/// operands are encoded in 3 more, its guard in bits 12 to 15. None of this is
/// documented; test/Unit/Target assembles each kind for each architecture.
std::optional<Kind> classify(uint64_t low) {
  constexpr uint64_t kNever = 15;
  if ((low >> 12 & 15) == kNever)
    return std::nullopt;
  switch (low & 0x1ff) {
  case 0x03c: // HMMA
  case 0x037: // IMMA
    return Kind::Tensor;
  case 0x03b: // LDSM
    return Kind::MatrixLoad;
  case 0x1ae: // LDGSTS
    return Kind::AsyncCopy;
  case 0x184: // LDS
  case 0x188: // STS
    return Kind::Shared;
  case 0x181: // LDG
  case 0x186: // STG
    return Kind::Global;
  case 0x108: // MUFU
    return Kind::Special;
  case 0x020: // FMUL
  case 0x021: // FADD
  case 0x023: // FFMA
    return Kind::Float;
  case 0x11d: // BAR
    return Kind::Barrier;
  default:
    return Kind::Other;
  }
}

Listing readCode(llvm::StringRef code, bool isNewForm) {
  Listing listing;
  for (size_t at = 0; at + 16 <= code.size(); at += 16) {
    uint64_t low = llvm::support::endian::read64le(code.data() + at);
    uint64_t high = llvm::support::endian::read64le(code.data() + at + 8);
    auto index = static_cast<int64_t>(at / 16);
    std::optional<Kind> kind = classify(low);
    listing.kinds.push_back(kind);
    // BRA, and the one of all lanes: from the next instruction on, in units of
    // 4 bytes, a signed number of 48 bits from bit 34 on; since sm_90 its low 8
    // bits are apart, from bit 16 on.
    uint64_t operation = low & 0xfff;
    if (!kind || (operation != 0x947 && operation != 0x547))
      continue;
    int64_t offset = llvm::SignExtend64<48>(low >> 34 | high << 30);
    if (isNewForm)
      offset = offset * 256 + static_cast<int64_t>(low >> 16 & 255);
    // The code ends with a branch to itself.
    int64_t target = index + 1 + offset / 4;
    if (target >= 0 && target < index)
      listing.loops.push_back(
          {static_cast<size_t>(target), static_cast<size_t>(index)});
  }
  return listing;
}

} // namespace

std::vector<KernelInstructions> flow::readPtxInstructions(llvm::StringRef ptx) {
  std::vector<KernelInstructions> kernels;
  llvm::StringRef name;
  PtxListing listing;
  int64_t depth = 0;
  for (llvm::StringRef line : llvm::split(ptx, '\n')) {
    line = line.split("//").first.trim();
    if (line.consume_front(".visible .entry ") ||
        line.consume_front(".entry ")) {
      name = line.take_until([](char c) { return c == '(' || c == ' '; });
      listing = {};
      continue;
    }
    if (name.empty())
      continue;
    depth += static_cast<int64_t>(line.count('{')) -
             static_cast<int64_t>(line.count('}'));
    // Inline assembly may have braces of its own.
    if (line.consume_front("{"))
      line = line.ltrim();
    if (line.ends_with(";}") || line == "}")
      line = line.drop_back();
    if (depth == 0 && line.empty()) {
      kernels.push_back(listing.take(name));
      name = {};
    }
    std::string spaced = line.str();
    llvm::replace(spaced, '\t', ' ');
    listing.add(spaced);
  }
  return kernels;
}

llvm::Expected<std::vector<KernelInstructions>>
flow::readMachineInstructions(llvm::StringRef cubin, const NvvmTarget &target) {
  unsigned number = 0;
  llvm::StringRef(target.chip).drop_front(3).consumeInteger(10, number);
  auto image = llvm::object::ELF64LEFile::create(cubin);
  if (!image)
    return image.takeError();
  auto sections = image->sections();
  if (!sections)
    return sections.takeError();
  std::vector<KernelInstructions> kernels;
  for (const auto &section : *sections) {
    auto name = image->getSectionName(section);
    if (!name)
      return name.takeError();
    llvm::StringRef kernel = *name;
    if (!kernel.consume_front(".text."))
      continue;
    auto code = image->getSectionContents(section);
    if (!code)
      return code.takeError();
    kernels.push_back(
        readCode(llvm::toStringRef(*code), number >= 90).take(kernel));
  }
  return kernels;
}
