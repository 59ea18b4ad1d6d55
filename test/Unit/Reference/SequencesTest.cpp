// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of several sequences in one step, interpreted.

#include "TestModule.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::HasSubstr;

namespace {

TokenTensorRef table(std::vector<int32_t> values) {
  int64_t count = static_cast<int64_t>(values.size()) / 4;
  return std::make_shared<const TokenTensor>(llvm::ArrayRef<int64_t>{count, 4},
                                             std::move(values));
}

/// Sequences of 3 rows and of 1 in 6 rows, in slots 2 and 0 of 3.
TokenTensorRef twoSequences() { return table({2, 1, 3, 7, 0, 5, 1, 0}); }

const char *kAngles = R"(
flow.model @m <hidden = 64, vocab = 8, positions = 64> {
  flow.rope_table @local theta 1.0e+04 head_dim 4
}
func.func @f(%s: tensor<?x4xi32>, %rows: index) -> tensor<?x2x2xf32> {
  %a = flow.rope_angles @m::@local sequences %s rows %rows : tensor<?x2x2xf32>
  return %a : tensor<?x2x2xf32>
})";

const char *kAppend = R"(
func.func @f(%k: tensor<?x1x2xf32>, %kc: tensor<?x?x1x2xf32>, %s: tensor<?x4xi32>) -> tensor<?x?x1x2xf32> {
  %k1, %v1 = flow.kv_append %k, %k into %kc, %kc sequences %s : tensor<?x1x2xf32>, tensor<?x?x1x2xf32>
  return %k1 : tensor<?x?x1x2xf32>
})";

const char *kReferences = R"(
flow.model @m <hidden = 64, vocab = 8, positions = 64> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 2
}
func.func @f(%k: tensor<?x1x2xf32>, %s: tensor<?x4xi32>) -> tensor<?x?x1x2xf32> {
  %kc, %vc = flow.cache_ref @m::@kv0 : tensor<?x?x1x2xf32>
  %k1, %v1 = flow.kv_append %k, %k into %kc, %vc sequences %s : tensor<?x1x2xf32>, tensor<?x?x1x2xf32>
  return %k1 : tensor<?x?x1x2xf32>
})";

std::string attention(const std::string &place, const std::string &keys,
                      const std::string &total) {
  return "func.func @f(%q: tensor<?x2x4xf32>, %k: " + keys + ", %v: " + keys +
         ", %s: tensor<?x4xi32>, %start: index, %total: index) -> "
         "tensor<?x2x4xf32> {\n"
         "  %o = flow.attention %q " +
         place + ", %k, %v " + total +
         " mask <causal, window = 3> scale 0.5 : tensor<?x2x4xf32>, " + keys +
         "\n  return %o : tensor<?x2x4xf32>\n}";
}

Tensor entries(const Tensor &tensor, int64_t first, int64_t count) {
  llvm::SmallVector<int64_t, 4> shape = tensor.shape;
  int64_t length = static_cast<int64_t>(tensor.values.size()) / shape[0];
  shape[0] = count;
  auto begin = tensor.values.begin() + first * length;
  return {shape, std::vector<float>(begin, begin + count * length)};
}

/// Rows `(n, n)` with `n` from 10 on.
Tensor numbered(int64_t rows) {
  Tensor tensor({rows, 1, 2});
  for (int64_t t = 0; t < rows; ++t)
    tensor.values[2 * t] = tensor.values[2 * t + 1] =
        static_cast<float>(10 + t);
  return tensor;
}

} // namespace

TEST(Sequences, AnglesAreThoseOfTheirPositions) {
  Tensor angles = TestModule(kAngles).run({twoSequences(), 6});
  ASSERT_EQ(angles.values.size(), 24u);
  const int64_t positions[] = {0, 7, 8, 9, 0, 0};
  for (int64_t t = 0; t != 6; ++t) {
    EXPECT_EQ(angles.values[4 * t], std::cos(float(positions[t]))) << t;
    EXPECT_EQ(angles.values[4 * t + 1], std::sin(float(positions[t]))) << t;
  }
}

TEST(Sequences, AppendWritesEachToItsSlot) {
  Tensor cache({3, 4, 1, 2});
  Tensor written = TestModule(kAppend).run(
      {share(numbered(6)), share(cache), twoSequences()});
  // Position 7 has row 3 of 4, and 8 and 9 come round.
  const float expected[] = {15, 0, 0, 0, 0, 0, 0, 0, 12, 13, 0, 11};
  ASSERT_EQ(written.values.size(), 24u);
  for (size_t row = 0; row != 12; ++row)
    EXPECT_EQ(written.values[2 * row], expected[row]) << row;
}

TEST(Sequences, CachesAreKeptBetweenSteps) {
  TestModule module(kReferences, 4);
  module.caches = CacheState(4, 3);
  module.run({share(numbered(6)), twoSequences()});
  Tensor later = module.run({share(numbered(2)), table({0, 0, 2, 1})});
  EXPECT_EQ(later.values[0], 15); // of the first step
  EXPECT_EQ(later.values[2], 10);
  EXPECT_EQ(later.values[4], 11);
  EXPECT_EQ(later.values[2 * 8], 12); // another slot
}

TEST(Sequences, CachesOfOneSequenceHaveNoSlots) {
  TestModule module(kReferences, 4);
  EXPECT_THAT(module.error({share(numbered(6)), twoSequences()}),
              HasSubstr("'flow.cache_ref' expects caches with slots, got those "
                        "of one sequence"));
}

TEST(Sequences, AttendAsEachAlone) {
  Tensor query = randomTensor({6, 2, 4}, 1);
  Tensor keys = randomTensor({3, 4, 1, 4}, 2);
  Tensor values = randomTensor({3, 4, 1, 4}, 3);
  TestModule batch(attention("sequences %s", "tensor<?x?x1x4xf32>", ""));
  TestModule single(
      attention("at %start", "tensor<?x1x4xf32>", "total %total"));
  Tensor all = batch.run(
      {share(query), share(keys), share(values), twoSequences(), 0, 0});
  ASSERT_EQ(all.values.size(), query.values.size());
  struct {
    int64_t slot, first, count, start;
  } sequences[] = {{2, 1, 3, 7}, {0, 5, 1, 0}};
  for (auto &s : sequences) {
    Tensor ownKeys = entries(keys, s.slot, 1),
           ownValues = entries(values, s.slot, 1);
    ownKeys.shape.erase(ownKeys.shape.begin());
    ownValues.shape.erase(ownValues.shape.begin());
    Tensor alone =
        single.run({share(entries(query, s.first, s.count)), share(ownKeys),
                    share(ownValues), table({}), s.start, s.start + s.count});
    EXPECT_EQ(entries(all, s.first, s.count).values, alone.values) << s.slot;
  }
}

TEST(Sequences, BadTablesAreRefused) {
  struct {
    std::vector<int32_t> table;
    const char *error;
  } cases[] = {
      {{3, 0, 1, 0}, "sequence 0 is in slot 3 of 3"},
      {{-1, 0, 1, 0}, "sequence 0 is in slot -1 of 3"},
      {{0, -1, 2, 0}, "sequence 0 has 2 rows from row -1 on, in a step of 6"},
      {{0, 5, 2, 0}, "sequence 0 has 2 rows from row 5 on, in a step of 6"},
      {{0, 5, 0, 0}, "sequence 0 has 0 rows from row 5 on, in a step of 6"},
      {{0, 0, 1, -1}, "sequence 0 begins at position -1, expected 0 to"},
      {{0, 0, 1, 1 << 25}, "sequence 0 begins at position 33554432, expected"},
      {{0, 0, 3, 0, 1, 2, 2, 0}, "sequence 1 has row 2 of another"},
      {{0, 0, 3, 0, 0, 3, 1, 3}, "sequence 1 is in slot 0 of another"},
  };
  for (auto &c : cases) {
    TestModule module(kAppend);
    EXPECT_THAT(module.error({share(numbered(6)), share(Tensor({3, 4, 1, 2})),
                              table(c.table)}),
                HasSubstr(std::string("expects other sequences: ") + c.error));
  }
}

TEST(Sequences, SingleRowsAreOneOfEach) {
  std::string append = kAppend;
  append.replace(append.find("sequences %s"), 12, "sequences %s single_rows");
  auto arguments = [](std::vector<int32_t> rows) {
    return std::vector<InterpretedValue>{share(numbered(2)),
                                         share(Tensor({3, 4, 1, 2})),
                                         table(std::move(rows))};
  };
  Tensor written = TestModule(append).run(arguments({2, 0, 1, 5, 0, 1, 1, 0}));
  EXPECT_EQ(written.values[2 * 9], 10); // slot 2, row 5 mod 4
  EXPECT_EQ(written.values[0], 11);
  struct {
    std::vector<int32_t> table;
    const char *error;
  } cases[] = {
      {{2, 0, 1, 5}, "there are 1 for 2 rows, of which each is to have one"},
      {{2, 1, 1, 5, 0, 0, 1, 0},
       "sequence 0 has 1 rows from row 1 on, expected row 0 alone"},
      {{2, 0, 2, 5, 0, 1, 1, 0},
       "sequence 0 has 2 rows from row 0 on, expected row 0 alone"},
  };
  for (auto &c : cases)
    EXPECT_THAT(TestModule(append).error(arguments(c.table)),
                HasSubstr(std::string("expects other sequences: ") + c.error));
}
