// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What can be proven of a mask: which blocks of keys a query needs.

#ifndef FLOW_ANALYSIS_MASKANALYSIS_H
#define FLOW_ANALYSIS_MASKANALYSIS_H

#include "flow/IR/FlowAttributes.h"

namespace flow {

/// Blocks of keys by what a query sees of them.
struct BlockCounts {
  /// No key is visible, every key is visible, some are.
  int64_t skipped = 0, full = 0, partial = 0;
};

/// True if the window of `mask` can hide a key in a sequence of at most
/// `context >= 1` positions: the furthest key is `context - 1` back.
bool canWindowBind(MaskAttr mask, int64_t context);

/// `mask` without a window that cannot bind.
MaskAttr dropIdleWindow(MaskAttr mask, int64_t context);

/// Where the loop over key blocks of `mask` may begin.
BlockStart getBlockStart(MaskAttr mask);

/// The blocks of `size >= 1` positions of a sequence of `total >= 0` positions,
/// as the query at position `query >= 0` sees them. The last block may be
/// short; it is full if its positions below `total` are all visible.
BlockCounts countBlocks(MaskAttr mask, int64_t query, int64_t total,
                        int64_t size);

} // namespace flow

#endif // FLOW_ANALYSIS_MASKANALYSIS_H
