// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a machine can do at most: multiply-adds and bytes read in a second.

#ifndef FLOW_BENCHMARK_MACHINEPROBE_H
#define FLOW_BENCHMARK_MACHINEPROBE_H

#include "llvm/Support/Error.h"

#include <memory>

namespace flow {

/// Speeds of some threads of a machine together. 0: the machine has no such
/// instruction.
struct MachineSpeed {
  /// Multiplications and additions a second, each counted as one: fused
  /// multiply-adds of f32, dot products of bf16 onto f32, dot products of bytes
  /// onto 32 bits.
  double f32 = 0, bf16 = 0, int8 = 0;
  /// Bytes a second that are read from memory one after the other.
  double readBytes = 0;
};

/// Measures `MachineSpeed` with loops that are compiled for the machine at
/// hand, by the same code generator as the models: what it cannot emit is no
/// speed that a model could reach.
class MachineProbe {
public:
  /// A probe with `threads` threads, at least 1. It holds some hundred MB, a
  /// multiple of the last cache. Fails where there is no memory for it.
  static llvm::Expected<std::unique_ptr<MachineProbe>> create(int threads);
  ~MachineProbe();

  /// The best of a few runs of each loop, all threads at once; takes about a
  /// tenth of a second.
  MachineSpeed measure();

private:
  struct State;
  explicit MachineProbe(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace flow

#endif // FLOW_BENCHMARK_MACHINEPROBE_H
