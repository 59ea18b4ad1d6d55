// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Whether the kernel lets this process use AMX tiles.

#ifndef FLOW_LIB_TARGET_CPU_TILEPERMISSION_H
#define FLOW_LIB_TARGET_CPU_TILEPERMISSION_H

#include "llvm/Support/Error.h"

namespace flow {

/// Asks the kernel to let this process use AMX tiles, whose 8 KiB it does not
/// keep for threads that never do; without its leave a first use ends the
/// process. An answer holds for all threads, those to come too, and asking
/// again does nothing. An error says why it does not.
llvm::Error requestTiles();

} // namespace flow

#endif // FLOW_LIB_TARGET_CPU_TILEPERMISSION_H
