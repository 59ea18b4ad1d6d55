// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// How much of what attention computes and reads is for keys that a query sees.

#include "KernelModule.h"
#include "gtest/gtest.h"

using namespace flow;
using namespace flow::cuda;

namespace {

/// A kernel in an emulator that counts, and leaves races to other tests.
class CountedAttention {
public:
  explicit CountedAttention(const Attention &attention)
      : attention(attention),
        launch(
            buildRowsAttention(module.builder(), module.target(), attention)) {
    emulator::ProgramOptions options;
    options.checks = false;
    program = llvm::cantFail(emulator::Program::create(module.ptx(), options));
  }

  /// What it does in a step of queries and keys of zeros.
  emulator::Counters run(int32_t start, int32_t rows, int32_t capacity) {
    int64_t width = attention.headDim;
    std::vector<uint16_t> query(rows * attention.heads * width),
        cache(capacity * attention.kvHeads * width), result(query.size());
    KernelArguments arguments;
    arguments.input(query).input(cache).input(cache).output(result);
    arguments.step(start, rows).scalar(capacity);
    return llvm::cantFail(runKernel(*program, launch, rows, arguments));
  }

private:
  Attention attention;
  KernelModule module;
  KernelLaunch launch;
  std::unique_ptr<emulator::Program> program;
};

/// Two products, of a multiplication and an addition a number each, for each
/// key that each query sees.
double usefulOperations(const Attention &attention, int64_t start,
                        int64_t rows) {
  double keys = 0;
  for (int64_t p = start; p != start + rows; ++p)
    keys += static_cast<double>(
        attention.window == 0 ? p + 1 : std::min(p + 1, attention.window));
  return 4 * keys * static_cast<double>(attention.heads * attention.headDim);
}

/// Of heads of 256.
constexpr int64_t kKeysOfTile = 32;

/// Tiles of keys that some row of some CTA sees. A CTA has 64 rows, of the
/// heads that share keys, or of so many positions.
int64_t tilesSeen(const Attention &attention, int64_t start, int64_t rows) {
  int64_t group = attention.heads / attention.kvHeads, tiles = 0;
  int64_t positions = 64 / group;
  for (int64_t first = 0; first < rows; first += positions) {
    int64_t last = std::min(first + positions, rows) - 1;
    int64_t begin =
        attention.window == 0
            ? 0
            : std::max<int64_t>(0, start + first - attention.window + 1);
    tiles += (start + last) / kKeysOfTile - begin / kKeysOfTile + 1;
  }
  return attention.kvHeads * tiles;
}

} // namespace

// 4,096 tokens, heads of 256: tiles on the diagonal are half of them empty, and
// no others are computed.
TEST(UsefulWork, OfCausalAttention) {
  for (int64_t heads : {1, 4}) {
    Attention attention{heads, 1, 256, 0, {}, 0.0625};
    int32_t rows = heads == 1 ? 4096 : 1024;
    emulator::Counters counters =
        CountedAttention(attention).run(0, rows, rows);
    auto issued = static_cast<double>(counters.tensorOperations);
    double useful = usefulOperations(attention, 0, rows);
    EXPECT_GE(useful, 0.75 * issued) << heads;
    EXPECT_LE(useful, issued);
  }
}

// Behind a long text, a window costs the tiles in which some row sees a key,
// and no other is read.
TEST(UsefulWork, OfAWindow) {
  for (int64_t heads : {1, 4}) {
    Attention attention{heads, 1, 256, 512, {}, 0.0625};
    CountedAttention counted(attention);
    for (auto [start, rows] :
         {std::pair<int32_t, int32_t>{0, 600}, {4096, 64}, {4100, 130}}) {
      SCOPED_TRACE(std::to_string(heads) + " heads, " + std::to_string(rows) +
                   " rows behind " + std::to_string(start));
      // Each key has a place of its own.
      emulator::Counters counters = counted.run(start, rows, 4608);
      EXPECT_EQ(static_cast<int64_t>(counters.tensorOperations),
                tilesSeen(attention, start, rows) * 4 * 64 * kKeysOfTile * 256);
      // Keys, of the first tile on, values and queries of bf16, and a sector of
      // the step's table.
      int64_t begin = std::max(0, start - 511) / kKeysOfTile * kKeysOfTile;
      int64_t keys = start + rows - begin;
      EXPECT_EQ(static_cast<int64_t>(32 * counters.distinctSectorsRead),
                2 * 256 * (2 * keys + heads * rows) + 32);
    }
  }
}
