// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers the kernels of a test and runs them.

#include "KernelModule.h"

#include "flow/Compiler/Compiler.h"
#include "flow/Ggml/Types.h"
#include "flow/Pipelines/Pipelines.h"
#include "mlir/IR/Verifier.h"
#include "gtest/gtest.h"

#include <cstring>
#include <random>

using namespace mlir;
using namespace flow;

KernelModule::KernelModule(llvm::StringRef chip)
    : nvvm(llvm::cantFail(resolveNvvmTarget(chip))) {
  DialectRegistry registry;
  registerAllDialects(registry);
  context = std::make_unique<MLIRContext>(registry);
  context->loadAllAvailableDialects();
  Location loc = UnknownLoc::get(context.get());
  module = ModuleOp::create(loc);
  opBuilder = std::make_unique<OpBuilder>(context.get());
  opBuilder->setInsertionPointToStart(module->getBody());
  kernels = gpu::GPUModuleOp::create(*opBuilder, loc, "kernels");
}

KernelModule::~KernelModule() = default;

cuda::KernelTarget KernelModule::target() {
  return {kernels, nvvm.sharedMemoryLimit, nvvm.hasWarpgroups};
}

const std::string &KernelModule::ptx() {
  if (!text.empty())
    return text;
  EXPECT_TRUE(succeeded(mlir::verify(*module)));
  PassManager passes(context.get());
  buildNvvmPipeline(passes, PipelineOptions());
  if (failed(passes.run(*module))) {
    ADD_FAILURE() << "the kernels cannot be lowered";
    return text;
  }
  llvm::Expected<std::string> generated = generatePtx(kernels, nvvm);
  if (!generated)
    ADD_FAILURE() << llvm::toString(generated.takeError());
  else
    text = std::move(*generated);
  return text;
}

emulator::Program *KernelModule::program() {
  if (translated || ptx().empty())
    return translated.get();
  auto program = emulator::Program::create(ptx());
  if (program)
    translated = std::move(*program);
  else
    ADD_FAILURE() << llvm::toString(program.takeError());
  return translated.get();
}

void *KernelArguments::place(const void *data, size_t bytes) {
  // Of its own, so that it begins where a device would let it begin.
  std::string name = "parameter " + std::to_string(parameters.size());
  void *copy = llvm::cantFail(memory.allocate(bytes, name));
  std::memcpy(copy, data, bytes);
  return copy;
}

void KernelArguments::add(const void *data, size_t bytes, void *back) {
  void *copy = place(data, bytes);
  if (back)
    outputs.push_back({copy, back, bytes});
  parameters.push_back(&pointers.emplace_back(copy));
}

KernelArguments &KernelArguments::matrix(const std::vector<uint16_t> &values,
                                         int64_t columns,
                                         const cuda::Box &box) {
  emulator::MatrixMap map;
  map.address = reinterpret_cast<uintptr_t>(
      place(values.data(), sizeof(uint16_t) * values.size()));
  map.columns = columns;
  map.rows = values.size() / columns;
  map.rowBytes = sizeof(uint16_t) * columns;
  map.boxRows = box.rows;
  map.boxColumns = box.columns;
  map.swizzle = emulator::Swizzle::Bytes128;
  maps.push_back(llvm::cantFail(emulator::encodeTensorMap(map)));
  parameters.push_back(&maps.back());
  return *this;
}

KernelArguments &KernelArguments::step(int32_t start, int32_t rows,
                                       int32_t spans) {
  return input(std::vector<int32_t>{start, rows, spans});
}

KernelArguments &KernelArguments::scalar(int32_t value) {
  scalars.push_back(value);
  parameters.push_back(&scalars.back());
  return *this;
}

llvm::Expected<emulator::Counters>
flow::runKernel(emulator::Program &program, const cuda::KernelLaunch &launch,
                int64_t rows, KernelArguments &arguments) {
  emulator::Launch emulated;
  emulated.kernel = launch.kernel;
  uint32_t *grid[] = {&emulated.grid.x, &emulated.grid.y, &emulated.grid.z};
  for (auto [blocks, size] : llvm::zip(grid, launch.grid))
    *blocks = static_cast<uint32_t>(
        size.per == 0 ? size.times
                      : llvm::divideCeil(rows * size.times, size.per));
  emulated.block.x = static_cast<uint32_t>(launch.threads);
  emulated.sharedBytes = static_cast<uint32_t>(launch.sharedBytes);
  emulated.parameters = arguments.parameters;
  auto counters = program.launch(emulated, arguments.memory);
  for (const KernelArguments::Copy &copy : arguments.outputs)
    std::memcpy(copy.host, copy.device, copy.bytes);
  return counters;
}

emulator::Counters flow::runKernel(KernelModule &module,
                                   const cuda::KernelLaunch &launch,
                                   int64_t rows, KernelArguments &arguments) {
  emulator::Program *program = module.program();
  if (!program)
    return {};
  llvm::Expected<emulator::Counters> counters =
      runKernel(*program, launch, rows, arguments);
  if (counters)
    return *counters;
  ADD_FAILURE() << llvm::toString(counters.takeError());
  return {};
}

std::vector<float> flow::someFloats(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  std::mt19937 engine(seed);
  for (float &value : values)
    value = static_cast<float>(engine() >> 8) * 0x1p-23F - 1;
  return values;
}

std::vector<uint16_t> flow::someBf16(size_t count, uint32_t seed) {
  std::vector<uint16_t> values(count);
  llvm::transform(someFloats(count, seed), values.begin(), floatToBf16);
  return values;
}

float flow::bf16ToFloat(uint16_t bits) {
  return llvm::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

uint16_t flow::floatToBf16(float value) { return ggml::f32ToBf16(value); }
