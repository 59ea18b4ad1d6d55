// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Asks Linux for the state of AMX tiles.

#include "TilePermission.h"

#include <cerrno>
#include <cstring>

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

using namespace flow;

llvm::Error flow::requestTiles() {
#if defined(__linux__) && defined(__x86_64__)
  // ARCH_REQ_XCOMP_PERM and XFEATURE_XTILEDATA of the kernel's headers, which
  // are newer than those that a C library may have.
  constexpr long kRequest = 0x1023, kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequest, kTileData) == 0)
    return llvm::Error::success();
  return llvm::createStringError("the kernel does not let this process use AMX "
                                 "tiles: " +
                                 llvm::Twine(std::strerror(errno)));
#else
  return llvm::createStringError(
      "this system has no known way to ask for AMX tiles");
#endif
}
