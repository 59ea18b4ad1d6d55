// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Decodes and carries out AMX tiles and dot products of bytes on x86-64 Linux.

#include "InstructionEmulator.h"

#if defined(__linux__) && defined(__x86_64__)

#include <cfloat>
#include <cmath>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <ucontext.h>

namespace {

constexpr unsigned kTiles = 8, kRows = 16, kRowBytes = 64;

/// The tile registers of a thread, and how they are configured.
struct TileState {
  uint8_t rows[kTiles];
  uint16_t rowBytes[kTiles];
  uint8_t data[kTiles][kRows][kRowBytes];

  bool isValid(unsigned tile) const { return tile < kTiles && rows[tile] != 0; }
};
thread_local TileState tiles;

/// An instruction with a VEX prefix of three bytes in the second opcode map.
struct Instruction {
  /// What the prefix bytes none, 66, F3 and F2 are in it.
  enum Prefix { None, Ox66, OxF3, OxF2 };

  unsigned prefix, opcode, length;
  bool isWide, is256;
  /// Register operands: ModRM.reg, VEX.vvvv, and ModRM.rm unless it is memory.
  unsigned reg, second, rm;
  bool isMemory;
  /// Of memory: the base with the displacement, and the scaled index.
  uint64_t base, index;
};

uint64_t readRegister(const ucontext_t &context, unsigned number) {
  constexpr int kPlaces[] = {
      REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
      REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return context.uc_mcontext.gregs[kPlaces[number]];
}

/// False for what is no such instruction.
bool decode(const ucontext_t &context, Instruction &result) {
  uint64_t start = context.uc_mcontext.gregs[REG_RIP];
  const auto *code = reinterpret_cast<const uint8_t *>(start);
  const auto *at = code;
  if (*at++ != 0xc4)
    return false;
  // Bits that lengthen register numbers are stored inverted.
  unsigned first = *at++ ^ 0xe0, second = *at++ ^ 0x78;
  unsigned longReg = first >> 7 << 3, longIndex = (first >> 6 & 1) << 3,
           longBase = (first >> 5 & 1) << 3;
  if ((first & 31) != 2)
    return false;
  result.second = second >> 3 & 15;
  result.isWide = second >> 7;
  result.is256 = second >> 2 & 1;
  result.prefix = second & 3;
  result.opcode = *at++;
  unsigned modrm = *at++, mod = modrm >> 6;
  result.reg = (modrm >> 3 & 7) | longReg;
  result.rm = (modrm & 7) | longBase;
  result.isMemory = mod != 3;
  result.base = result.index = 0;
  if (result.isMemory) {
    bool hasBase = true, isRelative = false;
    unsigned base = result.rm;
    if ((modrm & 7) == 4) {
      unsigned sib = *at++;
      base = (sib & 7) | longBase;
      unsigned index = (sib >> 3 & 7) | longIndex;
      if (index != 4)
        result.index = readRegister(context, index) << (sib >> 6);
      hasBase = mod != 0 || (sib & 7) != 5;
    } else if (mod == 0 && (modrm & 7) == 5) {
      hasBase = false;
      isRelative = true;
    }
    int32_t displacement = 0;
    if (mod == 1) {
      displacement = static_cast<int8_t>(*at++);
    } else if (mod == 2 || !hasBase) {
      std::memcpy(&displacement, at, 4);
      at += 4;
    }
    result.base = static_cast<int64_t>(displacement);
    if (hasBase)
      result.base += readRegister(context, base);
    if (isRelative)
      result.base += start + (at - code);
  }
  result.length = at - code;
  return true;
}

/// LDTILECFG: a palette, then at 16 the bytes of rows, at 48 their numbers.
bool configure(uint64_t address) {
  const auto *memory = reinterpret_cast<const uint8_t *>(address);
  std::memset(&tiles, 0, sizeof(tiles));
  for (unsigned i = 1; i != kRowBytes; ++i)
    if (memory[i] != 0 && (i < 16 || (i >= 32 && i < 48) || i >= 56))
      return false;
  if (memory[0] == 0)
    return true;
  if (memory[0] != 1)
    return false;
  for (unsigned tile = 0; tile != kTiles; ++tile) {
    std::memcpy(&tiles.rowBytes[tile], memory + 16 + 2 * tile, 2);
    tiles.rows[tile] = memory[48 + tile];
    if (tiles.rowBytes[tile] > kRowBytes || tiles.rowBytes[tile] % 4 != 0 ||
        tiles.rows[tile] > kRows ||
        (tiles.rows[tile] == 0) != (tiles.rowBytes[tile] == 0))
      return false;
  }
  return true;
}

bool move(unsigned tile, uint64_t address, uint64_t stride, bool isStore) {
  if (!tiles.isValid(tile))
    return false;
  if (!isStore)
    std::memset(tiles.data[tile], 0, sizeof(tiles.data[tile]));
  for (unsigned row = 0; row != tiles.rows[tile]; ++row) {
    void *memory = reinterpret_cast<void *>(address + row * stride);
    if (isStore)
      std::memcpy(memory, tiles.data[tile][row], tiles.rowBytes[tile]);
    else
      std::memcpy(tiles.data[tile][row], memory, tiles.rowBytes[tile]);
  }
  return true;
}

/// Numbers below the least normal one are zeros, as operands and as results.
float flush(float value) {
  return std::fabs(value) < FLT_MIN ? std::copysign(0.0f, value) : value;
}

template <typename T> T load(const uint8_t *row, unsigned index) {
  T value;
  std::memcpy(&value, row + index * sizeof(T), sizeof(T));
  return value;
}

float loadBf16(const uint8_t *row, unsigned index) {
  uint32_t bits = uint32_t(load<uint16_t>(row, index)) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return flush(value);
}

/// Whether the shapes of tiles fit `sum += x * w`.
bool fit(unsigned sum, unsigned x, unsigned w) {
  for (unsigned tile : {sum, x, w})
    if (!tiles.isValid(tile))
      return false;
  return sum != x && sum != w && x != w &&
         tiles.rowBytes[sum] == tiles.rowBytes[w] &&
         tiles.rows[sum] == tiles.rows[x] &&
         tiles.rowBytes[x] / 4 == tiles.rows[w];
}

/// TDPBSSD.
bool multiplyBytes(unsigned sum, unsigned x, unsigned w) {
  if (!fit(sum, x, w))
    return false;
  for (unsigned m = 0; m != tiles.rows[sum]; ++m)
    for (unsigned n = 0; n != tiles.rowBytes[sum] / 4; ++n) {
      auto total = load<uint32_t>(tiles.data[sum][m], n);
      for (unsigned k = 0; k != tiles.rows[w]; ++k)
        for (unsigned i = 0; i != 4; ++i)
          total += load<int8_t>(tiles.data[x][m], 4 * k + i) *
                   load<int8_t>(tiles.data[w][k], 4 * n + i);
      std::memcpy(tiles.data[sum][m] + 4 * n, &total, 4);
    }
  return true;
}

/// TDPBF16PS.
bool multiplyBf16(unsigned sum, unsigned x, unsigned w) {
  if (!fit(sum, x, w))
    return false;
  for (unsigned m = 0; m != tiles.rows[sum]; ++m)
    for (unsigned n = 0; n != tiles.rowBytes[sum] / 4; ++n) {
      float parts[2] = {0, 0};
      for (unsigned k = 0; k != tiles.rows[w]; ++k)
        for (unsigned i = 0; i != 2; ++i)
          parts[i] =
              flush(std::fma(loadBf16(tiles.data[x][m], 2 * k + i),
                             loadBf16(tiles.data[w][k], 2 * n + i), parts[i]));
      float before = flush(load<float>(tiles.data[sum][m], n));
      float after = flush(before + flush(parts[0] + parts[1]));
      std::memcpy(tiles.data[sum][m] + 4 * n, &after, 4);
    }
  return true;
}

/// The two halves of a vector register of 32 bytes in what the kernel saved.
struct SavedVector {
  uint8_t *low, *high;

  static bool find(const ucontext_t &context, unsigned number,
                   SavedVector &result) {
    constexpr unsigned kXmm = 160, kSoftware = 464, kHeader = 512, kYmm = 576;
    constexpr uint32_t kMagic = 0x46505853;
    constexpr uint64_t kHasYmm = 4;
    auto *area = reinterpret_cast<uint8_t *>(context.uc_mcontext.fpregs);
    if (load<uint32_t>(area + kSoftware, 0) != kMagic)
      return false;
    // Upper halves that are all zero may not have been saved.
    auto saved = load<uint64_t>(area + kHeader, 0);
    if (!(saved & kHasYmm)) {
      std::memset(area + kYmm, 0, 256);
      saved |= kHasYmm;
      std::memcpy(area + kHeader, &saved, 8);
    }
    result = {area + kXmm + 16 * number, area + kYmm + 16 * number};
    return true;
  }
  void read(uint8_t *bytes) const {
    std::memcpy(bytes, low, 16);
    std::memcpy(bytes + 16, high, 16);
  }
  void write(const uint8_t *bytes) const {
    std::memcpy(low, bytes, 16);
    std::memcpy(high, bytes + 16, 16);
  }
};

/// VPDPBUSD of 32 bytes.
bool addByteDots(const ucontext_t &context, const Instruction &instruction) {
  SavedVector target, unsignedBytes, signedBytes;
  uint8_t sums[32], u[32], s[32];
  if (!SavedVector::find(context, instruction.reg, target) ||
      !SavedVector::find(context, instruction.second, unsignedBytes))
    return false;
  target.read(sums);
  unsignedBytes.read(u);
  if (instruction.isMemory) {
    std::memcpy(
        s, reinterpret_cast<const void *>(instruction.base + instruction.index),
        32);
  } else {
    if (!SavedVector::find(context, instruction.rm, signedBytes))
      return false;
    signedBytes.read(s);
  }
  for (unsigned lane = 0; lane != 8; ++lane) {
    auto sum = load<uint32_t>(sums, lane);
    for (unsigned i = 4 * lane; i != 4 * lane + 4; ++i)
      sum += int32_t(u[i]) * static_cast<int8_t>(s[i]);
    std::memcpy(sums + 4 * lane, &sum, 4);
  }
  target.write(sums);
  return true;
}

/// False for what is none of those instructions or is not as it must be.
bool carryOut(const ucontext_t &context, const Instruction &i) {
  if (i.isWide)
    return false;
  if (i.is256)
    return i.opcode == 0x50 && i.prefix == Instruction::Ox66 &&
           addByteDots(context, i);
  switch (i.opcode) {
  case 0x49:
    if (i.prefix == Instruction::None && i.isMemory)
      return configure(i.base + i.index);
    if (i.prefix == Instruction::None) {
      std::memset(&tiles, 0, sizeof(tiles));
      return true;
    }
    if (i.prefix != Instruction::OxF2 || i.isMemory || !tiles.isValid(i.reg))
      return false;
    std::memset(tiles.data[i.reg], 0, sizeof(tiles.data[i.reg]));
    return true;
  case 0x4b:
    return i.isMemory && i.prefix != Instruction::None &&
           move(i.reg, i.base, i.index, i.prefix == Instruction::OxF3);
  case 0x5c:
    return !i.isMemory && i.prefix == Instruction::OxF3 &&
           multiplyBf16(i.reg, i.rm, i.second);
  case 0x5e:
    return !i.isMemory && i.prefix == Instruction::OxF2 &&
           multiplyBytes(i.reg, i.rm, i.second);
  default:
    return false;
  }
}

void onIllegalInstruction(int, siginfo_t *, void *saved) {
  auto &context = *static_cast<ucontext_t *>(saved);
  Instruction instruction;
  if (decode(context, instruction) && carryOut(context, instruction))
    context.uc_mcontext.gregs[REG_RIP] += instruction.length;
  else
    std::signal(SIGILL, SIG_DFL); // It is raised again, and ends the process.
}

} // namespace

bool flow::emulateMissingInstructions() {
  static const bool isInstalled = [] {
    struct sigaction action = {};
    action.sa_sigaction = onIllegalInstruction;
    action.sa_flags = SA_SIGINFO;
    return sigaction(SIGILL, &action, nullptr) == 0;
  }();
  return isInstalled;
}

#else

bool flow::emulateMissingInstructions() { return false; }

#endif
