// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that read integer blocks, in the emulator against plain loops over
// what the file says, packed as for a device.

#include "../../Runtime/TestTensors.h"
#include "KernelModule.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace flow;
using namespace flow::cuda;
using flow::ggml::Type;

namespace {

/// A type of the file, and what its blocks are kept in.
struct BlockCase {
  Type type;
  WeightFormat format;
};

const BlockCase kCases[] = {
    {Type::Q8_0, {8}},
    {Type::Q5_0, {8}},
    {Type::IQ4_XS, {8, 32, true}},
    {Type::Q5_1, {8, 32, false, true}},
    {Type::Q5_K, {8, 32, true, true}},
    {Type::Q6_K, {8, 16, true}},
    {Type::Q2_K, {8, 16, true, true}},
    {Type::Q4_0, {4}},
    {Type::Q4_1, {4, 32, false, true}},
    {Type::Q4_K, {4, 32, true, true}},
};

std::string nameOf(const testing::TestParamInfo<BlockCase> &info) {
  return std::string(ggml::typeName(info.param.type));
}

/// A matrix of random blocks: as the device has it, and as numbers.
class BlockMatrix {
public:
  BlockMatrix(const BlockCase &blocks, int64_t rows, int64_t cols)
      : rows(rows), cols(cols), values(rows * cols), sizes(rows * cols) {
    runtime::TestTensors tensors;
    tensors.addRandom("t", blocks.type, rows, cols, 7);
    runtime::PackedWeight weight;
    weight.name = "w";
    weight.sources = {"t"};
    weight.packing = runtime::Packing::WeightBlocks;
    weight.rows = rows;
    weight.cols = cols;
    weight.block = blocks.format.block;
    weight.bits = blocks.format.bits;
    weight.scale = blocks.format.wideScales ? runtime::ScaleType::F32
                                            : runtime::ScaleType::F16;
    weight.hasMin = blocks.format.hasMin;
    weight.offset = weight.bits == 4 && !weight.hasMin ? 8 : 0;
    runtime::Plan plan;
    plan.weights = {weight};
    runtime::ThreadPool pool(1);
    Result<runtime::LoadedWeights> loaded =
        runtime::loadWeights(plan, tensors.source(), pool);
    if (!loaded) {
      ADD_FAILURE() << loaded.error();
      return;
    }
    const runtime::BlockSlice &part = loaded->weights[0].parts[0];
    packed.assign(part.data(), part.data() + part.size());

    ggml::IntegerForm form = *ggml::integerForm(blocks.type);
    std::vector<int8_t> quants(cols);
    std::vector<float> scales(cols / form.block), minima(cols / form.block);
    for (int64_t n = 0; n != rows; ++n) {
      ggml::unpackRow(blocks.type, tensors.view("t").row(n), quants.data(),
                      scales.data(), minima.data(), cols);
      for (int64_t k = 0; k != cols; ++k) {
        double scaled = static_cast<double>(scales[k / form.block]) * quants[k];
        double min = form.hasMin ? minima[k / form.block] : 0;
        values[n * cols + k] = scaled + min;
        sizes[n * cols + k] = std::abs(scaled) + std::abs(min);
      }
    }
  }

  int64_t rows, cols;
  std::vector<std::byte> packed;
  /// The exact values, and the sums of the sizes of their two parts.
  std::vector<double> values, sizes;
};

/// Rows of `matrix` times `rows` rows by one kernel.
emulator::Counters runProduct(KernelModule &module, const KernelLaunch &launch,
                              const BlockMatrix &matrix, int64_t rows,
                              bool hasStep) {
  std::vector<uint16_t> x =
      someBf16(static_cast<size_t>(rows * matrix.cols), 1);
  std::vector<float> result(static_cast<size_t>(rows * matrix.rows), NAN);
  KernelArguments arguments;
  arguments.input(x).input(matrix.packed).output(result);
  if (hasStep)
    arguments.step(0, static_cast<int32_t>(rows));
  emulator::Counters counters = runKernel(module, launch, rows, arguments);
  for (int64_t t = 0; t != rows; ++t)
    for (int64_t n = 0; n != matrix.rows; ++n) {
      double sum = 0, size = 0;
      for (int64_t k = 0; k != matrix.cols; ++k) {
        double factor = bf16ToFloat(x[t * matrix.cols + k]);
        sum += factor * matrix.values[n * matrix.cols + k];
        size += std::abs(factor) * matrix.sizes[n * matrix.cols + k];
      }
      // No term is rounded more often than there are terms, and 8 times more:
      // by scale and minimum, and by the sums of lanes.
      double bound = static_cast<double>(matrix.cols + 8) * kUnitF32 * size;
      EXPECT_NEAR(result[t * matrix.rows + n], sum, bound)
          << "row " << t << " column " << n;
      if (testing::Test::HasFailure())
        return counters;
    }
  return counters;
}

/// Depths that end within a step of a warp, and at its end.
std::vector<int64_t> depthsOf(Type type) {
  bool isLong = ggml::typeInfo(static_cast<uint32_t>(type))->blockElements > 32;
  return isLong ? std::vector<int64_t>{256, 1280, 2048}
                : std::vector<int64_t>{32, 96, 640, 1024, 1056};
}

class BlockKernels : public testing::TestWithParam<BlockCase> {};

} // namespace

TEST_P(BlockKernels, MultiplyOneRow) {
  for (int64_t depth : depthsOf(GetParam().type))
    for (int64_t columns : {8, 136}) {
      Product product{columns, depth, Epilogue::F32, 0, GetParam().format};
      KernelModule module;
      KernelLaunch launch =
          buildVectorProduct(module.builder(), module.target(), product);
      SCOPED_TRACE(launch.kernel);
      emulator::Counters counters = runProduct(
          module, launch, BlockMatrix(GetParam(), columns, depth), 1, false);
      EXPECT_EQ(counters.bankConflicts, 0U);
    }
}

TEST_P(BlockKernels, MultiplyRows) {
  for (int64_t depth : depthsOf(GetParam().type)) {
    constexpr int64_t columns = 136;
    Product product{columns, depth, Epilogue::F32, 0, GetParam().format};
    KernelModule module;
    KernelLaunch launch =
        buildRowsProduct(module.builder(), module.target(), product);
    SCOPED_TRACE(launch.kernel);
    BlockMatrix matrix(GetParam(), columns, depth);
    for (int64_t rows : {1, 17, 129}) {
      emulator::Counters counters =
          runProduct(module, launch, matrix, rows, true);
      EXPECT_EQ(counters.bankConflicts, 0U);
      // Weights need no ldmatrix. With minima, x is multiplied with ones too.
      EXPECT_EQ(counters.mma,
                (GetParam().format.hasMin ? 9 : 8) * counters.ldmatrix);
    }
  }
}

TEST_P(BlockKernels, EmbedRowsOfTokens) {
  int64_t width = depthsOf(GetParam().type)[1];
  BlockMatrix table(GetParam(), 5, width);
  std::vector<int32_t> tokens{4, 0, 4};
  std::vector<float> result(tokens.size() * width, NAN);
  KernelModule module;
  KernelLaunch launch = buildEmbed(module.builder(), module.target(), width,
                                   8.5, GetParam().format, table.rows);
  KernelArguments arguments;
  arguments.input(tokens).input(table.packed).output(result);
  runKernel(module, launch, 3, arguments);
  for (size_t t = 0; t != tokens.size(); ++t)
    for (int64_t i = 0; i != width; ++i) {
      // Three roundings: of scaled quant, sum and result.
      int64_t at = tokens[t] * width + i;
      ASSERT_NEAR(result[t * width + i], table.values[at] * 8.5,
                  3 * kUnitF32 * table.sizes[at] * 8.5)
          << "row " << t << " column " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Types, BlockKernels, testing::ValuesIn(kCases),
                         nameOf);

// Each byte of quants is read once, in whole sectors. What else there is are
// scales and x.
TEST(BlockTraffic, IsTheLeastOfVectorProducts) {
  for (BlockCase blocks :
       {BlockCase{Type::Q8_0, {8}}, BlockCase{Type::Q4_0, {4}}}) {
    constexpr int64_t columns = 64, depth = 2048;
    Product product{columns, depth, Epilogue::F32, 0, blocks.format};
    KernelModule module;
    KernelLaunch launch =
        buildVectorProduct(module.builder(), module.target(), product);
    SCOPED_TRACE(launch.kernel);
    BlockMatrix matrix(blocks, columns, depth);
    emulator::Counters counters = runProduct(module, launch, matrix, 1, false);
    uint64_t quantBytes = columns * depth * blocks.format.bits / 8;
    uint64_t chunks = quantBytes / 16;
    // Of each chunk a copy of a pair of scales, and the x of its weights.
    uint64_t xBytes = 2 * columns * depth;
    EXPECT_EQ(counters.globalBytesRead, quantBytes + 4 * chunks + xBytes);
    // A step of 32 chunks has a sector of scales for each 16 of them; x is read
    // by halves or quarters of its sectors, which L1 has.
    uint64_t scaleSectors = columns * depth / blocks.format.block * 2 / 32;
    uint64_t xSectors = 2 * xBytes / 32;
    EXPECT_EQ(counters.globalSectorsRead,
              quantBytes / 32 + scaleSectors + xSectors);
  }
}

// What a step of 512 bytes of quants costs, of PTX:
// docs/Rationale/GpuWeights.md says what that means for a device.
TEST(BlockTraffic, IsWorthItsInstructions) {
  for (auto [blocks, most] :
       {std::pair{BlockCase{Type::Q8_0, {8}}, 120U},
        std::pair{BlockCase{Type::Q4_0, {4}}, 230U},
        std::pair{BlockCase{Type::Q4_K, {4, 32, true, true}}, 260U}}) {
    constexpr int64_t columns = 64, depth = 4096;
    uint64_t instructions[2];
    for (int64_t twice : {0, 1}) {
      Product product{columns, depth << twice, Epilogue::F32, 0, blocks.format};
      KernelModule module;
      KernelLaunch launch =
          buildVectorProduct(module.builder(), module.target(), product);
      SCOPED_TRACE(launch.kernel);
      BlockMatrix matrix(blocks, columns, product.depth);
      instructions[twice] =
          runProduct(module, launch, matrix, 1, false).instructions;
    }
    // As many more as there are in the longer rows.
    uint64_t steps = columns * depth * blocks.format.bits / 8 / 512;
    uint64_t each = (instructions[1] - instructions[0]) / steps;
    RecordProperty(std::string(ggml::typeName(blocks.type)),
                   std::to_string(each));
    EXPECT_LE(each, most) << ggml::typeName(blocks.type);
  }
}

TEST(BlockProducts, GateAndCap) {
  // The epilogues are those of dense products, whose tests compare them; here,
  // that rows of gates and ups are the right ones.
  BlockCase blocks{Type::Q8_0, {8}};
  constexpr int64_t columns = 64, depth = 96;
  BlockMatrix matrix(blocks, columns, depth);
  std::vector<uint16_t> x = someBf16(depth, 1);
  for (bool rowsOfStep : {false, true}) {
    Product product{columns, depth, Epilogue::Gated, 0, blocks.format};
    KernelModule module;
    KernelLaunch launch =
        rowsOfStep
            ? buildRowsProduct(module.builder(), module.target(), product)
            : buildVectorProduct(module.builder(), module.target(), product);
    SCOPED_TRACE(launch.kernel);
    std::vector<uint16_t> result(columns / 2, 0x7fc0);
    KernelArguments arguments;
    arguments.input(x).input(matrix.packed).output(result);
    if (rowsOfStep)
      arguments.step(0, 1);
    runKernel(module, launch, 1, arguments);
    for (int64_t n = 0; n != columns / 2; ++n) {
      double gate = 0, up = 0;
      int64_t row = n / 16 * 32 + n % 16;
      for (int64_t k = 0; k != depth; ++k) {
        gate += bf16ToFloat(x[k]) * matrix.values[row * depth + k];
        up += bf16ToFloat(x[k]) * matrix.values[(row + 16) * depth + k];
      }
      double exact = gate / 2 *
                     (1 + std::tanh(std::sqrt(2 / M_PI) *
                                    (gate + 0.044715 * gate * gate * gate))) *
                     up;
      // A rounding to bf16; sums in f32 are far below another.
      EXPECT_NEAR(bf16ToFloat(result[n]), exact,
                  2 * kUnitBf16 * (std::abs(exact) + 0x1p-8 * std::abs(up)))
          << n;
    }
  }
}
