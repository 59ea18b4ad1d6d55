// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memory straight from the system.

#include "flow/Runtime/Weights.h"

#include <sys/mman.h>

using namespace flow;
using namespace flow::runtime;

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
  void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return Error{"out of memory: " + std::to_string(size) +
                 " bytes are not to be had"};
  // Advice only: without large pages everything works, a little slower.
  if (hugePages)
    (void)madvise(memory, size, MADV_HUGEPAGE);
  block.memory = static_cast<std::byte *>(memory);
  block.bytes = size;
  return block;
}
