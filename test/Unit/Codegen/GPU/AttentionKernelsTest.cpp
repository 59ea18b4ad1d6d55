// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention in the emulator against plain loops: windows, rings, spans, groups
// of heads, edges of tiles.

#include "KernelModule.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace flow;
using namespace flow::cuda;

namespace {

/// A step behind others, in a ring that holds garbage where no key is.
struct Step {
  int32_t start, rows, capacity;
  /// Begin and end of each span.
  std::vector<int32_t> spans = {};
};

/// The operands of one step, and what plain loops make of them.
class AttentionRun {
public:
  AttentionRun(const Attention &shape, const Step &step)
      : shape(shape), step(step),
        query(someBf16(step.rows * shape.heads * shape.headDim, 21)),
        keys(cacheSize(), kGarbage), values(cacheSize(), kGarbage) {
    int64_t width = shape.kvHeads * shape.headDim;
    std::vector<uint16_t> allKeys =
                              someBf16((step.start + step.rows) * width, 22),
                          allValues = someBf16(allKeys.size(), 23);
    for (int64_t p = 0; p != step.start + step.rows; ++p) {
      std::copy_n(&allKeys[p * width], width, &keys[p % step.capacity * width]);
      std::copy_n(&allValues[p * width], width,
                  &values[p % step.capacity * width]);
    }
  }

  /// By either strategy, which the launch's boxes tell.
  emulator::Counters runRows(KernelModule &module, const KernelLaunch &launch) {
    SCOPED_TRACE(launch.kernel + " from " + std::to_string(step.start) +
                 ", rows " + std::to_string(step.rows));
    result.assign(query.size(), kGarbage);
    KernelArguments arguments;
    if (launch.boxes.empty()) {
      arguments.input(query).input(keys).input(values);
    } else {
      int64_t columns = shape.kvHeads * shape.headDim;
      arguments.matrix(keys, columns, launch.boxes[0]);
      arguments.matrix(values, columns, launch.boxes[1]).input(query);
    }
    if (shape.spans != Attention::Spans::None)
      arguments.input(step.spans);
    arguments.output(result);
    arguments
        .step(step.start, step.rows,
              static_cast<int32_t>(step.spans.size()) / 2)
        .scalar(step.capacity);
    emulator::Counters counters =
        runKernel(module, launch, step.rows, arguments);
    for (int64_t t = 0; t != step.rows; ++t)
      check(t, t);
    EXPECT_EQ(counters.bankConflicts, 0U);
    return counters;
  }

  /// The step's last row alone.
  void runSplit(KernelModule &module, const SplitAttention &split) {
    SCOPED_TRACE(split.launch.kernel + " from " + std::to_string(step.start));
    int64_t width = shape.heads * shape.headDim;
    std::vector<uint16_t> last(query.end() - width, query.end());
    std::vector<float> workspace(split.workspaceFloats, NAN);
    result.assign(width, kGarbage);
    KernelArguments arguments;
    arguments.input(last).input(keys).input(values).output(workspace);
    arguments.output(result).step(step.start, step.rows).scalar(step.capacity);
    emulator::Counters counters = runKernel(module, split.launch, 1, arguments);
    EXPECT_EQ(counters.bankConflicts, 0U);
    check(step.rows - 1, 0);
  }

  /// The step's only row, whose heads the kernel makes; they must be those that
  /// a kernel for them makes, as attention's result then is of them.
  void runDecode(KernelModule &module, const KernelLaunch &heads,
                 const HeadRows &rows, const SplitAttention &split) {
    SCOPED_TRACE(split.launch.kernel + " from " + std::to_string(step.start));
    std::vector<float> product = someFloats(rows.columns(), 24),
                       queryWeight = someFloats(rows.headDim, 25),
                       keyWeight = someFloats(rows.headDim, 26),
                       angles = someFloats(rows.headDim, 27);
    auto addHeads = [&](KernelArguments &arguments) {
      arguments.input(product);
      if (rows.hasNorms)
        arguments.input(queryWeight);
      if (rows.hasNorms && rows.kvHeads != 0)
        arguments.input(keyWeight);
      arguments.input(angles);
    };
    std::vector<uint16_t> otherKeys = keys, otherValues = values;
    KernelArguments apart;
    addHeads(apart);
    if (rows.kvHeads == 0)
      apart.output(query);
    else
      apart.output(keys)
          .output(values)
          .output(query)
          .step(step.start, 1)
          .scalar(step.capacity);
    runKernel(module, heads, 1, apart);
    std::vector<float> workspace(split.workspaceFloats, NAN);
    result.assign(query.size(), kGarbage);
    KernelArguments fused;
    addHeads(fused);
    fused.output(otherKeys).output(otherValues).output(workspace);
    fused.output(result).step(step.start, 1).scalar(step.capacity);
    runKernel(module, split.launch, 1, fused);
    EXPECT_EQ(keys, otherKeys);
    EXPECT_EQ(values, otherValues);
    check(0, 0);
  }

private:
  /// A NaN: a kernel that looks where no key is gives one, too.
  static constexpr uint16_t kGarbage = 0x7fc1;

  size_t cacheSize() const {
    return static_cast<size_t>(step.capacity * shape.kvHeads * shape.headDim);
  }

  /// Whether row `t` sees the key of `p`, as `#flow.mask` says of those that
  /// the ring holds.
  bool isVisible(int64_t t, int64_t p) const {
    int64_t q = step.start + t;
    bool near = shape.window == 0 || q - p < shape.window, together = false;
    for (size_t i = 0; i < step.spans.size(); i += 2)
      together |=
          step.spans[i] <= std::min(p, q) && std::max(p, q) < step.spans[i + 1];
    if (p < step.start + step.rows - step.capacity)
      return false;
    return shape.spans == Attention::Spans::Windowed
               ? (p <= q || together) && near
               : (p <= q && near) || together;
  }

  /// Compares row `t`, at `place` of the result, with a softmax in doubles.
  void check(int64_t t, int64_t place) {
    int64_t d = shape.headDim, group = shape.heads / shape.kvHeads;
    std::vector<int64_t> visible;
    for (int64_t p = 0; p != step.start + step.rows; ++p)
      if (isVisible(t, p))
        visible.push_back(p);
    for (int64_t h = 0; h != shape.heads; ++h) {
      auto row = [&](const std::vector<uint16_t> &cache, int64_t p) {
        return &cache[(p % step.capacity * shape.kvHeads + h / group) * d];
      };
      std::vector<double> scores;
      double largest = -INFINITY, sum = 0, most = 0, dotSize = 0;
      for (int64_t p : visible) {
        double dot = 0, size = 0;
        for (int64_t i = 0; i != d; ++i) {
          double term = static_cast<double>(
                            bf16ToFloat(query[(t * shape.heads + h) * d + i])) *
                        bf16ToFloat(row(keys, p)[i]);
          dot += term;
          size += std::abs(term);
        }
        dot *= shape.scale;
        if (shape.softcap)
          dot = *shape.softcap * std::tanh(dot / *shape.softcap);
        scores.push_back(dot);
        largest = std::max(largest, dot);
        dotSize = std::max(dotSize, size * shape.scale);
      }
      for (double &score : scores)
        sum += score = std::exp(score - largest);
      for (int64_t i = 0; i != d; ++i) {
        double exact = 0;
        for (auto [p, score] : llvm::zip(visible, scores)) {
          double value = bf16ToFloat(row(values, p)[i]);
          exact += score / sum * value;
          most = std::max(most, std::abs(value));
        }
        // Scores in f32, with softcap's tanh; probabilities that are rounded
        // to bf16; the result, which is too.
        double score = static_cast<double>(d + 4) * kUnitF32 * dotSize +
                       (shape.softcap ? *shape.softcap * 0x1p-20 : 0);
        double bound =
            most * (2 * score + kUnitBf16 +
                    (static_cast<double>(scores.size()) + 16) * kUnitF32) +
            kUnitBf16 * std::abs(exact);
        ASSERT_NEAR(bf16ToFloat(result[(place * shape.heads + h) * d + i]),
                    exact, bound)
            << "row " << t << " head " << h << " number " << i;
      }
    }
  }

  Attention shape;
  Step step;
  std::vector<uint16_t> query, keys, values, result;
};

Attention shapeOf(int64_t heads, int64_t kvHeads, int64_t headDim,
                  int64_t window = 0, std::optional<double> softcap = {}) {
  return {heads,  kvHeads, headDim,
          window, softcap, 1 / std::sqrt(static_cast<double>(headDim))};
}

/// Attention of many rows by mma.sync, and by wgmma.
enum class Strategy { Mma, Warpgroups };

class RowsAttention : public testing::TestWithParam<Strategy> {
protected:
  /// Runs steps of many rows; returns what the last one did.
  static emulator::Counters runRows(const Attention &shape,
                                    llvm::ArrayRef<Step> steps) {
    bool byWarpgroups = GetParam() == Strategy::Warpgroups;
    KernelModule module(byWarpgroups ? "sm_90a" : "sm_80");
    KernelLaunch launch =
        byWarpgroups
            ? buildWarpgroupAttention(module.builder(), module.target(), shape)
            : buildRowsAttention(module.builder(), module.target(), shape);
    emulator::Counters counters;
    for (const Step &step : steps)
      counters = AttentionRun(shape, step).runRows(module, launch);
    EXPECT_EQ(counters.wgmma != 0, byWarpgroups);
    return counters;
  }
};

/// Runs the last rows of steps.
void runSplit(const Attention &shape, llvm::ArrayRef<Step> steps) {
  KernelModule module;
  SplitAttention split =
      buildSplitAttention(module.builder(), module.target(), shape);
  for (const Step &step : steps)
    AttentionRun(shape, step).runSplit(module, split);
}

/// Runs steps of one row whose heads the kernel makes; or whose queries alone,
/// as of layers that read another's cache.
void runDecode(const Attention &shape, HeadRows rows,
               llvm::ArrayRef<Step> steps, bool isQueriesAlone = false) {
  rows.heads = shape.heads;
  rows.kvHeads = isQueriesAlone ? 0 : shape.kvHeads;
  rows.headDim = shape.headDim;
  rows.eps = 1e-6;
  KernelModule module;
  KernelLaunch heads = buildHeadRows(module.builder(), module.target(), rows);
  SplitAttention split =
      buildDecodeAttention(module.builder(), module.target(), shape, rows);
  for (const Step &step : steps)
    AttentionRun(shape, step).runDecode(module, heads, rows, split);
}

} // namespace

TEST_P(RowsAttention, HeadsOfEverySize) {
  for (int64_t headDim : {64, 128, 256, 512})
    if (headDim <= 256 || GetParam() == Strategy::Mma)
      runRows(shapeOf(4, 2, headDim), {{0, 21, 64}, {100, 17, 128}});
}

TEST_P(RowsAttention, RowsAtTheEdgesOfTiles) {
  runRows(shapeOf(2, 1, 64), {{3, 1, 128},
                              {3, 15, 128},
                              {3, 16, 128},
                              {3, 17, 128},
                              {3, 63, 128},
                              {3, 64, 128},
                              {3, 65, 128}});
}

TEST_P(RowsAttention, Windows) {
  for (int64_t window : {1, 2, 63, 64, 65, 100})
    runRows(shapeOf(2, 1, 64, window), {{0, 70, 192}, {70, 40, 192}});
}

TEST_P(RowsAttention, KeysBehindTheEndOfTheRing) {
  runRows(shapeOf(2, 1, 64, 100), {{150, 40, 192}, {500, 33, 192}});
  runRows(shapeOf(4, 1, 256, 64), {{1000, 17, 128}});
}

// So many heads that a CTA takes more rows than of the few above.
TEST_P(RowsAttention, ManyHeads) {
  for (int64_t headDim : {64, 128}) {
    runRows(shapeOf(16, 4, headDim), {{0, 9, 64}, {230, 40, 320}});
    runRows(shapeOf(16, 8, headDim, 100, 20), {{500, 70, 192}});
  }
}

TEST_P(RowsAttention, Softcaps) {
  runRows(shapeOf(2, 1, 64, 0, 0.5), {{0, 40, 64}});
}

TEST_P(RowsAttention, GroupsThatAreNoPowersOfTwo) {
  runRows(shapeOf(6, 2, 64), {{10, 45, 128}});
}

// Tiles of keys that no row sees are never read.
TEST_P(RowsAttention, SkipsWhatNoRowSees) {
  auto read = [&](int64_t window) {
    return runRows(shapeOf(4, 1, 64, window), {{1024, 64, 1152}})
        .globalBytesRead;
  };
  // A window of 64 takes 3 tiles where all keys are 17.
  EXPECT_LT(5 * read(64), read(0));
}

// Tiles are 64 keys by 64 rows, which are 32 tokens of two heads.
TEST_P(RowsAttention, Spans) {
  for (auto spans : {Attention::Spans::Windowed, Attention::Spans::Free})
    for (int64_t window : {20, 64}) {
      Attention shape = shapeOf(2, 1, 64, window);
      shape.spans = spans;
      runRows(shape,
              {// None, and none of these rows.
               {0, 70, 256},
               {100, 40, 256, {0, 100, 140, 200}},
               // In a tile of keys, across one, across tiles of rows.
               {0, 70, 256, {3, 20}},
               {30, 70, 256, {50, 80}},
               {0, 100, 256, {10, 95}},
               // Of one position, and from the first row to the last.
               {5, 40, 256, {17, 18}},
               {64, 64, 256, {64, 128}},
               // Begun earlier, ending later, holding all: only what is there.
               {100, 40, 256, {30, 120}},
               {100, 40, 256, {110, 5000}},
               {100, 40, 256, {0, 5000}},
               // Several, next to each other and not.
               {20, 130, 256, {10, 25, 25, 30, 60, 130, 140, 150}}});
    }
}

TEST_P(RowsAttention, SpansAtTheEdgeOfTheWindow) {
  // A row in the span sees just its begin, one key less and one key more.
  for (auto spans : {Attention::Spans::Windowed, Attention::Spans::Free})
    for (int32_t begin : {76, 77, 78}) {
      Attention shape = shapeOf(2, 1, 64, 64);
      shape.spans = spans;
      runRows(shape, {{0, 141, 192, {begin, 141}}});
    }
}

TEST_P(RowsAttention, SpansWithoutWindow) {
  Attention shape = shapeOf(4, 2, 128, 0, 0.5);
  shape.spans = Attention::Spans::Free;
  runRows(shape, {{0, 40, 64}, {30, 50, 128, {0, 35, 40, 75}}});
}

TEST_P(RowsAttention, SpansOfEverySize) {
  for (int64_t headDim : {256, 512}) {
    if (headDim > 256 && GetParam() == Strategy::Warpgroups)
      continue;
    Attention shape = shapeOf(4, 2, headDim, 40);
    shape.spans = Attention::Spans::Windowed;
    runRows(shape, {{100, 50, 192, {90, 104, 110, 149}}});
    shape.spans = Attention::Spans::Free;
    runRows(shape, {{100, 50, 192, {20, 104, 110, 149}}});
  }
}

// Of a span that the ring has no room for, what is in the ring is seen.
TEST_P(RowsAttention, SpansBehindTheEndOfTheRing) {
  Attention shape = shapeOf(2, 1, 64, 64);
  shape.spans = Attention::Spans::Windowed;
  runRows(shape, {{500, 40, 128, {510, 530}}, {500, 40, 128, {300, 600}}});
  shape.spans = Attention::Spans::Free;
  runRows(shape, {{500, 40, 128, {300, 520}}, {500, 40, 192, {400, 600}}});
}

INSTANTIATE_TEST_SUITE_P(Strategies, RowsAttention,
                         testing::Values(Strategy::Mma, Strategy::Warpgroups),
                         [](const auto &info) {
                           return info.param == Strategy::Mma ? "mma" : "wgmma";
                         });

TEST(AttentionKernels, OneRowBetweenBlocks) {
  for (int64_t headDim : {64, 256, 512})
    runSplit(
        shapeOf(4, 1, headDim),
        {{0, 1, 320}, {62, 1, 320}, {63, 1, 320}, {64, 1, 320}, {300, 1, 320}});
  for (int64_t window : {1, 64, 100})
    runSplit(shapeOf(4, 2, 64, window), {{0, 1, 192}, {500, 1, 192}});
  // The last of several rows.
  runSplit(shapeOf(4, 1, 64, 0, 0.5), {{10, 7, 64}});
}

TEST(AttentionKernels, OneRowThatMakesItsHeads) {
  HeadRows plain, normed, all;
  normed.hasNorms = true;
  all.hasNorms = all.hasValueNorm = all.keysAreValues = true;
  for (int64_t headDim : {64, 128, 256, 512})
    runDecode(shapeOf(4, 1, headDim), normed,
              {{0, 1, 320}, {63, 1, 320}, {64, 1, 320}, {300, 1, 320}});
  runDecode(shapeOf(16, 1, 64), plain, {{5, 1, 64}, {200, 1, 256}});
  runDecode(shapeOf(6, 2, 64, 0, 0.5), all, {{130, 1, 192}});
  for (int64_t headDim : {64, 512})
    for (const HeadRows &rows : {plain, normed})
      runDecode(shapeOf(8, 2, headDim), rows, {{0, 1, 320}, {300, 1, 320}},
                /*isQueriesAlone=*/true);
  // A window of a ring that the new key has gone round, in the row of a key
  // that is no longer seen.
  for (int64_t window : {1, 64, 100})
    runDecode(shapeOf(4, 2, 64, window), normed,
              {{0, 1, 192}, {191, 1, 192}, {192, 1, 192}, {500, 1, 192}});
}
