// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A whole model hands over every row once, whatever the pieces of its prompt.

#include "TestModule.h"

#include "flow/Reference/ReferenceModel.h"

using namespace flow;

namespace {

/// A model of one attention. Its windowed mask makes rows depend on a past
/// that reaches across pieces, and its angles on positions.
std::string modelText() {
  // One phase, for `T` rows ("?" or "1").
  auto phase = [](const std::string &name, const std::string &t) {
    std::string heads = "tensor<" + t + "x1x8xf32>";
    std::string rows = "tensor<" + t + "x8xf32>";
    std::string ids = "tensor<" + t + "xi32>";
    return "func.func @" + name + "(%tokens: " + ids +
           ", %start: index, %count: index) -> tensor<" + t + R"(x16xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %tokens, %c0 : )" +
           ids + R"(
  %total = arith.addi %start, %count : index
  %table = flow.weight_ref @m::@embedding : tensor<16x8xf32>
  %x = flow.embed %tokens, %table scale 2.0 : )" +
           ids + ", tensor<16x8xf32> -> " + rows + R"(
  %a = flow.rope_angles @m::@rope at %start rows %n : tensor<)" +
           t + R"(x4x2xf32>
  %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [)" +
           (t == "?" ? "%n" : t) + ", 1, 8] : " + rows + " into " + heads + R"(
  %r = flow.rope %h, %a : )" +
           heads + ", tensor<" + t + R"(x4x2xf32>
  %k, %v = flow.cache_ref @m::@kv : tensor<?x1x8xf32>
  %k1, %v1 = flow.kv_append %r, %h into %k, %v at %start count %count : )" +
           heads + R"(, tensor<?x1x8xf32>
  %o = flow.attention %r at %start, %k1, %v1 total %total mask <causal, window = 70> scale 0.5 : )" +
           heads + R"(, tensor<?x1x8xf32>
  %c = tensor.collapse_shape %o [[0], [1, 2]] : )" +
           heads + " into " + rows + R"(
  %l = flow.lm_head %c, %table : )" +
           rows + ", tensor<16x8xf32> -> tensor<" + t + R"(x16xf32>
  return %l : tensor<)" +
           t + "x16xf32>\n}\n";
  };
  return R"(flow.model @m <hidden = 8, vocab = 16, positions = 256> {
  flow.weight @embedding : tensor<16x8xf32>
  flow.rope_table @rope theta 1.0e+04 head_dim 8
  flow.kv_cache @kv kv_heads 1 head_dim 8
}
)" + phase("prefill", "?") +
         phase("decode", "1");
}

std::vector<int32_t> prompt(size_t count) {
  std::mt19937 generator(11);
  std::vector<int32_t> ids(count);
  for (int32_t &id : ids)
    id = generator() % 16;
  return ids;
}

/// The module of `modelText`, its weights, and models of it.
class OneAttention {
public:
  OneAttention() : module(modelText()) {
    module.weights.values["embedding"] = randomTensor({16, 8}, 3).values;
  }

  std::unique_ptr<ReferenceModel> model(int64_t capacity) {
    auto made =
        ReferenceModel::create(*module.module, module.weights, capacity);
    if (made)
      return std::move(*made);
    ADD_FAILURE() << llvm::toString(made.takeError());
    return nullptr;
  }

  /// All rows of `ids` by one call of @prefill.
  std::vector<float> inOnePiece(llvm::ArrayRef<int32_t> ids) {
    ReferenceSession session(*module.interpreter, ids.size());
    llvm::Expected<TensorRef> rows = session.prefill(ids);
    if (rows)
      return (*rows)->values;
    ADD_FAILURE() << llvm::toString(rows.takeError());
    return {};
  }

  TestModule module;
};

/// What a sink got.
struct Rows {
  std::vector<int64_t> positions;
  std::vector<float> values;

  void add(int64_t position, llvm::ArrayRef<float> logits) {
    positions.push_back(position);
    values.insert(values.end(), logits.begin(), logits.end());
  }
};

std::string createError(const std::string &text) {
  TestModule module(text);
  auto made = ReferenceModel::create(*module.module, module.weights, 8);
  if (!made)
    return llvm::toString(made.takeError());
  ADD_FAILURE() << "the module should have been refused";
  return "";
}

} // namespace

// T17
TEST(ReferenceModel, RowsAreThoseOfOnePiece) {
  OneAttention one;
  // One row, and one below, at and above the pieces of 64 and two of them.
  for (size_t count : {1, 63, 64, 65, 127, 128, 129}) {
    std::vector<int32_t> ids = prompt(count);
    std::unique_ptr<ReferenceModel> model = one.model(count);
    ASSERT_TRUE(model);
    Rows rows;
    llvm::Error error =
        model->logits(ids, [&](int64_t position, llvm::ArrayRef<float> logits) {
          rows.add(position, logits);
        });
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    ASSERT_EQ(rows.positions.size(), count);
    for (size_t i = 0; i < count; ++i)
      EXPECT_EQ(rows.positions[i], int64_t(i));
    EXPECT_EQ(rows.values, one.inOnePiece(ids)) << count << " tokens";
    EXPECT_EQ(model->getPosition(), int64_t(count));
  }
}

TEST(ReferenceModel, PromptsFollowEachOther) {
  OneAttention one;
  std::vector<int32_t> ids = prompt(90);
  std::unique_ptr<ReferenceModel> model = one.model(90);
  ASSERT_TRUE(model);
  Rows rows;
  auto sink = [&](int64_t position, llvm::ArrayRef<float> logits) {
    rows.add(position, logits);
  };
  llvm::cantFail(model->logits(llvm::ArrayRef(ids).take_front(7), sink));
  llvm::cantFail(model->logits({}, sink));
  llvm::cantFail(model->logits(llvm::ArrayRef(ids).drop_front(7), sink));
  EXPECT_EQ(rows.positions.size(), 90u);
  EXPECT_EQ(rows.positions[7], 7);
  EXPECT_EQ(rows.values, one.inOnePiece(ids));
}

// T17
TEST(ReferenceModel, DecodingComputesTheSameRows) {
  OneAttention one;
  std::vector<int32_t> ids = prompt(80);
  std::vector<float> expected = one.inOnePiece(ids);
  std::unique_ptr<ReferenceModel> model = one.model(80);
  ASSERT_TRUE(model);
  llvm::cantFail(model->logits(llvm::ArrayRef(ids).take_front(66),
                               [](int64_t, llvm::ArrayRef<float>) {}));
  for (size_t i = 66; i < 80; ++i) {
    llvm::Expected<TensorRef> row = model->decode(ids[i]);
    ASSERT_TRUE(bool(row)) << llvm::toString(row.takeError());
    EXPECT_EQ((*row)->values,
              std::vector<float>(expected.begin() + i * 16,
                                 expected.begin() + (i + 1) * 16))
        << "position " << i;
  }
}

TEST(ReferenceModel, PiecesBeforeAnErrorAreHandedOver) {
  OneAttention one;
  std::vector<int32_t> ids = prompt(70);
  ids[66] = 16; // no row of the table
  std::unique_ptr<ReferenceModel> model = one.model(70);
  ASSERT_TRUE(model);
  Rows rows;
  llvm::Error error =
      model->logits(ids, [&](int64_t position, llvm::ArrayRef<float> logits) {
        rows.add(position, logits);
      });
  ASSERT_TRUE(bool(error));
  std::string message = llvm::toString(std::move(error));
  EXPECT_NE(message.find("got 16 in row 2"), std::string::npos) << message;
  EXPECT_EQ(rows.positions.size(), 64u);
  EXPECT_EQ(model->getPosition(), 64);
}

TEST(ReferenceModel, MoreTokensThanCapacityAreRefused) {
  OneAttention one;
  std::unique_ptr<ReferenceModel> model = one.model(5);
  ASSERT_TRUE(model);
  llvm::Error error =
      model->logits(prompt(6), [](int64_t, llvm::ArrayRef<float>) {});
  ASSERT_TRUE(bool(error));
  std::string message = llvm::toString(std::move(error));
  EXPECT_NE(message.find("more than its 5 positions"), std::string::npos)
      << message;
  EXPECT_EQ(model->getPosition(), 0);
}

TEST(ReferenceModel, ModuleWithoutPrefillIsRefused) {
  EXPECT_EQ(createError("func.func @f() { return }"),
            "the module has no function @prefill");
}

TEST(ReferenceModel, LogitsOfTheLastRowOnlyAreRefused) {
  std::string message =
      createError("func.func @prefill(%t: tensor<?xi32>, %s: index, %c: index, "
                  "%l: tensor<1x16xf32>) -> tensor<1x16xf32> {\n"
                  "  return %l : tensor<1x16xf32>\n}");
  EXPECT_NE(message.find("the logits of all rows, [?, vocab], found "),
            std::string::npos)
      << message;
}
