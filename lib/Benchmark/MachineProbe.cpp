// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Times the loops of PeakKernels on all threads at once.

#include "flow/Benchmark/MachineProbe.h"

#include "PeakKernels.h"
#include "flow/Compiler/LoadedCode.h"
#include "flow/Runtime/ThreadPool.h"
#include "flow/Runtime/Weights.h"
#include "flow/Support/Stopwatch.h"
#include "mlir/IR/MLIRContext.h"

#include <algorithm>
#include <cstring>
#include <unistd.h>

using namespace flow;

namespace {

/// A compiled function; see flow/Runtime/Abi.h.
using Entry = void (*)(void **);

/// Runs of a loop, of which the best counts.
constexpr int kRuns = 5;
/// Seconds that a run of arithmetic takes, about: long beside the start of
/// threads, short beside the time slice of a busy machine.
constexpr double kRunSeconds = 0.004;
/// Bytes to read at least and at most.
constexpr size_t kLeastBytes = 256u << 20, kMostBytes = 1u << 30;

/// Bytes that no cache holds: reading one after the other through several times
/// the last cache finds nothing left of the pass before.
size_t bytesToRead() {
  size_t cache = 0;
#ifdef _SC_LEVEL3_CACHE_SIZE
  cache = std::max<long>(0, sysconf(_SC_LEVEL3_CACHE_SIZE));
#endif
  return std::clamp(8 * cache, kLeastBytes, kMostBytes);
}

/// What a thread gives to a loop and takes from it.
struct alignas(64) Operands {
  std::byte data[kDataBytes];
  std::byte results[kResultBytes];
};

} // namespace

struct MachineProbe::State {
  explicit State(int threads) : pool(threads), operands(pool.threads()) {}

  runtime::ThreadPool pool;
  std::vector<Operands> operands;
  std::unique_ptr<LoadedCode> code;
  Entry f32 = nullptr, bf16 = nullptr, int8 = nullptr, read = nullptr;
  /// Operations of a round of each.
  int64_t f32Operations = 0, bf16Operations = 0, int8Operations = 0;
  runtime::PageBlock memory;
  /// Bytes of each thread's part of `memory`.
  int64_t part = 0;
  /// Rounds of a run of arithmetic.
  int64_t rounds = 1;

  void run(Entry entry, int64_t thread, int64_t number, void *data) {
    void *context = pool.context(), *results = operands[thread].results;
    void *arguments[] = {context, &number, data, results};
    entry(arguments);
  }
  /// Seconds that every thread takes to do so many rounds of `entry`.
  double timeRounds(Entry entry, int64_t count);
  double timeRead();
  double bestRate(Entry entry, int64_t operations);
  llvm::Error compile();
  llvm::Error allocate();
  void calibrate();
};

double MachineProbe::State::timeRounds(Entry entry, int64_t count) {
  Stopwatch watch;
  pool.parallelFor(pool.threads(), [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread != end; ++thread)
      run(entry, thread, count, operands[thread].data);
  });
  return watch.seconds();
}

double MachineProbe::State::timeRead() {
  Stopwatch watch;
  pool.parallelFor(pool.threads(), [&](int64_t begin, int64_t end) {
    for (int64_t thread = begin; thread != end; ++thread)
      run(read, thread, part, memory.data() + thread * part);
  });
  return watch.seconds();
}

double MachineProbe::State::bestRate(Entry entry, int64_t operations) {
  if (!entry)
    return 0;
  double best = 0;
  for (int i = 0; i != kRuns; ++i)
    best = std::max(best, static_cast<double>(rounds * pool.threads()) *
                              static_cast<double>(operations) /
                              timeRounds(entry, rounds));
  return best;
}

llvm::Error MachineProbe::State::compile() {
  llvm::Expected<CpuTarget> target = resolveCpuTarget("native");
  if (!target)
    return target.takeError();
  mlir::MLIRContext context;
  PeakKernels kernels = buildPeakKernels(context, *target);
  llvm::Expected<std::string> object =
      generateCode(*kernels.module, *target, CodeKind::Object);
  if (!object)
    return object.takeError();
  llvm::Expected<std::unique_ptr<LoadedCode>> loaded =
      LoadedCode::load({*object});
  if (!loaded)
    return loaded.takeError();
  code = std::move(*loaded);
  auto entry = [&](llvm::StringRef name) {
    return reinterpret_cast<Entry>(code->lookupEntry(name));
  };
  f32 = entry("peak_f32");
  bf16 = kernels.bf16 ? entry("peak_bf16") : nullptr;
  int8 = kernels.int8 ? entry("peak_int8") : nullptr;
  read = entry("read");
  f32Operations = kernels.f32;
  bf16Operations = kernels.bf16;
  int8Operations = kernels.int8;
  int64_t threads = pool.threads();
  part = static_cast<int64_t>(bytesToRead()) / threads / kernels.readStep *
         kernels.readStep;
  return llvm::Error::success();
}

llvm::Error MachineProbe::State::allocate() {
  // One half: as f32 about 1/2, as bf16 1/2, as bytes two numbers. Accumulators
  // stay finite.
  constexpr uint32_t kHalves = 0x3f003f00;
  for (Operands &each : operands)
    for (size_t i = 0; i != kDataBytes; i += sizeof kHalves)
      std::memcpy(each.data + i, &kHalves, sizeof kHalves);
  Result<runtime::PageBlock> block =
      runtime::PageBlock::allocate(part * pool.threads(), /*hugePages=*/true);
  if (!block)
    return llvm::createStringError("memory to measure the read bandwidth: " +
                                   block.error());
  memory = std::move(*block);
  // A page that nobody wrote is one page of zeroes, many times.
  pool.parallelFor(pool.threads(), [&](int64_t begin, int64_t end) {
    std::memset(memory.data() + begin * part, 1, (end - begin) * part);
  });
  return llvm::Error::success();
}

void MachineProbe::State::calibrate() {
  // The caller's thread alone: a worker may be slow to wake, and one run may be
  // held up.
  auto fastest = [&] {
    double best = kRunSeconds;
    for (int i = 0; i != kRuns; ++i) {
      Stopwatch watch;
      run(f32, 0, rounds, operands.front().data);
      best = std::min(best, watch.seconds());
    }
    return best;
  };
  constexpr int64_t kMostRounds = int64_t(1) << 40;
  while (rounds < kMostRounds && fastest() < kRunSeconds)
    rounds *= 2;
}

MachineProbe::MachineProbe(std::unique_ptr<State> state)
    : state(std::move(state)) {}
MachineProbe::~MachineProbe() = default;

llvm::Expected<std::unique_ptr<MachineProbe>>
MachineProbe::create(int threads) {
  auto state = std::make_unique<State>(threads);
  if (llvm::Error error = state->compile())
    return error;
  if (llvm::Error error = state->allocate())
    return error;
  state->calibrate();
  return std::unique_ptr<MachineProbe>(new MachineProbe(std::move(state)));
}

MachineSpeed MachineProbe::measure() {
  MachineSpeed speed;
  speed.f32 = state->bestRate(state->f32, state->f32Operations);
  speed.bf16 = state->bestRate(state->bf16, state->bf16Operations);
  speed.int8 = state->bestRate(state->int8, state->int8Operations);
  for (int i = 0; i != kRuns; ++i)
    speed.readBytes =
        std::max(speed.readBytes,
                 static_cast<double>(state->memory.size()) / state->timeRead());
  return speed;
}
