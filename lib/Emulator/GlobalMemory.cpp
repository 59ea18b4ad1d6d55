// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The table of what kernels may touch.

#include "flow/Emulator/Emulator.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/MathExtras.h"

#include <cstdlib>
#include <cstring>

using namespace flow::emulator;

/// As the CUDA allocator promises.
static constexpr size_t kAlignment = 256;

GlobalMemory::GlobalMemory() = default;

GlobalMemory::~GlobalMemory() {
  for (const Range &range : ranges)
    if (range.owned)
      std::free(reinterpret_cast<void *>(range.begin));
}

llvm::Expected<void *>
GlobalMemory::allocate(size_t bytes, llvm::StringRef name, bool readOnly) {
  void *address = nullptr;
  // An allocation of no bytes has an address of its own too.
  if (bytes <= SIZE_MAX - kAlignment)
    address = std::aligned_alloc(
        kAlignment, llvm::alignTo(std::max<size_t>(bytes, 1), kAlignment));
  if (!address)
    return llvm::createStringError("no memory for the " + llvm::Twine(bytes) +
                                   " bytes of '" + name + "'");
  std::memset(address, 0, bytes);
  if (llvm::Error error = add(address, bytes, name, readOnly)) {
    std::free(address);
    return error;
  }
  for (Range &range : ranges)
    range.owned |= range.begin == reinterpret_cast<uintptr_t>(address);
  return address;
}

llvm::Error GlobalMemory::add(void *address, size_t bytes, llvm::StringRef name,
                              bool readOnly) {
  Range range;
  range.begin = reinterpret_cast<uintptr_t>(address);
  range.end = range.begin + bytes;
  range.name = name.str();
  range.readOnly = readOnly;
  auto at = llvm::partition_point(
      ranges, [&](const Range &other) { return other.begin < range.begin; });
  if (at != ranges.end() && (at->begin < range.end || at->begin == range.begin))
    return llvm::createStringError("'" + name + "' overlaps with '" + at->name +
                                   "'");
  if (at != ranges.begin() && std::prev(at)->end > range.begin)
    return llvm::createStringError("'" + name + "' overlaps with '" +
                                   std::prev(at)->name + "'");
  ranges.insert(at, std::move(range));
  return llvm::Error::success();
}

void GlobalMemory::free(void *address) {
  auto begin = reinterpret_cast<uintptr_t>(address);
  llvm::erase_if(ranges, [&](const Range &range) {
    if (range.begin != begin)
      return false;
    if (range.owned)
      std::free(address);
    return true;
  });
}

const GlobalMemory::Range *GlobalMemory::findBelow(uintptr_t address) const {
  auto at = llvm::partition_point(
      ranges, [&](const Range &range) { return range.begin <= address; });
  return at == ranges.begin() ? nullptr : &*std::prev(at);
}

const GlobalMemory::Range *GlobalMemory::find(uintptr_t address) const {
  const Range *range = findBelow(address);
  return range && address < range->end ? range : nullptr;
}
