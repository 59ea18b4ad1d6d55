// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Steps with rows of several sequences, bit for bit as code for one sequence,
// which other tests compare with the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

using Sequences = StageTest;
INSTANTIATE_TEST_SUITE_P(Cpus, Sequences, testing::ValuesIn(kFloatTargets),
                         targetName);

constexpr int64_t kSlots = 5, kCapacity = 64, kHeads = 4, kKvHeads = 2,
                  kDim = 64, kRows = 84, kDepth = 64;

/// Sequences of one row, of less than a tile, of tiles and a bit, and of whole
/// tiles; at the beginning, within a panel, across the end of the ring and far
/// behind it. A tile in between is no sequence's, nor is a slot.
const SequenceTable kTable = {
    {3, 0, 1, 0}, {0, 12, 5, 31}, {4, 24, 25, 50}, {1, 72, 12, 1023}};

/// `tensor` `[T, ...]` with a large number in each row of no sequence.
Tensor withGaps(Tensor tensor) {
  int64_t length = tensor.values.size() / tensor.shape[0];
  std::vector<bool> isUsed(tensor.shape[0]);
  for (const std::array<int32_t, 4> &row : kTable)
    std::fill_n(isUsed.begin() + row[1], row[2], true);
  for (int64_t t = 0; t != tensor.shape[0]; ++t)
    if (!isUsed[t])
      std::fill_n(tensor.values.begin() + t * length, length, 1e30f);
  return tensor;
}

/// Entries `[first, first + count)` of the leading dimension.
Tensor entries(const Tensor &tensor, int64_t first, int64_t count) {
  llvm::SmallVector<int64_t, 4> shape = tensor.shape;
  int64_t length = tensor.values.size() / shape[0];
  shape[0] = count;
  auto begin = tensor.values.begin() + first * length;
  return {shape, std::vector<float>(begin, begin + count * length)};
}

Tensor slotOf(const Tensor &slots, int64_t slot) {
  Tensor one = entries(slots, slot, 1);
  one.shape.erase(one.shape.begin());
  return one;
}

/// The rows of a sequence with the padding of its last tile.
int64_t paddedRows(const std::array<int32_t, 4> &row) {
  return (row[2] + 11) / 12 * 12;
}

/// Row `t` of `tensor` with 11 others behind it, which are padding.
Tensor rowWithPadding(const Tensor &tensor, int64_t t) {
  Tensor row = entries(tensor, t, 1);
  row.values.resize(12 * row.values.size(), 1e30f);
  row.shape[0] = 12;
  return row;
}

/// `count` sequences of one row each, row `t` for sequence `t`, in slots of
/// `count + 1` in another order: at the beginning, around the end of panels and
/// rings, and far behind it.
SequenceTable singleRows(int32_t count) {
  const int32_t positions[] = {0, 31, 1023, 63, 64, 65, 7, 128, 500, 1, 33};
  SequenceTable table;
  for (int32_t t = 0; t != count; ++t)
    table.push_back({(7 * t + 1) % (count + 1), t, 1, positions[t]});
  return table;
}

/// Whose rows a step holds.
enum class Place { One, Batch, SingleRows };

std::string text(Place place, std::string body) {
  bool isBatch = place != Place::One;
  return substitute(
      std::move(body),
      {{"$WHERE", place == Place::One     ? "at %start"
                  : place == Place::Batch ? "sequences %s"
                                          : "sequences %s single_rows"},
       {"$COUNT", isBatch ? "" : "count %count"},
       {"$TOTAL", isBatch ? "" : "total %count"},
       {"$ARGS",
        isBatch ? "%s: tensor<?x4xi32>" : "%start: index, %count: index"},
       {"$C", isBatch ? "tensor<?x?x2x64xf32>" : "tensor<?x2x64xf32>"}});
}

const char *const kMasks[] = {
    "mask <causal> blocks <first = zero, size = 32> scale 0.125",
    "mask <causal, window = 16> blocks <first = window, size = 32> scale "
    "0.125 softcap 3.0"};

std::string attention(const char *mask) {
  return std::string(R"(
func.func @f(%q: tensor<?x4x64xf32>, %kc: $C, %vc: $C, $ARGS) -> tensor<?x4x64xf32> {
  %o = flow.attention %q $WHERE, %kc, %vc $TOTAL )") +
         mask + R"( : tensor<?x4x64xf32>, $C
  return %o : tensor<?x4x64xf32>
})";
}

const char *const kQkv = R"(
func.func @f(%x: tensor<?x64xf32>, %w: tensor<512x64xf32, #flow.panels<f32>>, %n: tensor<64xf32>, %a: tensor<?x32x2xf32>, %kc: $C, %vc: $C, $ARGS) -> (tensor<?x4x64xf32>, $C, $C) {
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %n, %n v_norm rope %a into %kc, %vc $WHERE $COUNT : tensor<?x64xf32>, tensor<512x64xf32, #flow.panels<f32>>, tensor<64xf32>, tensor<?x32x2xf32>, $C -> tensor<?x4x64xf32>
  return %q, %k1, %v1 : tensor<?x4x64xf32>, $C, $C
})";

} // namespace

TEST_P(Sequences, AppendEachToItsSlot) {
  CompiledFunction function(text(Place::Batch, R"(
func.func @f(%k: tensor<?x2x64xf32>, %v: tensor<?x2x64xf32>, %kc: $C, %vc: $C, $ARGS) -> ($C, $C) {
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc $WHERE $COUNT : tensor<?x2x64xf32>, $C
  return %k1, %v1 : $C, $C
})"),
                            GetParam());
  auto rows = [&](uint32_t seed) {
    return plainArgument(withGaps(randomTensor({kRows, kKvHeads, kDim}, seed)));
  };
  Tensor keys = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 3);
  Tensor values = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 4);
  CallResults r =
      function.call({rows(1), rows(2), keyCacheArgument(keys),
                     valueCacheArgument(values), sequencesArgument(kTable)});
  ASSERT_EQ(r.computed.size(), 2u);
  for (int i : {0, 1}) {
    EXPECT_TRUE(sameValues(r.computed[i], r.expected[i], kSlots));
    const Tensor &before = i == 0 ? keys : values;
    EXPECT_TRUE(
        sameValues(slotOf(r.computed[i], 2), slotOf(before, 2), kCapacity));
    for (float value : r.computed[i].values)
      ASSERT_LT(std::abs(value), 2); // no padding
  }
}

TEST_P(Sequences, NoneAtAll) {
  CompiledFunction function(text(Place::Batch, R"(
func.func @f(%k: tensor<?x2x64xf32>, %kc: $C, %vc: $C, $ARGS) -> ($C, $C) {
  %k1, %v1 = flow.kv_append %k, %k into %kc, %vc $WHERE $COUNT : tensor<?x2x64xf32>, $C
  return %k1, %v1 : $C, $C
})"),
                            GetParam());
  Tensor cache = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 3);
  CallResults r =
      function.call({plainArgument(randomTensor({12, kKvHeads, kDim}, 1)),
                     keyCacheArgument(cache), valueCacheArgument(cache),
                     sequencesArgument({})});
  ASSERT_EQ(r.computed.size(), 2u);
  EXPECT_TRUE(sameValues(r.computed[0], cache, kSlots));
  EXPECT_TRUE(sameValues(r.computed[1], cache, kSlots));
}

TEST_P(Sequences, AttendAsEachAlone) {
  for (const char *mask : kMasks) {
    std::string body = attention(mask);
    CompiledFunction batch(text(Place::Batch, body), GetParam());
    CompiledFunction single(text(Place::One, body), GetParam());
    Tensor query = withGaps(randomTensor({kRows, kHeads, kDim}, 5));
    Tensor keys = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 6);
    Tensor values = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 7);
    std::vector<Tensor> all =
        batch.run({plainArgument(query), keyCacheArgument(keys),
                   valueCacheArgument(values), sequencesArgument(kTable)},
                  {query.shape});
    ASSERT_EQ(all.size(), 1u);
    for (const std::array<int32_t, 4> &row : kTable) {
      SCOPED_TRACE(row[0]);
      Tensor own = entries(query, row[1], paddedRows(row));
      std::vector<Tensor> alone = single.run(
          {plainArgument(own), keyCacheArgument(slotOf(keys, row[0])),
           valueCacheArgument(slotOf(values, row[0])), indexArgument(row[3]),
           indexArgument(row[3] + row[2])},
          {own.shape});
      ASSERT_EQ(alone.size(), 1u);
      EXPECT_TRUE(
          sameValues(entries(all[0], row[1], row[2]), alone[0], row[2]));
    }
  }
}

TEST_P(Sequences, QkvAsEachAlone) {
  CompiledFunction batch(text(Place::Batch, kQkv), GetParam());
  CompiledFunction single(text(Place::One, kQkv), GetParam());
  Tensor x = withGaps(randomTensor({kRows, kDepth}, 8));
  Tensor angles = randomTensor({kRows, kDim / 2, 2}, 9);
  CodeArgument weight = f32PanelsArgument(randomTensor({512, kDepth}, 10));
  CodeArgument norm = plainArgument(randomTensor({kDim}, 11));
  Tensor keys = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 12);
  Tensor values = randomTensor({kSlots, kCapacity, kKvHeads, kDim}, 13);
  llvm::SmallVector<int64_t, 4> queryShape{kRows, kHeads, kDim};
  std::vector<Tensor> all =
      batch.run({plainArgument(x), weight, norm, plainArgument(angles),
                 keyCacheArgument(keys), valueCacheArgument(values),
                 sequencesArgument(kTable)},
                {queryShape, keys.shape, values.shape});
  ASSERT_EQ(all.size(), 3u);
  for (const std::array<int32_t, 4> &row : kTable) {
    SCOPED_TRACE(row[0]);
    Tensor key = slotOf(keys, row[0]), value = slotOf(values, row[0]);
    queryShape[0] = paddedRows(row);
    std::vector<Tensor> alone =
        single.run({plainArgument(entries(x, row[1], queryShape[0])), weight,
                    norm, plainArgument(entries(angles, row[1], queryShape[0])),
                    keyCacheArgument(key), valueCacheArgument(value),
                    indexArgument(row[3]), indexArgument(row[2])},
                   {queryShape, key.shape, value.shape});
    ASSERT_EQ(alone.size(), 3u);
    EXPECT_TRUE(sameValues(entries(all[0], row[1], row[2]), alone[0], row[2]));
    EXPECT_TRUE(sameValues(slotOf(all[1], row[0]), alone[1], kCapacity));
    EXPECT_TRUE(sameValues(slotOf(all[2], row[0]), alone[2], kCapacity));
  }
}

TEST_P(Sequences, SingleRowsAttendAsEachAlone) {
  for (const char *mask : kMasks) {
    CompiledFunction batch(text(Place::SingleRows, attention(mask)), GetParam(),
                           "batch_decode");
    CompiledFunction single(text(Place::One, attention(mask)), GetParam());
    for (int32_t count : {1, 2, 11}) {
      Tensor query = randomTensor({count, kHeads, kDim}, 15);
      Tensor keys = randomTensor({count + 1, kCapacity, kKvHeads, kDim}, 16);
      Tensor values = randomTensor({count + 1, kCapacity, kKvHeads, kDim}, 17);
      SequenceTable table = singleRows(count);
      std::vector<Tensor> all =
          batch.run({plainArgument(query), keyCacheArgument(keys),
                     valueCacheArgument(values), sequencesArgument(table)},
                    {query.shape});
      ASSERT_EQ(all.size(), 1u);
      for (const std::array<int32_t, 4> &row : table) {
        SCOPED_TRACE(row[1]);
        Tensor own = rowWithPadding(query, row[1]);
        std::vector<Tensor> alone = single.run(
            {plainArgument(own), keyCacheArgument(slotOf(keys, row[0])),
             valueCacheArgument(slotOf(values, row[0])), indexArgument(row[3]),
             indexArgument(row[3] + 1)},
            {own.shape});
        ASSERT_EQ(alone.size(), 1u);
        EXPECT_TRUE(sameValues(entries(all[0], row[1], 1), alone[0], 1));
      }
    }
  }
}

TEST_P(Sequences, SingleRowsOfQkvAsEachAlone) {
  CompiledFunction batch(text(Place::SingleRows, kQkv), GetParam(),
                         "batch_decode");
  CompiledFunction single(text(Place::One, kQkv), GetParam());
  CodeArgument weight = f32PanelsArgument(randomTensor({512, kDepth}, 20));
  CodeArgument norm = plainArgument(randomTensor({kDim}, 21));
  for (int32_t count : {1, 4, 11}) {
    Tensor x = randomTensor({count, kDepth}, 18);
    Tensor angles = randomTensor({count, kDim / 2, 2}, 19);
    Tensor keys = randomTensor({count + 1, kCapacity, kKvHeads, kDim}, 22);
    Tensor values = randomTensor({count + 1, kCapacity, kKvHeads, kDim}, 23);
    SequenceTable table = singleRows(count);
    llvm::SmallVector<int64_t, 4> queryShape{count, kHeads, kDim};
    std::vector<Tensor> all =
        batch.run({plainArgument(x), weight, norm, plainArgument(angles),
                   keyCacheArgument(keys), valueCacheArgument(values),
                   sequencesArgument(table)},
                  {queryShape, keys.shape, values.shape});
    ASSERT_EQ(all.size(), 3u);
    queryShape[0] = 12;
    std::vector<bool> isWritten(count + 1);
    for (const std::array<int32_t, 4> &row : table) {
      SCOPED_TRACE(row[1]);
      isWritten[row[0]] = true;
      Tensor key = slotOf(keys, row[0]), value = slotOf(values, row[0]);
      std::vector<Tensor> alone = single.run(
          {plainArgument(rowWithPadding(x, row[1])), weight, norm,
           plainArgument(rowWithPadding(angles, row[1])), keyCacheArgument(key),
           valueCacheArgument(value), indexArgument(row[3]), indexArgument(1)},
          {queryShape, key.shape, value.shape});
      ASSERT_EQ(alone.size(), 3u);
      EXPECT_TRUE(sameValues(entries(all[0], row[1], 1), alone[0], 1));
      EXPECT_TRUE(sameValues(slotOf(all[1], row[0]), alone[1], kCapacity));
      EXPECT_TRUE(sameValues(slotOf(all[2], row[0]), alone[2], kCapacity));
    }
    // The slot of no sequence is as it was.
    for (int64_t slot = 0; slot <= count; ++slot)
      if (!isWritten[slot])
        EXPECT_TRUE(
            sameValues(slotOf(all[1], slot), slotOf(keys, slot), kCapacity));
  }
}
