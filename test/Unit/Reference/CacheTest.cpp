// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What a step writes into caches, and what is kept between calls.

#include "TestModule.h"

using namespace flow;

namespace {

const char *kModel = R"(
flow.model @m <hidden = 64, vocab = 8, positions = 64> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 2
  flow.kv_cache @kv1 kv_heads 1 head_dim 2 ring 4
}
)";

std::string append(const std::string &body = "") {
  return std::string(kModel) + R"(
func.func @f(%k: tensor<?x1x2xf32>, %v: tensor<?x1x2xf32>, %start: index, %count: index) -> (tensor<?x1x2xf32>, tensor<?x1x2xf32>) {
  %kc, %vc = flow.cache_ref @m::@kv0 : tensor<?x1x2xf32>
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x2xf32>, tensor<?x1x2xf32>
)" + body +
         R"(
  return %k1, %v1 : tensor<?x1x2xf32>, tensor<?x1x2xf32>
})";
}

/// Rows that tell their own number: (n, -n), from `first` on.
TensorRef numbered(int64_t rows, float first) {
  Tensor tensor({rows, 1, 2});
  for (int64_t t = 0; t < rows; ++t) {
    tensor.values[2 * t] = first + t;
    tensor.values[2 * t + 1] = -(first + t);
  }
  return share(std::move(tensor));
}

/// The numbers of the rows.
std::vector<float> numbers(const Tensor &tensor) {
  std::vector<float> first;
  for (size_t i = 0; i < tensor.values.size(); i += 2)
    first.push_back(tensor.values[i]);
  return first;
}

mlir::SymbolRefAttr symbol(TestModule &module, llvm::StringRef cache) {
  mlir::MLIRContext *context = module.module->getContext();
  return mlir::SymbolRefAttr::get(
      context, "m", {mlir::FlatSymbolRefAttr::get(context, cache)});
}

} // namespace

TEST(Cache, AppendWritesAtThePositionAndKeepsTheRest) {
  TestModule module(append(), 4);
  std::vector<Tensor> caches =
      module.tensors({numbered(2, 10), numbered(2, 20), 1, 2});
  ASSERT_EQ(caches.size(), 2u);
  EXPECT_EQ(numbers(caches[0]), (std::vector<float>{0, 10, 11, 0}));
  EXPECT_EQ(numbers(caches[1]), (std::vector<float>{0, 20, 21, 0}));
  EXPECT_EQ(caches[0].values[3], -10);
}

TEST(Cache, PaddingIsNotWritten) {
  TestModule module(append(), 4);
  std::vector<Tensor> caches =
      module.tensors({numbered(3, 10), numbered(3, 20), 0, 1});
  EXPECT_EQ(numbers(caches[0]), (std::vector<float>{10, 0, 0, 0}));
  EXPECT_EQ(numbers(caches[1]), (std::vector<float>{20, 0, 0, 0}));
}

// T18
TEST(Cache, RowsWrapAround) {
  TestModule module(append(), 4);
  std::vector<Tensor> caches =
      module.tensors({numbered(6, 10), numbered(6, 20), 7, 6});
  // Positions 7 to 12; the last four of them stay.
  EXPECT_EQ(numbers(caches[0]), (std::vector<float>{15, 12, 13, 14}));
}

TEST(Cache, StaysBetweenCallsOfOneSequence) {
  TestModule module(append(), 4);
  module.call({numbered(2, 10), numbered(2, 20), 0, 2});
  std::vector<Tensor> caches =
      module.tensors({numbered(1, 12), numbered(1, 22), 2, 1});
  EXPECT_EQ(numbers(caches[0]), (std::vector<float>{10, 11, 12, 0}));
  EXPECT_EQ(numbers(*module.caches.lookup(symbol(module, "kv0")).value),
            (std::vector<float>{20, 21, 22, 0}));

  CacheState other(2);
  llvm::Expected<std::vector<InterpretedValue>> results =
      module.interpreter->call("f", {numbered(1, 30), numbered(1, 40), 0, 1},
                               other);
  ASSERT_TRUE(bool(results));
  EXPECT_EQ(numbers(*std::get<TensorRef>((*results)[0])),
            (std::vector<float>{30, 0}));
}

TEST(Cache, OnlyWrittenCachesAreStored) {
  TestModule module(append(), 4);
  module.call({numbered(1, 10), numbered(1, 20), 0, 1});
  EXPECT_TRUE(module.caches.lookup(symbol(module, "kv0")).key);
  EXPECT_FALSE(module.caches.lookup(symbol(module, "kv1")).key);
}

TEST(Cache, FailedCallStoresNothing) {
  TestModule module(append("  %bad = math.sin %k1 : tensor<?x1x2xf32>"), 4);
  module.error({numbered(1, 10), numbered(1, 20), 0, 1});
  EXPECT_FALSE(module.caches.lookup(symbol(module, "kv0")).key);
}

TEST(Cache, LastOfTwoAppendsIsStored) {
  TestModule module(std::string(kModel) + R"(
func.func @f(%k: tensor<?x1x2xf32>, %start: index, %count: index) {
  %kc, %vc = flow.cache_ref @m::@kv0 : tensor<?x1x2xf32>
  %k1, %v1 = flow.kv_append %k, %k into %kc, %vc at %start count %count : tensor<?x1x2xf32>, tensor<?x1x2xf32>
  %next = arith.addi %start, %count : index
  %k2, %v2 = flow.kv_append %k, %k into %k1, %v1 at %next count %count : tensor<?x1x2xf32>, tensor<?x1x2xf32>
  return
})",
                    4);
  module.call({numbered(1, 10), 1, 1});
  EXPECT_EQ(numbers(*module.caches.lookup(symbol(module, "kv0")).key),
            (std::vector<float>{0, 10, 10, 0}));
}

TEST(Cache, GoesThroughCalledFunctions) {
  TestModule module(std::string(kModel) + R"(
func.func private @layer(%k: tensor<?x1x2xf32>, %kc: tensor<?x1x2xf32>, %vc: tensor<?x1x2xf32>, %start: index, %count: index) -> (tensor<?x1x2xf32>, tensor<?x1x2xf32>) {
  %k1, %v1 = flow.kv_append %k, %k into %kc, %vc at %start count %count : tensor<?x1x2xf32>, tensor<?x1x2xf32>
  return %k1, %v1 : tensor<?x1x2xf32>, tensor<?x1x2xf32>
}
func.func @f(%a: tensor<?x1x2xf32>, %b: tensor<?x1x2xf32>, %start: index, %count: index) {
  %kc, %vc = flow.cache_ref @m::@kv0 : tensor<?x1x2xf32>
  %k1:2 = call @layer(%a, %kc, %vc, %start, %count) : (tensor<?x1x2xf32>, tensor<?x1x2xf32>, tensor<?x1x2xf32>, index, index) -> (tensor<?x1x2xf32>, tensor<?x1x2xf32>)
  %kd, %vd = flow.cache_ref @m::@kv1 : tensor<?x1x2xf32>
  %k2:2 = call @layer(%b, %kd, %vd, %start, %count) : (tensor<?x1x2xf32>, tensor<?x1x2xf32>, tensor<?x1x2xf32>, index, index) -> (tensor<?x1x2xf32>, tensor<?x1x2xf32>)
  return
})",
                    2);
  module.call({numbered(1, 10), numbered(1, 20), 1, 1});
  EXPECT_EQ(numbers(*module.caches.lookup(symbol(module, "kv0")).key),
            (std::vector<float>{0, 10}));
  EXPECT_EQ(numbers(*module.caches.lookup(symbol(module, "kv1")).key),
            (std::vector<float>{0, 20}));
}

// T17, T18
TEST(Cache, ChunksThroughARingEqualOneStep) {
  // A ring of window - 1 + chunk rows is all that a windowed layer needs.
  std::string text = std::string(kModel) + R"(
func.func @f(%q: tensor<?x1x2xf32>, %k: tensor<?x1x2xf32>, %v: tensor<?x1x2xf32>, %start: index, %count: index) -> tensor<?x1x2xf32> {
  %total = arith.addi %start, %count : index
  %kc, %vc = flow.cache_ref @m::@kv1 : tensor<?x1x2xf32>
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x2xf32>, tensor<?x1x2xf32>
  %o = flow.attention %q at %start, %k1, %v1 total %total mask <causal, window = 4> scale 1.0 : tensor<?x1x2xf32>, tensor<?x1x2xf32>
  return %o : tensor<?x1x2xf32>
})";
  constexpr int64_t kRows = 20, kChunk = 3;
  Tensor q = randomTensor({kRows, 1, 2}, 41),
         k = randomTensor({kRows, 1, 2}, 42),
         v = randomTensor({kRows, 1, 2}, 43);
  Tensor whole =
      TestModule(text, kRows).run({share(q), share(k), share(v), 0, kRows});

  auto run = [&](int64_t capacity) {
    TestModule module(text, capacity);
    std::vector<float> pieces;
    for (int64_t first = 0; first < kRows; first += kChunk) {
      int64_t rows = std::min(kChunk, kRows - first);
      auto take = [&](const Tensor &tensor) {
        auto begin = tensor.values.begin() + first * 2;
        return share(
            Tensor({rows, 1, 2}, std::vector<float>(begin, begin + rows * 2)));
      };
      Tensor piece = module.run({take(q), take(k), take(v), first, rows});
      pieces.insert(pieces.end(), piece.values.begin(), piece.values.end());
    }
    return pieces;
  };
  EXPECT_EQ(run(4 - 1 + kChunk), whole.values);
  // The control: with one row less the first query of a chunk loses a key.
  EXPECT_NE(run(4 - 2 + kChunk), whole.values);
}

TEST(Cache, BadStepsAreRefused) {
  TestModule module(append(), 4);
  EXPECT_THAT(module.error({numbered(1, 1), numbered(1, 1), -1, 1}),
              testing::HasSubstr("'flow.kv_append' expects start from 0"));
  EXPECT_THAT(module.error({numbered(1, 1), numbered(1, 1), 0, 2}),
              testing::HasSubstr("expects count from 0 to 1, got 2"));
  EXPECT_THAT(
      module.error({numbered(1, 1), numbered(2, 1), 0, 1}),
      testing::HasSubstr("key and value of one shape, got [1, 1, 2] and "
                         "[2, 1, 2]"));
  TestModule empty(append(), 0);
  EXPECT_THAT(empty.error({numbered(1, 1), numbered(1, 1), 0, 1}),
              testing::HasSubstr("a capacity from 1 to 16777216, got 0"));
}
