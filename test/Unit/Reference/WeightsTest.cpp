// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where weights come from, what is made of them, and when they are read.

#include "TestModule.h"

#include <cstring>

using namespace flow;

namespace {

const char *kModel = R"(
flow.model @m <hidden = 32, vocab = 4, positions = 64> {
  flow.weight @embedding : tensor<4x32xf32> storage q8_0 from "token_embd.weight"
  flow.weight @final_norm : tensor<32xf32> unit_offset
  flow.weight @a : tensor<32x32xf32>
  flow.weight @b : tensor<32x32xf32>
  flow.weight @c : tensor<3x32xf32>
  flow.derived_weight @joined : tensor<67x32xf32> = concat [@a, @c, @b]
  flow.derived_weight @mixed : tensor<64x32xf32> = interleave [@a, @b]
}
)";

/// A module whose @f returns the weight.
std::string returning(const std::string &weight, const std::string &type) {
  return std::string(kModel) + "func.func @f() -> " + type +
         " {\n  %w = flow.weight_ref @m::@" + weight + " : " + type +
         "\n  return %w : " + type + "\n}";
}

/// Every row of `shape` filled with its number, from `first` on.
std::vector<float> numbered(int64_t rows, float first) {
  std::vector<float> values;
  for (int64_t row = 0; row < rows; ++row)
    values.insert(values.end(), 32, first + row);
  return values;
}

/// The number of each row.
std::vector<float> rowNumbers(const Tensor &tensor) {
  std::vector<float> numbers;
  for (size_t at = 0; at < tensor.values.size(); at += 32)
    numbers.push_back(tensor.values[at]);
  return numbers;
}

const char *kTwice = R"(
func.func @f(%t: tensor<?xi32>) -> (tensor<?x32xf32>, tensor<?x4xf32>) {
  %w = flow.weight_ref @m::@embedding : tensor<4x32xf32>
  %x = flow.embed %t, %w scale 2.0 : tensor<?xi32>, tensor<4x32xf32> -> tensor<?x32xf32>
  %p = flow.weight_ref @m::@embedding : tensor<4x32xf32>
  %l = flow.lm_head %x, %p : tensor<?x32xf32>, tensor<4x32xf32> -> tensor<?x4xf32>
  return %x, %l : tensor<?x32xf32>, tensor<?x4xf32>
})";

/// Four rows of Q8_0: a scale of 0.5 and the quants n, -n, n, -n …
std::vector<std::byte> encodedRows() {
  std::vector<std::byte> bytes;
  uint16_t scale = ggml::f32ToF16(0.5f);
  for (int row = 0; row < 4; ++row) {
    bytes.push_back(std::byte(scale & 255));
    bytes.push_back(std::byte(scale >> 8));
    for (int i = 0; i < 32; ++i)
      bytes.push_back(std::byte(uint8_t(i % 2 ? -row : row)));
  }
  return bytes;
}

/// The error of loading @embedding from `tensor`.
std::string loadError(std::optional<EncodedTensor> tensor) {
  TestModule module(returning("embedding", "tensor<4x32xf32>"));
  EncodedWeights weights([&](llvm::StringRef) { return tensor; });
  Interpreter interpreter(*module.module, weights);
  llvm::Expected<std::vector<InterpretedValue>> results =
      interpreter.call("f", {}, module.caches);
  return results ? "" : llvm::toString(results.takeError());
}

} // namespace

// T10
TEST(Weights, UnitOffsetAddsOne) {
  TestModule module(returning("final_norm", "tensor<32xf32>"));
  module.weights.values["final_norm"] = std::vector<float>(32, -0.25f);
  EXPECT_EQ(module.run({}).values, std::vector<float>(32, 0.75f));
}

// T20
TEST(Weights, ConcatPutsRowsOneAfterTheOther) {
  TestModule module(returning("joined", "tensor<67x32xf32>"));
  module.weights.values = {
      {"a", numbered(32, 0)}, {"b", numbered(32, 100)}, {"c", numbered(3, 50)}};
  std::vector<float> rows = rowNumbers(module.run({}));
  ASSERT_EQ(rows.size(), 67u);
  EXPECT_EQ(rows[31], 31);
  EXPECT_EQ(rows[32], 50);
  EXPECT_EQ(rows[34], 52);
  EXPECT_EQ(rows[35], 100);
  EXPECT_EQ(rows[66], 131);
}

// T20
TEST(Weights, InterleaveTakesSixteenRowsInTurn) {
  TestModule module(returning("mixed", "tensor<64x32xf32>"));
  module.weights.values = {{"a", numbered(32, 0)}, {"b", numbered(32, 100)}};
  std::vector<float> rows = rowNumbers(module.run({}));
  ASSERT_EQ(rows.size(), 64u);
  EXPECT_EQ(rows[15], 15);
  EXPECT_EQ(rows[16], 100);
  EXPECT_EQ(rows[31], 115);
  EXPECT_EQ(rows[32], 16);
  EXPECT_EQ(rows[63], 131);
}

TEST(Weights, PanelsChangeNoValue) {
  TestModule module(
      returning("a", "tensor<32x32xf32, #flow.panels<i8, block = 32>>"));
  module.weights.values["a"] = numbered(32, 0.125f);
  EXPECT_EQ(module.run({}).values, numbered(32, 0.125f));
}

TEST(Weights, ProductsReadThemAsBf16PanelsHoldThem) {
  TestModule module(R"(
func.func @f(%x: tensor<1x32xf32>, %w: tensor<32x32xf32, #flow.panels<bf16>>) -> tensor<1x32xf32> {
  %h = flow.quantize_rows %x : tensor<1x32xf32> -> tensor<1x32xf32, #flow.bf16_rows>
  %y = flow.linear %h, %w : tensor<1x32xf32, #flow.bf16_rows>, tensor<32x32xf32, #flow.panels<bf16>> -> tensor<1x32xf32>
  return %y : tensor<1x32xf32>
})");
  // Ties: 1 + 2^-8 is rounded down to 1, 1 + 3 * 2^-8 up to 1 + 2^-6.
  Tensor x({1, 32}), w({32, 32});
  x.values[0] = 1 + 0x1p-8f;
  x.values[1] = 0x1p-20f;
  w.values[0] = 1 + 3 * 0x1p-8f;
  w.values[32 + 1] = -(1 + 0x1p-8f + 0x1p-20f);
  Tensor y = module.run({share(x), share(w)});
  EXPECT_EQ(y.values[0], 1 + 0x1p-6f);
  EXPECT_EQ(y.values[1], -0x1p-20f * (1 + 0x1p-7f));
  EXPECT_EQ(y.values[2], 0);
}

TEST(Weights, AreReadWhenUsedAndOnce) {
  TestModule module(std::string(kModel) + R"(
func.func @f(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  %w = flow.weight_ref @m::@a : tensor<32x32xf32>
  %unused = flow.weight_ref @m::@b : tensor<32x32xf32>
  %y = flow.linear %x, %w : tensor<?x32xf32>, tensor<32x32xf32> -> tensor<?x32xf32>
  return %y : tensor<?x32xf32>
})");
  module.weights.values["a"] = numbered(32, 0);
  TensorRef x = share(randomTensor({1, 32}, 1));
  Tensor once = module.run({x}), twice = module.run({x});
  EXPECT_EQ(once.values, twice.values);
  EXPECT_EQ(module.weights.rowsLoaded, (std::map<std::string, int>{{"a", 32}}));
}

TEST(Weights, EmbeddingReadsTheRowsOfItsTokens) {
  TestModule module(std::string(kModel) + R"(
func.func @f(%t: tensor<?xi32>) -> tensor<?x32xf32> {
  %w = flow.weight_ref @m::@embedding : tensor<4x32xf32>
  %x = flow.embed %t, %w scale 2.0 : tensor<?xi32>, tensor<4x32xf32> -> tensor<?x32xf32>
  return %x : tensor<?x32xf32>
})");
  module.weights.values["token_embd.weight"] = numbered(4, 1);
  EXPECT_EQ(rowNumbers(module.run({tokens({3, 0})})),
            (std::vector<float>{8, 2}));
  EXPECT_EQ(module.weights.rowsLoaded["token_embd.weight"], 2);
}

// T15
TEST(Weights, TiedHeadIsUnscaledAndNoSecondCopy) {
  TestModule module(std::string(kModel) + kTwice);
  module.weights.values["token_embd.weight"] = numbered(4, 1);
  for (int step = 0; step < 2; ++step) {
    std::vector<Tensor> results = module.tensors({tokens({1})});
    ASSERT_EQ(results.size(), 2u);
    EXPECT_EQ(rowNumbers(results[0]), std::vector<float>{4});
    EXPECT_EQ(results[1].values, (std::vector<float>{128, 256, 384, 512}));
  }
  // One row for the first step's embedding, then the head's four for good.
  EXPECT_EQ(module.weights.rowsLoaded["token_embd.weight"], 5);
}

TEST(Weights, MissingWeightNamesTheOp) {
  TestModule module(std::string(kModel) + kTwice);
  EXPECT_THAT(module.error({tokens({1})}),
              testing::AllOf(testing::HasSubstr("'flow.embed' cannot read"),
                             testing::HasSubstr("token_embd.weight")));
}

TEST(Weights, NamesAreThoseOfTheFileOrThePath) {
  TestModule module(R"(
flow.model @m <hidden = 4, vocab = 8, positions = 64> {
  flow.rope_table @t theta 1.0e+04 head_dim 2
  flow.layer @layer3 norms pre attention <heads = 1, kv_heads = 1, head_dim = 2, k_eq_v = true> mask <causal> rope @t feed_forward <width = 4> {
    flow.weight @attention_norm : tensor<4xf32>
    flow.weight @q : tensor<2x4xf32> from "blk.3.attn_q.weight"
    flow.weight @k : tensor<2x4xf32>
    flow.weight @o : tensor<4x2xf32>
    flow.weight @ffn_norm : tensor<4xf32>
    flow.weight @gate : tensor<4x4xf32>
    flow.weight @up : tensor<4x4xf32>
    flow.weight @down : tensor<4x4xf32>
  }
}
func.func @f() { return })");
  std::map<std::string, std::string> names;
  module.module->walk([&](WeightOp weight) {
    names[weight.getSymName().str()] = EncodedWeights::tensorName(weight);
  });
  EXPECT_EQ(names["q"], "blk.3.attn_q.weight");
  EXPECT_EQ(names["k"], "layer3.k");
}

TEST(EncodedWeights, DecodesTheRowsOfAFile) {
  TestModule module(returning("embedding", "tensor<4x32xf32>"));
  std::vector<std::byte> bytes = encodedRows();
  std::string asked;
  EncodedWeights weights([&](llvm::StringRef name) {
    asked = name.str();
    return std::optional(
        EncodedTensor{ggml::Type::Q8_0, bytes.data(), bytes.size()});
  });
  Interpreter interpreter(*module.module, weights);
  std::vector<InterpretedValue> results =
      llvm::cantFail(interpreter.call("f", {}, module.caches));
  EXPECT_EQ(asked, "token_embd.weight");
  const Tensor &table = *std::get<TensorRef>(results[0]);
  EXPECT_EQ(rowNumbers(table), (std::vector<float>{0, 0.5f, 1, 1.5f}));
  EXPECT_EQ(table.values[3 * 32 + 31], -1.5f);

  std::vector<float> row(32);
  auto weight =
      *(*module.module->getOps<ModelOp>().begin()).getOps<WeightOp>().begin();
  llvm::cantFail(weights.loadRows(weight, 2, 1, row));
  EXPECT_EQ(row[0], 1);
  EXPECT_EQ(row[1], -1);
}

TEST(EncodedWeights, DecodesAPartOfATensor) {
  TestModule module(R"(
flow.model @m <hidden = 32, vocab = 8, positions = 64> {
  flow.weight @w : tensor<2x32xf32> storage q8_0 from "t" part [1, 32]
}
func.func @f() { return })");
  // Four rows of two blocks: block b of row r is encodedRows' row (r + b) % 4.
  std::vector<std::byte> blocks = encodedRows(), bytes;
  size_t size = blocks.size() / 4;
  for (size_t row = 0; row != 4; ++row)
    for (size_t block = 0; block != 2; ++block) {
      auto begin = blocks.begin() + (row + block) % 4 * size;
      bytes.insert(bytes.end(), begin, begin + size);
    }
  EncodedTensor tensor{ggml::Type::Q8_0, bytes.data(), bytes.size(), 64};
  EncodedWeights weights(
      [&](llvm::StringRef) { return std::optional(tensor); });
  auto weight =
      *(*module.module->getOps<ModelOp>().begin()).getOps<WeightOp>().begin();
  std::vector<float> rows(64);
  llvm::cantFail(weights.loadRows(weight, 0, 2, rows));
  // Rows 1 and 2, their second blocks: rows 2 and 3 of the table.
  EXPECT_EQ(rows[0], 1);
  EXPECT_EQ(rows[1], -1);
  EXPECT_EQ(rows[32], 1.5f);
  tensor.bytes = 2 * 2 * size;
  EXPECT_THAT(llvm::toString(weights.loadRows(weight, 0, 2, rows)),
              testing::HasSubstr("expected 3 rows of 2 blocks of 34 bytes"));
}

TEST(EncodedWeights, WhatDoesNotFitIsRefused) {
  std::vector<std::byte> bytes = encodedRows();
  EXPECT_THAT(loadError(std::nullopt),
              testing::HasSubstr("weight 'token_embd.weight' (@embedding) is "
                                 "not in the model's file"));
  EXPECT_THAT(loadError(EncodedTensor{ggml::Type::Q8_0, bytes.data(), 135}),
              testing::HasSubstr(
                  "has 135 bytes, expected 4 rows of 1 blocks of 34 bytes"));
  EXPECT_THAT(loadError(EncodedTensor{ggml::Type::Q4_K, bytes.data(), 144}),
              testing::HasSubstr("rows of 32 elements, expected a multiple of "
                                 "256 for Q4_K"));
  EXPECT_THAT(loadError(EncodedTensor{ggml::Type::I8, bytes.data(), 128}),
              testing::HasSubstr("cannot be decoded: I8"));
  EXPECT_THAT(
      loadError(EncodedTensor{static_cast<ggml::Type>(999), bytes.data(), 128}),
      testing::HasSubstr("cannot be decoded: 999"));
}
