// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A kernel after translation: its code, and what runs it has to know.

#ifndef FLOW_LIB_EMULATOR_KERNELCODE_H
#define FLOW_LIB_EMULATOR_KERNELCODE_H

#include "PtxParser.h"
#include "WarpState.h"
#include "WarpgroupProduct.h"
#include "flow/Emulator/Emulator.h"

#include <deque>

namespace flow::emulator {

struct KernelCode {
  const Kernel *kernel = nullptr;
  WarpFunction function = nullptr;
  /// Bytes of a warp's frame, with its head.
  uint32_t frameBytes = kRegistersBegin;
  /// Where dynamic shared memory begins.
  uint32_t dynamicShared = 0;
  /// What one run of each block adds to the counters of instructions.
  std::vector<Counters> blocks;
  /// Generated code holds the addresses of these.
  std::deque<Access> accesses;
  std::deque<WarpgroupProduct> products;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_KERNELCODE_H
