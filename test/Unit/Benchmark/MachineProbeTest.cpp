// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The loops that measure a machine do the work that they are credited with.

#include "flow/Benchmark/MachineProbe.h"

#include "PeakKernels.h"
#include "flow/Compiler/LoadedCode.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <gtest/gtest.h>

#include <new>
#include <tuple>

using namespace flow;

namespace {

/// How often `needle` stands in the assembly of the kernels for `cpu`.
size_t countInAssembly(llvm::StringRef cpu, llvm::StringRef needle) {
  mlir::MLIRContext context;
  CpuTarget target = llvm::cantFail(resolveCpuTarget(cpu));
  PeakKernels kernels = buildPeakKernels(context, target);
  EXPECT_TRUE(succeeded(mlir::verify(*kernels.module)));
  std::string text =
      llvm::cantFail(generateCode(*kernels.module, target, CodeKind::Assembly));
  return llvm::StringRef(text).count(needle);
}

/// Memory as the kernels want it.
template <typename T> struct AlignedAllocator {
  using value_type = T;
  AlignedAllocator() = default;
  template <typename U> AlignedAllocator(const AlignedAllocator<U> &) {}
  T *allocate(size_t count) {
    return static_cast<T *>(
        ::operator new(count * sizeof(T), std::align_val_t(64)));
  }
  void deallocate(T *data, size_t) {
    ::operator delete(data, std::align_val_t(64));
  }
  bool operator==(const AlignedAllocator &) const { return true; }
  bool operator!=(const AlignedAllocator &) const { return false; }
};
template <typename T> using AlignedVector = std::vector<T, AlignedAllocator<T>>;

/// The kernels for this machine.
struct CompiledKernels {
  CompiledKernels() {
    mlir::MLIRContext context;
    PeakKernels kernels = buildPeakKernels(context, target);
    step = kernels.readStep;
    code = llvm::cantFail(LoadedCode::load({llvm::cantFail(
        generateCode(*kernels.module, target, CodeKind::Object))}));
  }

  void run(llvm::StringRef name, int64_t number, void *data, void *results) {
    void *arguments[] = {nullptr, &number, data, results};
    reinterpret_cast<void (*)(void **)>(code->lookupEntry(name))(arguments);
  }

  CpuTarget target = llvm::cantFail(resolveCpuTarget("native"));
  int64_t step = 0;
  std::unique_ptr<LoadedCode> code;
};

} // namespace

// Chains that start alike must not become one. LLVM may unroll the loop.
TEST(MachineProbeTest, ChainsAreNotMerged) {
  for (auto [cpu, instruction, chains] :
       {std::tuple<const char *, const char *, size_t>{"znver4", "vpdpbusd",
                                                       16},
        {"znver4", "vdpbf16ps", 16},
        {"znver4", "vfmadd", 16},
        {"x86-64-v3", "vfmadd", 12},
        {"neoverse-v2", "usdot", 16},
        {"neoverse-v2", "bfmlalt", 16},
        {"neoverse-v2", "fmla", 16},
        {"neoverse-n1", "sdot", 16}}) {
    size_t count = countInAssembly(cpu, instruction);
    EXPECT_GE(count, chains) << cpu << ' ' << instruction;
    EXPECT_EQ(count % chains, 0u) << cpu << ' ' << instruction;
  }
}

// Without a fused instruction a round multiplies and adds.
TEST(MachineProbeTest, PlainProductsStayInTheLoop) {
  EXPECT_EQ(countInAssembly("x86-64", "mulps"), 12u);
  EXPECT_EQ(countInAssembly("x86-64", "addps"), 12u);
}

// Each round is run: a chain that begins at its number and adds one each time
// ends at the sum.
TEST(MachineProbeTest, RunsEveryRound) {
  CompiledKernels kernels;
  const auto chains = static_cast<size_t>(
      kernels.target.avx512 || kernels.target.neon ? 16 : 12);
  const size_t lanes = (kernels.target.avx512 ? 64
                        : kernels.target.avx2 ? 32
                                              : 16) /
                       4;
  AlignedVector<float> data((chains + 2) * lanes), results(chains * lanes);
  for (size_t i = 0; i != data.size(); ++i)
    data[i] = i < chains * lanes ? static_cast<float>(i) : 1.0f;
  kernels.run("peak_f32", 1000, data.data(), results.data());
  for (size_t i = 0; i != results.size(); ++i)
    EXPECT_EQ(results[i], 1000.0f + static_cast<float>(i));
}

// The accumulators hold every word of the data, the first ones twice since they
// begin there.
TEST(MachineProbeTest, ReadsEveryByte) {
  CompiledKernels kernels;
  const auto step = static_cast<size_t>(kernels.step) / 4;
  AlignedVector<uint32_t> data(7 * step), results(step), expected(step);
  for (size_t i = 0; i != data.size(); ++i) {
    data[i] = static_cast<uint32_t>(i * 2654435761u);
    expected[i % step] ^= data[i];
  }
  for (size_t i = 0; i != step; ++i)
    expected[i] ^= data[i];
  kernels.run("read", static_cast<int64_t>(4 * data.size()), data.data(),
              results.data());
  EXPECT_EQ(results, expected);
}

TEST(MachineProbeTest, CreditsWhatInstructionsDo) {
  mlir::MLIRContext context;
  auto kernels = [&](llvm::StringRef cpu) {
    return buildPeakKernels(context, llvm::cantFail(resolveCpuTarget(cpu)));
  };
  PeakKernels zen = kernels("znver4");
  EXPECT_EQ(zen.f32, 16 * 2 * 16);
  EXPECT_EQ(zen.bf16, 16 * 2 * 32);
  EXPECT_EQ(zen.int8, 16 * 2 * 64);
  EXPECT_EQ(zen.readStep, 256);
  PeakKernels tiles = kernels("sapphirerapids");
  EXPECT_EQ(tiles.bf16, 4 * 2 * 16 * 16 * 32);
  EXPECT_EQ(tiles.int8, 4 * 2 * 16 * 16 * 64);
  EXPECT_EQ(kernels("alderlake").int8, 12 * 2 * 32);
  PeakKernels older = kernels("x86-64-v3");
  EXPECT_EQ(older.f32, 12 * 2 * 8);
  EXPECT_EQ(older.bf16, 0);
  EXPECT_EQ(older.int8, 0);
  EXPECT_EQ(older.readStep, 128);
  PeakKernels neoverse = kernels("neoverse-v2");
  EXPECT_EQ(neoverse.f32, 16 * 2 * 4);
  EXPECT_EQ(neoverse.bf16, 16 * 2 * 8);
  EXPECT_EQ(neoverse.int8, 16 * 2 * 16);
  EXPECT_EQ(neoverse.readStep, 64);
}

TEST(MachineProbeTest, MeasuresWhatTheMachineHas) {
  CpuTarget here = llvm::cantFail(resolveCpuTarget("native"));
  auto probe = llvm::cantFail(MachineProbe::create(2));
  MachineSpeed speed = probe->measure();
  EXPECT_GT(speed.f32, 0);
  EXPECT_GT(speed.readBytes, 0);
  EXPECT_EQ(speed.bf16 > 0, here.bf16 || here.amx);
  EXPECT_EQ(speed.int8 > 0,
            here.vnni || here.vnni256 || here.amx || here.dotprod);
}
