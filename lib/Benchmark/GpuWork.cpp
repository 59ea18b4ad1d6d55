// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A device that executes a sample of each launch and counts what it does.

#include "flow/Benchmark/GpuWork.h"

#include "flow/Compiler/EmulatedDevice.h"
#include "flow/Emulator/Emulator.h"
#include "flow/Runtime/DeviceModel.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Memory.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

using namespace flow;
using runtime::DeviceAddress;

static Error toError(llvm::Error error) {
  return Error{llvm::toString(std::move(error))};
}

/// `count` numbers from 1 on and up to `size`, one in each of as many equal
/// parts, at places that the golden ratio spreads. They differ if there are at
/// most half as many as `size`.
static std::vector<uint64_t> spread(uint64_t size, uint64_t count) {
  constexpr double kGolden = 0.6180339887498949;
  std::vector<uint64_t> numbers;
  for (uint64_t i = 0; i != count; ++i) {
    double place = std::fmod(static_cast<double>(i + 1) * kGolden, 1.0);
    numbers.push_back(1 +
                      static_cast<uint64_t>((static_cast<double>(i) + place) *
                                            static_cast<double>(size) /
                                            static_cast<double>(count)));
  }
  return numbers;
}

LaunchWork &LaunchWork::operator+=(const LaunchWork &other) {
  launches += other.launches;
  for (auto sum :
       {&LaunchWork::readBytes, &LaunchWork::writtenBytes,
        &LaunchWork::tensorOperations, &LaunchWork::byteTensorOperations,
        &LaunchWork::floatOperations, &LaunchWork::instructions,
        &LaunchWork::special, &LaunchWork::sharedWavefronts})
    this->*sum += other.*sum;
  return *this;
}

class GpuStepMeter::Meter : public runtime::Device {
public:
  explicit Meter(int threads) : threads(threads) {}

  llvm::Error translate(llvm::ArrayRef<std::string> images) {
    emulator::ProgramOptions options;
    options.checks = false;
    for (const std::string &image : images) {
      auto program = emulator::Program::create(image, options);
      if (!program)
        return program.takeError();
      for (const std::string &kernel : (*program)->kernels())
        kernels.try_emplace(kernel, program->get());
      programs.push_back(std::move(*program));
    }
    return llvm::Error::success();
  }

  /// What is launched from now on, executed as `chosen` says.
  void begin(const CtaSampling &chosen) {
    sampling = chosen;
    works.clear();
  }
  std::vector<LaunchWork> take() const {
    std::vector<LaunchWork> all;
    for (const Launched &launched : works)
      all.push_back(launched.all);
    return all;
  }

  /// Pages that nobody writes take no memory, and so a model of any size has
  /// room.
  Result<DeviceAddress> allocate(size_t bytes,
                                 const std::string &name) override {
    std::error_code code;
    llvm::sys::MemoryBlock block = llvm::sys::Memory::allocateMappedMemory(
        bytes, nullptr,
        llvm::sys::Memory::MF_READ | llvm::sys::Memory::MF_WRITE, code);
    if (code)
      return Error{"no memory for the " + std::to_string(bytes) +
                   " bytes of '" + name + "': " + code.message()};
    blocks.emplace_back(block);
    if (llvm::Error error = memory.add(block.base(), bytes, name,
                                       /*readOnly=*/false))
      return toError(std::move(error));
    auto address = reinterpret_cast<uintptr_t>(block.base());
    sizes[address] = bytes;
    return static_cast<DeviceAddress>(address);
  }
  Result<DeviceAddress> place(const void *, size_t,
                              const std::string &name) override {
    return Error{"'" + name + "' is not to be measured"};
  }
  void free(DeviceAddress address) override {
    memory.free(pointerTo(address));
    sizes.erase(static_cast<uintptr_t>(address));
    llvm::erase_if(blocks, [&](const llvm::sys::OwningMemoryBlock &block) {
      return block.base() == pointerTo(address);
    });
  }
  Status upload(DeviceAddress to, const void *from, size_t bytes) override {
    std::memcpy(pointerTo(to), from, bytes);
    return {};
  }
  Status download(void *to, DeviceAddress from, size_t bytes) override {
    std::memcpy(to, pointerTo(from), bytes);
    return {};
  }
  Result<runtime::TensorMap>
  tensorMap(const runtime::MatrixBoxes &boxes) override {
    return emulatedTensorMap(boxes);
  }
  Status launch(const runtime::DeviceLaunch &launch) override;

private:
  static void *pointerTo(DeviceAddress address) {
    return reinterpret_cast<void *>(static_cast<uintptr_t>(address));
  }
  Status execute(const runtime::DeviceLaunch &launch, LaunchWork &work);
  /// Sectors of each piece of memory that are read and written.
  struct Sectors {
    double read = 0, written = 0;
  };
  using SectorsOfPieces = std::map<uintptr_t, Sectors>;
  /// Executes `ctas` of a launch, or all if there are none, and adds what they
  /// do `share` times.
  Status execute(const runtime::DeviceLaunch &launch,
                 std::vector<uint64_t> ctas, double share, LaunchWork &work,
                 SectorsOfPieces &pieces);

  /// A launch, and all that are equal to it.
  struct Launched {
    LaunchWork one, all;
  };

  CtaSampling sampling;
  std::vector<Launched> works;
  std::vector<std::unique_ptr<emulator::Program>> programs;
  llvm::StringMap<emulator::Program *> kernels;
  emulator::GlobalMemory memory;
  std::vector<llvm::sys::OwningMemoryBlock> blocks;
  std::map<uintptr_t, uint64_t> sizes;
  int threads;
};

Status GpuStepMeter::Meter::launch(const runtime::DeviceLaunch &launch) {
  int64_t blockCount =
      static_cast<int64_t>(launch.grid[0]) * launch.grid[1] * launch.grid[2];
  // Equal launches cost the same, whichever layer they are of.
  for (Launched &known : works)
    if (known.one.kernel == launch.kernel && known.one.blocks == blockCount) {
      known.all += known.one;
      return {};
    }
  LaunchWork work;
  work.kernel = launch.kernel;
  work.launches = 1;
  work.blocks = blockCount;
  work.threads = launch.threads;
  work.sharedBytes = launch.sharedBytes;
  work.executed = sampling.ctas == 0 || 2 * sampling.ctas > blockCount
                      ? blockCount
                      : 1 + sampling.ctas;
  LaunchWork measured = work;
  if (Status status = execute(launch, measured); !status)
    return status;
  double executed = measured.instructions *
                    static_cast<double>(measured.executed) /
                    static_cast<double>(blockCount);
  auto wanted = static_cast<double>(sampling.instructions);
  if (measured.executed != blockCount && executed < wanted) {
    double times = wanted / std::max(executed, 1.0);
    double ctas = times * static_cast<double>(measured.executed);
    measured = work;
    // More than half are not spread any more.
    measured.executed = ctas < static_cast<double>(blockCount) / 2
                            ? static_cast<int64_t>(ctas)
                            : blockCount;
    if (Status status = execute(launch, measured); !status)
      return status;
  }
  works.push_back({measured, measured});
  return {};
}

Status GpuStepMeter::Meter::execute(const runtime::DeviceLaunch &launch,
                                    LaunchWork &work) {
  SectorsOfPieces pieces;
  bool isWhole = work.executed == work.blocks;
  // The first CTA may do what there is to do once.
  std::vector<uint64_t> first;
  if (!isWhole)
    first = {0};
  Status status = execute(launch, first, 1, work, pieces);
  if (status && !isWhole) {
    auto others = static_cast<double>(work.blocks - 1);
    auto sampled = static_cast<double>(work.executed - 1);
    status = execute(launch, spread(work.blocks - 1, work.executed - 1),
                     others / sampled, work, pieces);
  }
  for (const auto &[begin, sectors] : pieces) {
    // What CTAs share, they touch once: no more than there is.
    auto known = sizes.find(begin);
    double whole = known == sizes.end()
                       ? 0
                       : static_cast<double>(llvm::divideCeil(
                             known->second, emulator::kSectorBytes));
    work.readBytes += emulator::kSectorBytes * std::min(sectors.read, whole);
    work.writtenBytes +=
        emulator::kSectorBytes * std::min(sectors.written, whole);
  }
  return status;
}

Status GpuStepMeter::Meter::execute(const runtime::DeviceLaunch &launch,
                                    std::vector<uint64_t> ctas, double share,
                                    LaunchWork &work, SectorsOfPieces &pieces) {
  emulator::Program *program = kernels.lookup(launch.kernel);
  if (!program)
    return Error{"no image has a kernel '" + launch.kernel + "'"};
  emulator::Launch emulated;
  emulated.kernel = launch.kernel;
  emulated.grid = {launch.grid[0], launch.grid[1], launch.grid[2]};
  emulated.block = {launch.threads, 1, 1};
  emulated.sharedBytes = launch.sharedBytes;
  emulated.parameters = launch.parameters;
  emulated.ctas = std::move(ctas);
  std::vector<emulator::Traffic> traffic;
  llvm::Expected<emulator::Counters> counted =
      program->launch(emulated, memory, threads, &traffic);
  if (!counted)
    return toError(counted.takeError());
  for (const emulator::Traffic &piece : traffic) {
    Sectors &sectors = pieces[piece.begin];
    sectors.read += share * static_cast<double>(piece.sectorsRead);
    sectors.written += share * static_cast<double>(piece.sectorsWritten);
  }
  auto scaled = [&](uint64_t count) {
    return share * static_cast<double>(count);
  };
  work.tensorOperations += scaled(counted->tensorOperations);
  work.byteTensorOperations += scaled(counted->byteTensorOperations);
  work.floatOperations += scaled(counted->floatOperations);
  work.instructions += scaled(counted->instructions);
  work.special += scaled(counted->special);
  work.sharedWavefronts += scaled(counted->sharedWavefronts);
  return {};
}

GpuStepMeter::GpuStepMeter(const GpuCode &code, std::unique_ptr<Meter> meter)
    : plan(code.plan), meter(std::move(meter)) {}

GpuStepMeter::~GpuStepMeter() = default;

llvm::Expected<std::unique_ptr<GpuStepMeter>>
GpuStepMeter::create(const GpuCode &code, int threads) {
  auto meter = std::make_unique<Meter>(threads);
  if (llvm::Error error = meter->translate(code.ptx))
    return error;
  return std::unique_ptr<GpuStepMeter>(
      new GpuStepMeter(code, std::move(meter)));
}

llvm::Expected<std::vector<LaunchWork>>
GpuStepMeter::measure(int64_t start, int64_t rows,
                      const CtaSampling &sampling) {
  // Rooms of the step's own size, so that none of them counts for what is not
  // there.
  runtime::EngineOptions options;
  options.context = start + std::max<int64_t>(rows, 1);
  options.prefillChunk = std::max<int64_t>(rows, 1);
  auto model =
      runtime::DeviceModel::createWithoutWeights(plan, *meter, options);
  if (!model)
    return llvm::createStringError(model.error());
  auto sequence = runtime::DeviceSequence::create(**model);
  if (!sequence)
    return llvm::createStringError(sequence.error());
  (*sequence)->skip(start);
  // Tokens far from one another, so that their embeddings are.
  constexpr int64_t kStride = 7919;
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i != std::max<int64_t>(rows, 1); ++i)
    tokens.push_back(static_cast<int32_t>((i + 1) * kStride % plan.vocab));
  meter->begin(sampling);
  Status status = rows == 0 ? (*sequence)->decode(tokens.front())
                            : (*sequence)->prefill(tokens);
  if (!status)
    return llvm::createStringError(status.error());
  return meter->take();
}
