// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Executes PTX on the CPU and checks what it does.

#ifndef FLOW_EMULATOR_EMULATOR_H
#define FLOW_EMULATOR_EMULATOR_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace flow::emulator {

struct Dim3 {
  uint32_t x = 1, y = 1, z = 1;
};

/// One launch of a kernel.
struct Launch {
  std::string kernel;
  Dim3 grid, block;
  /// Bytes of dynamic shared memory.
  uint32_t sharedBytes = 0;
  /// The address of each parameter's value, in order, as the CUDA driver takes
  /// them. A pointer parameter holds a host address.
  std::vector<const void *> parameters;
  /// The CTAs to run, by number, x counting fastest; empty = all of the grid.
  std::vector<uint64_t> ctas;
};

/// What was executed. Instructions count once a warp unless said otherwise;
/// one whose guard is false for every lane counts too, as it is issued.
struct Counters {
  uint64_t instructions = 0;
  /// Instructions times the lanes that were active.
  uint64_t threadInstructions = 0;
  uint64_t mma = 0, ldmatrix = 0, asyncCopies = 0;
  /// wgmma.mma_async, and copies by the asynchronous proxy.
  uint64_t wgmma = 0, bulkCopies = 0;
  /// Those of the special function unit: ex2 lg2 rcp rsqrt sqrt sin cos tanh.
  uint64_t special = 0;
  uint64_t barriers = 0;
  /// Branches that sent lanes of one warp both ways.
  uint64_t divergentBranches = 0;
  /// Passes through the 32 banks of shared memory, and those beyond the ideal.
  /// One pass serves 32 lanes of up to 4 bytes, 16 of 8 or 8 of 16.
  uint64_t sharedWavefronts = 0, bankConflicts = 0;
  /// Requests to global memory, the distinct 32-byte sectors that each of them
  /// touches, and the bytes that its lanes asked for.
  uint64_t globalLoads = 0, globalStores = 0;
  uint64_t globalSectorsRead = 0, globalSectorsWritten = 0;
  uint64_t globalBytesRead = 0, globalBytesWritten = 0;
  /// The distinct sectors that a launch reads and writes, whoever does and how
  /// often: what a cache that forgets nothing moves.
  uint64_t distinctSectorsRead = 0, distinctSectorsWritten = 0;
  /// Multiplications and additions, each counted as one: of mma by its shape,
  /// on floats and on bytes, and of f32 in the lanes that were active.
  uint64_t tensorOperations = 0, byteTensorOperations = 0, floatOperations = 0;

  Counters &operator+=(const Counters &other);
};

/// Bytes of a sector, in which global memory is read and written.
constexpr uint32_t kSectorBytes = 32;

/// The distinct sectors of a piece of memory that a launch read and wrote.
struct Traffic {
  /// Where the piece begins.
  uintptr_t begin = 0;
  uint64_t sectorsRead = 0, sectorsWritten = 0;
};

/// The memory that kernels may touch. Addresses are host addresses. Not to be
/// changed while a launch runs.
class GlobalMemory {
public:
  GlobalMemory();
  ~GlobalMemory();
  GlobalMemory(const GlobalMemory &) = delete;
  GlobalMemory &operator=(const GlobalMemory &) = delete;

  /// `bytes` of zeros, aligned to 256; an error when there is no such memory.
  /// `name` is what errors call them. Kernels that write what is `readOnly`
  /// break a rule; the host may.
  llvm::Expected<void *> allocate(size_t bytes, llvm::StringRef name,
                                  bool readOnly = false);

  /// Lets kernels touch memory that somebody else owns and keeps until it is
  /// freed here; an error if it overlaps with known memory.
  llvm::Error add(void *address, size_t bytes, llvm::StringRef name,
                  bool readOnly = false);
  llvm::Error add(const void *address, size_t bytes, llvm::StringRef name) {
    return add(const_cast<void *>(address), bytes, name, /*readOnly=*/true);
  }

  /// Forgets what begins at `address`, and releases what was allocated here.
  /// Null and unknown addresses are ignored.
  void free(void *address);

  /// A piece of memory, as the checks see it.
  struct Range {
    uintptr_t begin = 0, end = 0;
    std::string name;
    bool readOnly = false, owned = false;
  };
  /// The piece that holds `address`, or null.
  const Range *find(uintptr_t address) const;
  /// The last piece that begins at or below `address`, or null.
  const Range *findBelow(uintptr_t address) const;

private:
  /// In the order of their addresses, disjoint.
  std::vector<Range> ranges;
};

struct ProgramOptions {
  /// Watch for races, for uninitialised and unfinished data in shared memory,
  /// and for divergence at what needs a whole warp. Bounds and alignment are
  /// always checked.
  bool checks = true;
  /// Fill in the counters; without, they stay zero.
  bool count = true;
  /// The most shared memory a CTA may have, static and dynamic together.
  uint32_t sharedLimit = 227 * 1024;
};

class Module;

/// PTX, translated to native code.
class Program {
public:
  /// Translates every kernel of `ptx`. The error of a text that cannot be
  /// understood names the line.
  static llvm::Expected<std::unique_ptr<Program>>
  create(llvm::StringRef ptx, const ProgramOptions &options = {});
  ~Program();
  Program(const Program &) = delete;
  Program &operator=(const Program &) = delete;

  /// The names of the kernels, in the order of the text.
  std::vector<std::string> kernels() const;

  /// Runs the CTAs, on up to `threads` threads, and returns what they did; what
  /// that was in each piece of memory goes to `traffic`, if it is counted.
  /// CTAs are independent. The error of the first CTA, in the order of the
  /// grid among those that ran, that breaks a rule names kernel, CTA, warp,
  /// PTX line and instruction; what others wrote by then stays written. May be
  /// called from several threads.
  llvm::Expected<Counters> launch(const Launch &launch, GlobalMemory &memory,
                                  int threads = 1,
                                  std::vector<Traffic> *traffic = nullptr);

private:
  explicit Program(std::unique_ptr<Module> module);
  std::unique_ptr<Module> module;
};

} // namespace flow::emulator

#endif // FLOW_EMULATOR_EMULATOR_H
