// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Small kernels around the PTX that a test is about.

#ifndef FLOW_TEST_UNIT_EMULATOR_EMULATORTESTING_H
#define FLOW_TEST_UNIT_EMULATOR_EMULATORTESTING_H

#include "flow/Emulator/Emulator.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <cstring>
#include <string>
#include <vector>

namespace flow::emulator::testing {

/// What a run gave: an error, or counters and what `out` holds.
struct Outcome {
  std::string error;
  Counters counters;
  std::vector<uint32_t> words;

  float asFloat(size_t index) const {
    float value;
    std::memcpy(&value, &words[index], sizeof(value));
    return value;
  }
  uint64_t asLong(size_t index) const {
    return words[2 * index] | uint64_t(words[2 * index + 1]) << 32;
  }
};

/// How a test kernel is launched.
struct Environment {
  uint32_t threads = 32, ctas = 1, sharedBytes = 0;
  /// What `in` holds, and how many words `out` has.
  std::vector<uint32_t> in = std::vector<uint32_t>(1024);
  size_t outWords = 1024;
  /// Declarations outside the kernel, and after its parameters.
  std::string head, bounds;
  ProgramOptions options;
  int hostThreads = 1;
};

/// A module with one kernel `k(in, out)` around `body`. It has registers of
/// each kind (%p %h %r %f %rd %fd), %tid.x in %tid, and the addresses of the
/// parameters in %in and %out.
inline std::string makeKernel(const std::string &body,
                              const Environment &environment) {
  return ".version 8.0\n.target sm_90\n.address_size 64\n"
         ".extern .shared .align 128 .b8 smem[];\n" +
         environment.head +
         ".visible .entry k(.param .u64 k_in, .param .u64 k_out)" +
         environment.bounds + R"({
    .reg .pred %p<20>;
    .reg .b16 %h<20>;
    .reg .b32 %r<60>;
    .reg .f32 %f<40>;
    .reg .b64 %rd<40>;
    .reg .f64 %fd<20>;
    .reg .b32 %tid;
    .reg .b64 %in, %out;
    ld.param.u64 %in, [k_in];
    ld.param.u64 %out, [k_out];
    mov.u32 %tid, %tid.x;
)" + body +
         "\n}\n";
}

inline Outcome run(const std::string &body,
                   const Environment &environment = {}) {
  Outcome outcome;
  auto program =
      Program::create(makeKernel(body, environment), environment.options);
  if (!program) {
    outcome.error = llvm::toString(program.takeError());
    return outcome;
  }
  GlobalMemory memory;
  auto in = memory.allocate(environment.in.size() * 4, "in");
  auto out = memory.allocate(environment.outWords * 4, "out");
  if (!in || !out) {
    outcome.error = "no memory";
    llvm::consumeError(in.takeError());
    llvm::consumeError(out.takeError());
    return outcome;
  }
  std::memcpy(*in, environment.in.data(), environment.in.size() * 4);
  Launch launch;
  launch.kernel = "k";
  launch.grid.x = environment.ctas;
  launch.block.x = environment.threads;
  launch.sharedBytes = environment.sharedBytes;
  launch.parameters = {&*in, &*out};
  auto counters = (*program)->launch(launch, memory, environment.hostThreads);
  if (!counters)
    outcome.error = llvm::toString(counters.takeError());
  else
    outcome.counters = *counters;
  outcome.words.resize(environment.outWords);
  std::memcpy(outcome.words.data(), *out, environment.outWords * 4);
  return outcome;
}

/// Stores the 32-bit register `reg` at the thread's place in `out`.
inline std::string storeWord(const std::string &reg) {
  return "    mul.wide.u32 %rd39, %tid, 4;\n    add.s64 %rd39, %out, %rd39;\n"
         "    st.global.b32 [%rd39], " +
         reg + ";\n";
}

/// Runs `body` on one operand a lane in %r1 (and %r2 and %r3, which come from
/// the next 32 words of `operands`), and returns %r0 of each lane.
inline std::vector<uint32_t> compute(const std::string &body,
                                     std::vector<uint32_t> a,
                                     std::vector<uint32_t> b = {},
                                     std::vector<uint32_t> c = {}) {
  Environment environment;
  a.resize(32);
  b.resize(32);
  c.resize(32);
  environment.in = a;
  environment.in.insert(environment.in.end(), b.begin(), b.end());
  environment.in.insert(environment.in.end(), c.begin(), c.end());
  Outcome outcome = run(R"(
    mul.wide.u32 %rd1, %tid, 4;
    add.s64 %rd1, %in, %rd1;
    ld.global.b32 %r1, [%rd1];
    ld.global.b32 %r2, [%rd1+128];
    ld.global.b32 %r3, [%rd1+256];
)" + body + storeWord("%r0") +
                            "ret;",
                        environment);
  EXPECT_EQ(outcome.error, "") << body;
  outcome.words.resize(32);
  return outcome.words;
}

inline uint32_t bitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float floatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

} // namespace flow::emulator::testing

#endif // FLOW_TEST_UNIT_EMULATOR_EMULATORTESTING_H
