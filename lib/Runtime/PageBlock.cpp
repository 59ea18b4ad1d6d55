// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory straight from the system.

#include "flow/Runtime/Weights.h"

#include <cstdint>
#include <sys/mman.h>
#include <unistd.h>

using namespace flow;
using namespace flow::runtime;

/// Of x86-64, and of other machines with small pages of 4 KiB.
static constexpr size_t kHugePage = size_t(2) << 20;

PageBlock::PageBlock(PageBlock &&other) noexcept
    : memory(std::exchange(other.memory, nullptr)),
      bytes(std::exchange(other.bytes, 0)) {}

PageBlock &PageBlock::operator=(PageBlock &&other) noexcept {
  std::swap(memory, other.memory);
  std::swap(bytes, other.bytes);
  return *this;
}

PageBlock::~PageBlock() {
  if (memory)
    munmap(memory, bytes);
}

Result<PageBlock> PageBlock::allocate(size_t size, bool hugePages) {
  PageBlock block;
  if (size == 0)
    return block;
  // More, to cut a block out of it that begins where a large page can. It is
  // not more memory: nobody touches the rest.
  const size_t slack = hugePages && size >= kHugePage ? kHugePage : 0;
  void *memory = MAP_FAILED;
  if (size <= SIZE_MAX - slack)
    memory = mmap(nullptr, size + slack, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return Error{"out of memory: " + std::to_string(size) +
                 " bytes are not to be had"};
  block.memory = static_cast<std::byte *>(memory);
  block.bytes = size;
  if (slack == 0)
    return block;
  size_t before = -reinterpret_cast<uintptr_t>(memory) % kHugePage;
  if (before != 0)
    munmap(block.memory, before);
  block.memory += before;
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  munmap(block.memory + (size + page - 1) / page * page, slack - before);
  // Advice only: without large pages everything works, a little slower.
  (void)madvise(block.memory, size, MADV_HUGEPAGE);
  return block;
}
