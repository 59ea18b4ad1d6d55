// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The ops between stages, calls, and how wrong input is reported.

#include "TestModule.h"

using namespace flow;
using testing::HasSubstr;

namespace {

Tensor sequence(llvm::ArrayRef<int64_t> shape) {
  Tensor tensor(shape);
  for (size_t i = 0; i < tensor.values.size(); ++i)
    tensor.values[i] = i;
  return tensor;
}

using Shape = llvm::SmallVector<int64_t, 4>;

const char *kIdentity = R"(
func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  return %x : tensor<?x2xf32>
})";

} // namespace

TEST(Interpreter, IndexArithmeticAndDimensions) {
  TestModule module(R"(
func.func @f(%x: tensor<?x3xf32>, %n: index) -> (index, index, index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = tensor.dim %x, %c0 : tensor<?x3xf32>
  %columns = tensor.dim %x, %c1 : tensor<?x3xf32>
  %sum = arith.addi %rows, %n : index
  %rest = arith.subi %c1, %n : index
  return %sum, %rest, %columns : index, index, index
})");
  std::vector<InterpretedValue> results =
      module.call({share(Tensor({5, 3})), 7});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(std::get<int64_t>(results[0]), 12);
  EXPECT_EQ(std::get<int64_t>(results[1]), -6);
  EXPECT_EQ(std::get<int64_t>(results[2]), 3);
}

TEST(Interpreter, SumsAndProductsRoundOnceToTheirType) {
  auto text = [](const std::string &op, const std::string &element) {
    std::string type = "tensor<2x" + element + ">";
    return "func.func @f(%a: " + type + ", %b: " + type + ") -> " + type +
           " {\n  %y = arith." + op + " %a, %b : " + type +
           "\n  return %y : " + type + "\n}";
  };
  TensorRef a = share(Tensor({2}, {1, 3})),
            b = share(Tensor({2}, {0x1p-8f, 5}));
  EXPECT_EQ(TestModule(text("addf", "f32")).run({a, b}).values,
            (std::vector<float>{1 + 0x1p-8f, 8}));
  // bf16 has eight bits: a tie, which goes to even.
  EXPECT_EQ(TestModule(text("addf", "bf16")).run({a, b}).values,
            (std::vector<float>{1, 8}));
  EXPECT_EQ(TestModule(text("addf", "f16")).run({a, b}).values,
            (std::vector<float>{1 + 0x1p-8f, 8}));
  EXPECT_EQ(TestModule(text("mulf", "f32")).run({a, b}).values,
            (std::vector<float>{0x1p-8f, 15}));
}

TEST(Interpreter, Constants) {
  TestModule module(R"(
func.func @f() -> (tensor<2xf32>, tensor<3xbf16>, tensor<2xi32>) {
  %a = arith.constant dense<[1.5, -2.0]> : tensor<2xf32>
  %b = arith.constant dense<0.25> : tensor<3xbf16>
  %t = arith.constant dense<[7, -9]> : tensor<2xi32>
  return %a, %b, %t : tensor<2xf32>, tensor<3xbf16>, tensor<2xi32>
})");
  std::vector<InterpretedValue> results = module.call({});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(std::get<TensorRef>(results[0])->values,
            (std::vector<float>{1.5f, -2}));
  EXPECT_EQ(std::get<TensorRef>(results[1])->values,
            std::vector<float>(3, 0.25f));
  EXPECT_EQ(std::get<TokenTensorRef>(results[2])->values,
            (std::vector<int32_t>{7, -9}));
}

TEST(Interpreter, ExpandAndCollapseKeepTheElements) {
  TestModule module(R"(
func.func @f(%x: tensor<?x6xf32>, %rows: index) -> (tensor<?x2x3xf32>, tensor<?x6xf32>) {
  %e = tensor.expand_shape %x [[0], [1, 2]] output_shape [%rows, 2, 3] : tensor<?x6xf32> into tensor<?x2x3xf32>
  %c = tensor.collapse_shape %e [[0], [1, 2]] : tensor<?x2x3xf32> into tensor<?x6xf32>
  return %e, %c : tensor<?x2x3xf32>, tensor<?x6xf32>
})");
  Tensor x = sequence({4, 6});
  std::vector<Tensor> results = module.tensors({share(x), 4});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].shape, (Shape{4, 2, 3}));
  EXPECT_EQ(results[0].values, x.values);
  EXPECT_EQ(results[1].shape, x.shape);
  EXPECT_THAT(module.error({share(x), 3}),
              HasSubstr("makes [3, 2, 3] of [4, 6]"));
  EXPECT_THAT(module.error({share(x), int64_t(1) << 62}), HasSubstr("makes"));
}

TEST(Interpreter, ExtractSlice) {
  TestModule module(R"(
func.func @f(%x: tensor<?x4xf32>, %at: index) -> (tensor<1x4xf32>, tensor<2x2xf32>, tensor<4xf32>) {
  %row = tensor.extract_slice %x[%at, 0] [1, 4] [1, 1] : tensor<?x4xf32> to tensor<1x4xf32>
  %steps = tensor.extract_slice %x[1, 1] [2, 2] [2, 2] : tensor<?x4xf32> to tensor<2x2xf32>
  %flat = tensor.extract_slice %x[%at, 0] [1, 4] [1, 1] : tensor<?x4xf32> to tensor<4xf32>
  return %row, %steps, %flat : tensor<1x4xf32>, tensor<2x2xf32>, tensor<4xf32>
})");
  TensorRef x = share(sequence({4, 4}));
  std::vector<Tensor> results = module.tensors({x, 3});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(results[0].values, (std::vector<float>{12, 13, 14, 15}));
  EXPECT_EQ(results[1].values, (std::vector<float>{5, 7, 13, 15}));
  EXPECT_EQ(results[2].shape, Shape{4});
  for (int64_t outside : {int64_t(-1), int64_t(4), int64_t(1) << 62})
    EXPECT_THAT(module.error({x, outside}),
                HasSubstr("of dimension 0 of [4, 4]"));
}

TEST(Interpreter, ConcatAlongEitherDimension) {
  TestModule module(R"(
func.func @f(%a: tensor<?x2xf32>, %b: tensor<?x2xf32>, %t: tensor<?xi32>) -> (tensor<?x2xf32>, tensor<?x4xf32>, tensor<?xi32>) {
  %rows = tensor.concat dim(0) %a, %b : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  %columns = tensor.concat dim(1) %a, %b : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
  %ids = tensor.concat dim(0) %t, %t : (tensor<?xi32>, tensor<?xi32>) -> tensor<?xi32>
  return %rows, %columns, %ids : tensor<?x2xf32>, tensor<?x4xf32>, tensor<?xi32>
})");
  TensorRef a = share(Tensor({2, 2}, {0, 1, 2, 3}));
  TensorRef b = share(Tensor({2, 2}, {4, 5, 6, 7}));
  std::vector<InterpretedValue> results = module.call({a, b, tokens({8, 9})});
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(std::get<TensorRef>(results[0])->values,
            (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(std::get<TensorRef>(results[1])->values,
            (std::vector<float>{0, 1, 4, 5, 2, 3, 6, 7}));
  EXPECT_EQ(std::get<TokenTensorRef>(results[2])->values,
            (std::vector<int32_t>{8, 9, 8, 9}));
  EXPECT_THAT(module.error({a, share(Tensor({1, 2})), tokens({})}),
              HasSubstr("'tensor.concat' joins [1, 2] along dimension 1"));
}

TEST(Interpreter, CallsHandWeightsOn) {
  TestModule module(R"(
flow.model @m <hidden = 2, vocab = 8, positions = 64> {
  flow.weight @w : tensor<2x2xf32>
}
func.func private @layer(%x: tensor<?x2xf32>, %w: tensor<2x2xf32>) -> (tensor<?x2xf32>, index) {
  %c3 = arith.constant 3 : index
  %y = flow.linear %x, %w : tensor<?x2xf32>, tensor<2x2xf32> -> tensor<?x2xf32>
  return %y, %c3 : tensor<?x2xf32>, index
}
func.func @f(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<2x2xf32>) {
  %w = flow.weight_ref @m::@w : tensor<2x2xf32>
  %y:2 = call @layer(%x, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> (tensor<?x2xf32>, index)
  %z:2 = call @layer(%y#0, %w) : (tensor<?x2xf32>, tensor<2x2xf32>) -> (tensor<?x2xf32>, index)
  return %z#0, %w : tensor<?x2xf32>, tensor<2x2xf32>
})");
  module.weights.values["w"] = {0, 2, 3, 0};
  std::vector<Tensor> results = module.tensors({share(Tensor({1, 2}, {5, 7}))});
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].values, (std::vector<float>{30, 42}));
  EXPECT_EQ(results[1].values, (std::vector<float>{0, 2, 3, 0}));
}

TEST(Interpreter, UnknownOpIsNamedWithItsLocation) {
  TestModule module(R"(
func.func @f(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %y = math.sin %x : tensor<?x2xf32> loc("layer3/odd")
  return %y : tensor<?x2xf32>
})");
  EXPECT_EQ(module.error({share(Tensor({1, 2}))}),
            "'math.sin' is unknown to the reference interpreter, at "
            "loc(\"layer3/odd\")");
}

TEST(Interpreter, UnknownControlFlowIsRefused) {
  TestModule module(R"(
func.func @f(%x: tensor<?x2xf32>) {
  "odd.branch"(%x)[^next] : (tensor<?x2xf32>) -> ()
^next:
  return
})");
  EXPECT_THAT(module.error({share(Tensor({1, 2}))}),
              HasSubstr("'func.func' must have a body of one block"));
  TestModule end("func.func @f() { \"odd.end\"() : () -> () }");
  EXPECT_THAT(end.error({}), HasSubstr("'odd.end' is unknown"));
}

TEST(Interpreter, EndlessCallsEnd) {
  TestModule module(R"(
func.func @f() {
  call @f() : () -> ()
  return
})");
  EXPECT_THAT(module.error({}), HasSubstr("nests more than 16 calls"));
}

TEST(Interpreter, ArgumentsAreWhatTheFunctionTakes) {
  TestModule module(kIdentity);
  EXPECT_THAT(module.error({}), HasSubstr("expects 1 arguments, got 0"));
  EXPECT_THAT(module.error({3}),
              HasSubstr("expects argument 0 to be tensor<?x2xf32>, got an "
                        "index"));
  EXPECT_THAT(module.error({share(Tensor({2, 3}))}),
              HasSubstr("got numbers [2, 3] with 6 elements"));
  EXPECT_THAT(module.error({share(Tensor({2, 2}, {1, 2, 3}))}),
              HasSubstr("got numbers [2, 2] with 3 elements"));
  EXPECT_THAT(module.error({tokens({1, 2})}), HasSubstr("got tokens [2]"));
}

TEST(Interpreter, FunctionsMustBeThere) {
  TestModule module(kIdentity);
  llvm::Expected<std::vector<InterpretedValue>> results =
      module.interpreter->call("g", {}, module.caches);
  EXPECT_EQ(llvm::toString(results.takeError()),
            "the module has no function @g");
  TestModule outside("func.func private @f()");
  EXPECT_THAT(outside.error({}), HasSubstr("must have a body of one block"));
}

TEST(Interpreter, OpenShapesMustAgree) {
  TestModule sum(R"(
func.func @f(%a: tensor<?x2xf32>, %b: tensor<?x2xf32>) -> tensor<?x2xf32> {
  %y = arith.addf %a, %b : tensor<?x2xf32>
  return %y : tensor<?x2xf32>
})");
  EXPECT_THAT(sum.error({share(Tensor({1, 2})), share(Tensor({2, 2}))}),
              HasSubstr("operands of one shape, got [1, 2] and [2, 2]"));
  TestModule rope(R"(
func.func @f(%x: tensor<?x1x2xf32>, %a: tensor<?x1x2xf32>) -> tensor<?x1x2xf32> {
  %y = flow.rope %x, %a : tensor<?x1x2xf32>, tensor<?x1x2xf32>
  return %y : tensor<?x1x2xf32>
})");
  EXPECT_THAT(rope.error({share(Tensor({2, 1, 2})), share(Tensor({1, 1, 2}))}),
              HasSubstr("expects angles for 2 rows, got 1"));
  TestModule cast(R"(
func.func @f(%a: tensor<?x2xf32>) -> tensor<3x2xf32> {
  %y = tensor.cast %a : tensor<?x2xf32> to tensor<3x2xf32>
  return %y : tensor<3x2xf32>
})");
  EXPECT_EQ(cast.run({share(Tensor({3, 2}))}).shape, (Shape{3, 2}));
  EXPECT_THAT(cast.error({share(Tensor({2, 2}))}),
              HasSubstr("expects result 0 to be tensor<3x2xf32>, got numbers "
                        "[2, 2]"));
}

TEST(Interpreter, TokensMustBeInTheTable) {
  TestModule module(R"(
func.func @f(%t: tensor<?xi32>, %w: tensor<3x2xf32>) -> tensor<?x2xf32> {
  %x = flow.embed %t, %w scale 1.0 : tensor<?xi32>, tensor<3x2xf32> -> tensor<?x2xf32>
  return %x : tensor<?x2xf32>
})");
  TensorRef table = share(Tensor({3, 2}));
  EXPECT_THAT(module.error({tokens({0, 3}), table}),
              HasSubstr("expects tokens from 0 to 2, got 3 in row 1"));
  EXPECT_THAT(module.error({tokens({-1}), table}),
              HasSubstr("got -1 in row 0"));
}

TEST(Interpreter, PositionsHaveALimit) {
  TestModule module(R"(
flow.model @m <hidden = 2, vocab = 8, positions = 64> {
  flow.rope_table @t theta 1.0e+04 head_dim 2
}
func.func @f(%start: index, %rows: index) -> tensor<?x1x2xf32> {
  %a = flow.rope_angles @m::@t at %start rows %rows : tensor<?x1x2xf32>
  return %a : tensor<?x1x2xf32>
})");
  EXPECT_EQ(module.run({kMaxPositions, 1}).shape, (Shape{1, 1, 2}));
  EXPECT_THAT(module.error({kMaxPositions + 1, 1}),
              HasSubstr("expects start from 0 to 16777216, got 16777217"));
  EXPECT_THAT(module.error({0, -1}), HasSubstr("expects rows from 0"));
}
