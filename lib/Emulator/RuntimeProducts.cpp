// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// wgmma: operands out of shared memory, and what its registers and groups obey.
//
// A warp computes its own rows of the product, 16 w to 16 w + 15 of warp w in
// the warpgroup, when it comes to it: from fragments that are laid out here, by
// the code of mma. What others see of that is nothing, as sums may not be
// touched before the wait, nor operands be written.

#include "LaneAccess.h"
#include "Runtime.h"
#include "WarpCounters.h"

#include <cstring>
#include <utility>

using namespace flow::emulator;

std::optional<MatrixDescriptor> MatrixDescriptor::decode(uint64_t bits,
                                                         bool isTransposed,
                                                         const char *&problem) {
  auto field = [&](unsigned first) {
    return static_cast<uint32_t>(bits >> first & 0x3fff) * 16;
  };
  MatrixDescriptor descriptor;
  descriptor.begin = field(0);
  descriptor.leading = field(16);
  descriptor.stride = field(32);
  descriptor.isTransposed = isTransposed;
  constexpr Swizzle kModes[] = {Swizzle::None, Swizzle::Bytes128,
                                Swizzle::Bytes64, Swizzle::Bytes32};
  descriptor.swizzle = kModes[bits >> 62];
  if (bits >> 49 & 7) {
    problem = "a descriptor with a base offset is not supported";
    return std::nullopt;
  }
  // Within the first line of a pattern: where a depth begins that is no first
  // one. Lines along rows have one depth each.
  uint32_t line = swizzleBytes(descriptor.swizzle), pattern = 8 * line;
  bool begins = isTransposed ? descriptor.begin % pattern == 0 &&
                                   descriptor.leading % pattern == 0
                             : descriptor.begin % pattern + 32 <= line;
  if (descriptor.swizzle != Swizzle::None &&
      (!begins || descriptor.stride % pattern != 0)) {
    problem = "a matrix does not begin with a pattern of its swizzle, or its "
              "groups of rows do not";
    return std::nullopt;
  }
  return descriptor;
}

namespace {

/// Reads the operands of one product for one warp.
class OperandReader {
public:
  OperandReader(WarpState &state, const WarpgroupProduct &product,
                OpenProduct &open)
      : state(state), cta(*state.cta), product(product), open(open) {}

  /// `rows` rows from row `first` on: of 8 rows, one half of the depth goes to
  /// the words of one register and the other to those of another, `halfStep`
  /// registers apart. False after an error.
  bool read(uint64_t descriptor, bool isTransposed, uint32_t first,
            uint32_t rows, uint32_t rowStep, uint32_t halfStep, bool counts,
            uint32_t (*fragments)[kWarpSize]);

private:
  bool readLine(uint32_t address, void *to);

  WarpState &state;
  Cta &cta;
  const WarpgroupProduct &product;
  OpenProduct &open;
};

} // namespace

bool OperandReader::readLine(uint32_t address, void *to) {
  if (address + 16 > cta.shared.size()) {
    cta.fail(state, product.instruction,
             "a matrix passes the end of the " +
                 llvm::Twine(cta.shared.size()) + " bytes of shared memory");
    return false;
  }
  if (cta.checks()) {
    if (!cta.shared.startRead(cta.warpOf(state).clock, address)) {
      cta.fail(state, product.instruction, cta.shared.problem());
      return false;
    }
    open.lines.push_back(address);
  }
  std::memcpy(to, cta.shared.data() + address, 16);
  return true;
}

bool OperandReader::read(uint64_t bits, bool isTransposed, uint32_t first,
                         uint32_t rows, uint32_t rowStep, uint32_t halfStep,
                         bool counts, uint32_t (*fragments)[kWarpSize]) {
  const char *problem = nullptr;
  std::optional<MatrixDescriptor> descriptor =
      MatrixDescriptor::decode(bits, isTransposed, problem);
  if (!descriptor) {
    cta.fail(state, product.instruction, problem);
    return false;
  }
  LaneAddresses addresses{};
  for (uint32_t group = 0; group < rows / 8; ++group)
    for (uint32_t half = 0; half < 2; ++half) {
      uint16_t core[8][8];
      for (uint32_t line = 0; line < 8; ++line) {
        addresses[line] = descriptor->at(first / 8 + group, half, line);
        if (!readLine(addresses[line], core[line]))
          return false;
      }
      // A lane has two neighbours in depth.
      if (isTransposed)
        for (uint32_t i = 0; i < 8; ++i)
          for (uint32_t j = 0; j < i; ++j)
            std::swap(core[i][j], core[j][i]);
      std::memcpy(fragments[group * rowStep + half * halfStep], core,
                  sizeof(core));
      if (counts)
        countShared(cta.counters, addresses, 0xff, 16);
    }
  return true;
}

/// Whether the registers of a product may be used by it now.
static bool checkRegisters(WarpState &state, const WarpgroupProduct &product) {
  Cta &cta = *state.cta;
  const Warp &warp = cta.warpOf(state);
  auto fail = [&](const char *what) {
    cta.fail(state, product.instruction, what);
    return false;
  };
  if (!warp.hasFenced)
    return fail("there is no wgmma.fence before the first wgmma");
  for (const std::vector<uint32_t> *list : {&product.sums, &product.registers})
    for (uint32_t offset : *list)
      if (warp.touched.contains(offset))
        return fail("something else has touched its registers since the last "
                    "wgmma.fence");
  // Products add up in order if they have the same sums.
  for (const OpenProduct &open : warp.products) {
    if (open.product->sums == product.sums)
      continue;
    for (uint32_t offset : product.sums)
      if (llvm::is_contained(open.product->sums, offset))
        return fail("it shares sums with an unfinished wgmma of another shape");
  }
  return true;
}

static void product(WarpState *state, const WarpgroupProduct *product,
                    uint32_t lanes, uint32_t adds, const uint64_t *a,
                    const uint64_t *b, uint32_t (*aFragments)[kWarpSize],
                    uint32_t (*bFragments)[kWarpSize]) {
  Cta &cta = *state->cta;
  if (lanes != ~0u)
    return cta.fail(*state, product->instruction,
                    "needs all lanes of the warp, but those here are 0x" +
                        llvm::Twine::utohexstr(lanes));
  for (unsigned lane = 1; lane < kWarpSize; ++lane)
    if (a[lane] != a[0] || b[lane] != b[0])
      return cta.fail(*state, product->instruction,
                      "the lanes of the warp name different matrices");
  Warp &warp = cta.warpOf(*state);
  warp.clock.synchronize();
  uint64_t own = product->hasRegisters ? 0 : a[0];
  if (!cta.keepStep(*state, product->instruction, own, b[0]) ||
      (cta.checks() && !checkRegisters(*state, *product)))
    return;
  OpenProduct open;
  open.product = product;
  OperandReader reader(*state, *product, open);
  // Registers of A: two groups of rows, then the same of the second chunk. Of
  // B: two chunks of each group of columns, which all four warps share.
  bool reads =
      (product->hasRegisters ||
       reader.read(a[0], product->isTransposedA, 16 * (state->warp % 4), 16, 1,
                   2, cta.counts(), aFragments)) &&
      reader.read(b[0], product->isTransposedB, 0, product->columns, 2, 1,
                  cta.counts() && state->warp % 4 == 0, bFragments);
  if (!reads)
    return;
  if (adds != ~0u)
    for (uint32_t offset : product->sums)
      std::memset(frameOf(*state) + offset, 0, 4 * kWarpSize);
  if (cta.checks())
    warp.products.push_back(std::move(open));
}

static void productStep(WarpState *state, uint32_t instruction, uint32_t lanes,
                        uint32_t step, uint32_t groupsLeft) {
  Cta &cta = *state->cta;
  if (!cta.checks())
    return;
  if (lanes != ~0u)
    return cta.fail(*state, instruction,
                    "needs all lanes of the warp, but those here are 0x" +
                        llvm::Twine::utohexstr(lanes));
  if (!cta.keepStep(*state, instruction))
    return;
  Warp &warp = cta.warpOf(*state);
  warp.clock.synchronize();
  switch (static_cast<ProductStep>(step)) {
  case ProductStep::Fence:
    warp.hasFenced = true;
    warp.touched.clear();
    return;
  case ProductStep::Commit:
    for (OpenProduct &open : warp.products)
      ++open.commits;
    return;
  case ProductStep::Wait:
    break;
  }
  // In the order of groups: those with more behind them are over.
  auto isOver = [&](const OpenProduct &open) {
    return open.commits > groupsLeft;
  };
  for (const OpenProduct &open : warp.products)
    if (isOver(open))
      for (uint32_t line : open.lines)
        cta.shared.finishRead(warp.clock, line);
  llvm::erase_if(warp.products, isOver);
}

/// Something other than wgmma reads or writes a register that is also one of
/// wgmma.
static void productTouch(WarpState *state, uint32_t instruction,
                         uint32_t offset) {
  Cta &cta = *state->cta;
  Warp &warp = cta.warpOf(*state);
  for (const OpenProduct &open : warp.products)
    if (llvm::is_contained(open.product->sums, offset) ||
        llvm::is_contained(open.product->registers, offset))
      return cta.fail(*state, instruction,
                      "touches a register of an unfinished wgmma");
  warp.touched.insert(offset);
}

template <typename Function> static void *address(Function *function) {
  return reinterpret_cast<void *>(function);
}

llvm::ArrayRef<RuntimeFunction> flow::emulator::productFunctions() {
  static const RuntimeFunction functions[] = {
      {"product", address(product)},
      {"product_step", address(productStep)},
      {"product_touch", address(productTouch)},
  };
  return functions;
}
