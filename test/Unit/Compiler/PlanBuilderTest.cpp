// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Schedule functions become the plan that they say, or a diagnostic.

#include "PlanBuilder.h"

#include "TestRecipes.h"

#include "mlir/IR/Diagnostics.h"

#include <gmock/gmock.h>

using namespace flow;
using namespace flow::runtime;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

namespace {

std::vector<std::string> namesOf(const runtime::PackedWeight &weight) {
  std::vector<std::string> names;
  for (const runtime::WeightSource &source : weight.sources)
    names.push_back(source.name);
  return names;
}

/// The model of every test: weights of each kind, two caches.
const char *const kModel = R"mlir(
flow.model @m <hidden = 32, vocab = 64, positions = 128> {
  flow.weight @table : tensor<64x32xf32> storage q8_0 from "token_embd.weight"
  flow.weight @final_norm : tensor<32xf32> unit_offset
  flow.rope_table @rope theta 1.0e+06 head_dim 32 pairs 12 factor 8.0
  flow.kv_cache @ring kv_heads 1 head_dim 32 ring 16
  flow.kv_cache @full kv_heads 1 head_dim 32
  flow.layer @layer0 norms pre
      attention <heads = 1, kv_heads = 1, head_dim = 32>
      mask <causal, window = 16> rope @rope cache @ring
      feed_forward <width = 32> {
    flow.weight @attention_norm : tensor<32xf32>
    flow.weight @q : tensor<32x32xf32> storage q4_0
    flow.weight @k : tensor<32x32xf32> storage q4_0
    flow.weight @v : tensor<32x32xf32> storage q4_0 from "blk.0.v"
    flow.derived_weight @qkv : tensor<96x32xf32> = concat [@q, @k, @v]
    flow.weight @o : tensor<32x32xf32> storage q4_0
    flow.weight @ffn_norm : tensor<32xf32>
    flow.weight @gate : tensor<32x32xf32> storage q4_0
    flow.weight @up : tensor<32x32xf32> storage q4_0
    flow.derived_weight @gate_up : tensor<64x32xf32> = interleave [@gate, @up]
    flow.weight @down : tensor<32x32xf32> storage q4_0
  }
}
// Functions of buffers alone.
func.func private @same(%x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
func.func private @twice(%x: tensor<?x32xf32>)
    -> (tensor<?x32xf32>, tensor<?x32xf32>) {
  return %x, %x : tensor<?x32xf32>, tensor<?x32xf32>
}
func.func private @join(%x: tensor<?x32xf32>, %y: tensor<?x32xf32>)
    -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
func.func private @best(%x: tensor<?x32xf32>)
    -> (tensor<1x8xf32>, tensor<1x8xi32>) {
  %l = tensor.extract_slice %x[0, 0] [1, 32] [1, 1]
      : tensor<?x32xf32> to tensor<1x32xf32>
  %v, %i = flow.top_k %l : tensor<1x32xf32> -> tensor<1x8xf32>
  return %v, %i : tensor<1x8xf32>, tensor<1x8xi32>
}
// Functions of rows in a layout.
#q = #flow.quantized_rows<block = 16>
func.func private @quantize(%x: tensor<?x32xf32>) -> tensor<?x32xf32, #q> {
  %q = flow.quantize_rows %x : tensor<?x32xf32> -> tensor<?x32xf32, #q>
  return %q : tensor<?x32xf32, #q>
}
func.func private @round(%x: tensor<?x32xf32>)
    -> tensor<?x32xf32, #flow.bf16_rows> {
  %r = flow.quantize_rows %x
      : tensor<?x32xf32> -> tensor<?x32xf32, #flow.bf16_rows>
  return %r : tensor<?x32xf32, #flow.bf16_rows>
}
func.func private @products(%q: tensor<?x32xf32, #q>,
                            %r: tensor<?x32xf32, #flow.bf16_rows>,
                            %x: tensor<?x32xf32>) -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
// Functions of weights, scalars, caches and, which no call has, tokens.
func.func private @tokens(%x: tensor<?x32xf32>, %t: tensor<?xi32>)
    -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
func.func private @dense(%x: tensor<?x32xf32>, %w: tensor<32xf32>)
    -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
func.func private @table(%x: tensor<?x32xf32>, %w: tensor<64x32xf32>)
    -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
#f32 = #flow.panels<f32>
#i8 = #flow.panels<i8, block = 32>
#min = #flow.panels<i8, block = 16, scale = f32, min = true>
func.func private @panels(%x: tensor<?x32xf32>, %q: tensor<96x32xf32, #f32>,
                          %g: tensor<64x32xf32, #i8>,
                          %d: tensor<32x32xf32, #min>) -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
func.func private @scalars(%x: tensor<?x32xf32>, %a: index, %b: index,
                           %c: index, %d: index) -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
func.func private @append(%x: tensor<?x32xf32>, %keys: tensor<?x1x32xf32>,
                          %values: tensor<?x1x32xf32>, %start: index,
                          %count: index)
    -> (tensor<?x1x32xf32>, tensor<?x32xf32>, tensor<?x1x32xf32>) {
  %k = tensor.expand_shape %x [[0], [1, 2]] output_shape [%count, 1, 32]
      : tensor<?x32xf32> into tensor<?x1x32xf32>
  %k1, %v1 = flow.kv_append %k, %k into %keys, %values at %start count %count
      : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return %v1, %x, %k1
      : tensor<?x1x32xf32>, tensor<?x32xf32>, tensor<?x1x32xf32>
}
)mlir";

/// How most schedules of the tests begin: `%x` is the embedded tokens.
const char *const kEmbed = R"mlir(
  %table = flow.weight_ref @m::@table : tensor<64x32xf32>
  %x = flow.embed %tokens, %table scale 2.5
      : tensor<?xi32>, tensor<64x32xf32> -> tensor<?x32xf32>
)mlir";

/// The text of schedule `name`, whose arguments are %tokens, %start and
/// %count. Its result is `%result` of type `type`.
std::string schedule(const std::string &name, const std::string &body,
                     const std::string &result = "%x",
                     const std::string &type = "tensor<?x32xf32>") {
  return "func.func @" + name +
         "(%tokens: tensor<?xi32>, %start: index, %count: index) -> (" + type +
         ") {\n" + body + "  return " + result + " : " + type + "\n}\n";
}

/// Builds the plan of some schedules of a text.
class Builder {
public:
  explicit Builder(const std::string &text)
      : recipe(kModel + text), builder(*(*recipe).getOps<ModelOp>().begin()) {}

  /// The diagnostics of adding schedule `name`; "" when it was added.
  std::string add(llvm::StringRef name, bool logitsAll = false) {
    std::string diagnostics;
    mlir::ScopedDiagnosticHandler handler(
        (*recipe).getContext(), [&](mlir::Diagnostic &diagnostic) {
          llvm::raw_string_ostream(diagnostics) << diagnostic;
        });
    auto function = (*recipe).lookupSymbol<mlir::func::FuncOp>(name);
    mlir::LogicalResult added =
        builder.addSchedule(*recipe, function, name, logitsAll);
    EXPECT_EQ(failed(added), !diagnostics.empty());
    return diagnostics;
  }
  Plan take() { return builder.take(); }

private:
  TestRecipe recipe;
  PlanBuilder builder;
};

/// The plan of one schedule, @f, that must be right.
Plan planOf(const std::string &body, const std::string &result = "%x",
            const std::string &type = "tensor<?x32xf32>") {
  Builder builder(schedule("f", body, result, type));
  EXPECT_EQ(builder.add("f"), "");
  return builder.take();
}

std::string errorOfBody(const std::string &body,
                        const std::string &result = "%x",
                        const std::string &type = "tensor<?x32xf32>") {
  Builder builder(schedule("f", body, result, type));
  std::string message = builder.add("f");
  // What was refused is no part of the plan.
  EXPECT_THAT(builder.take().schedules, IsEmpty());
  return message;
}

/// An argument in a few letters: b2, w1.0, k0, v0, c0, the name of a scalar,
/// "sequences", "tokens", "step" or "spans".
std::string print(const Argument &argument) {
  std::string index = std::to_string(argument.index);
  switch (argument.kind) {
  case Argument::Kind::Buffer:
    return "b" + index;
  case Argument::Kind::Weight:
    return "w" + index + "." + std::to_string(argument.part);
  case Argument::Kind::Keys:
    return "k" + index;
  case Argument::Kind::Values:
    return "v" + index;
  case Argument::Kind::Scalar:
    return std::vector<std::string>{"start", "count", "total",
                                    "rows"}[size_t(argument.scalar)];
  case Argument::Kind::Sequences:
    return "sequences";
  case Argument::Kind::Tokens:
    return "tokens";
  case Argument::Kind::StepTable:
    return "step";
  case Argument::Kind::Capacity:
    return "c" + index;
  case Argument::Kind::Spans:
    return "spans";
  }
  return "?";
}

/// A step as text: what it does, on what, to what.
std::string print(const Step &step) {
  if (step.kind == StepKind::Embed)
    return "embed w" + std::to_string(step.weight) + " -> b" +
           std::to_string(step.buffer);
  if (step.kind == StepKind::RopeAngles)
    return "angles -> b" + std::to_string(step.buffer);
  std::string text = step.function;
  if (step.kind == StepKind::Launch) {
    text = "launch " + text;
    for (const GridSize &size : step.grid)
      text += " " + std::to_string(size.times) + "/" + std::to_string(size.per);
    text += " " + std::to_string(step.threads) + " " +
            std::to_string(step.sharedBytes) + ":";
  }
  for (const Argument &argument : step.args)
    text += ' ' + print(argument);
  return text;
}

std::vector<std::string> print(const Schedule &schedule) {
  std::vector<std::string> steps;
  for (const Step &step : schedule.steps)
    steps.push_back(print(step));
  return steps;
}

} // namespace

TEST(PlanBuilder, TakesTheSizesOfTheModel) {
  Plan plan = Builder("").take();
  EXPECT_EQ(plan.hidden, 32);
  EXPECT_EQ(plan.vocab, 64);
  EXPECT_EQ(plan.context, 128);
  EXPECT_EQ(plan.rowTile, 12);
  EXPECT_THAT(plan.weights, IsEmpty());
  EXPECT_THAT(plan.schedules, IsEmpty());
}

TEST(PlanBuilder, EmbedsTokens) {
  Plan plan = planOf(kEmbed);
  ASSERT_THAT(plan.schedules, SizeIs(1));
  const Schedule &f = plan.schedules[0];
  EXPECT_EQ(f.name, "f");
  EXPECT_EQ(f.rows, 0);
  EXPECT_EQ(f.headBegin, 0);
  EXPECT_EQ(f.logits, 0);
  EXPECT_THAT(print(f), ElementsAre("embed w0 -> b0"));
  EXPECT_EQ(f.steps[0].scale, 2.5);
  ASSERT_THAT(plan.weights, SizeIs(1));
  EXPECT_EQ(plan.weights[0].packing, Packing::Raw);
  EXPECT_THAT(namesOf(plan.weights[0]), ElementsAre("token_embd.weight"));
  ASSERT_THAT(plan.buffers, SizeIs(1));
  EXPECT_THAT(plan.buffers[0].dims, ElementsAre(-1, 32));
}

TEST(PlanBuilder, FixedRowsAreOfTheirType) {
  Builder builder(R"mlir(
func.func @one(%tokens: tensor<1xi32>, %start: index, %count: index)
    -> tensor<1x32xf32> {
  %table = flow.weight_ref @m::@table : tensor<64x32xf32>
  %x = flow.embed %tokens, %table scale 1.0
      : tensor<1xi32>, tensor<64x32xf32> -> tensor<1x32xf32>
  return %x : tensor<1x32xf32>
})mlir");
  EXPECT_EQ(builder.add("one", /*logitsAll=*/true), "");
  Plan plan = builder.take();
  EXPECT_EQ(plan.schedules[0].rows, 1);
  EXPECT_TRUE(plan.schedules[0].logitsAll);
  EXPECT_THAT(plan.buffers[0].dims, ElementsAre(1, 32));
}

TEST(PlanBuilder, AnglesAreOfTheirTable) {
  Plan plan = planOf(R"mlir(
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %tokens, %c0 : tensor<?xi32>
  %x = flow.rope_angles @m::@rope at %start rows %rows : tensor<?x16x2xf32>
)mlir",
                     "%x", "tensor<?x16x2xf32>");
  EXPECT_THAT(print(plan.schedules[0]), ElementsAre("angles -> b0"));
  const Step &step = plan.schedules[0].steps[0];
  EXPECT_EQ(step.theta, 1e6);
  EXPECT_EQ(step.factor, 8);
  EXPECT_EQ(step.headDim, 32);
  EXPECT_EQ(step.pairs, 12);
  EXPECT_THAT(plan.buffers[0].dims, ElementsAre(-1, 16, 2));
}

TEST(PlanBuilder, WeightsSayHowTheyArePacked) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %q = flow.weight_ref @m::@layer0::@qkv : tensor<96x32xf32, #flow.panels<f32>>
  %g = flow.weight_ref @m::@layer0::@gate_up
      : tensor<64x32xf32, #flow.panels<i8, block = 32>>
  %d = flow.weight_ref @m::@layer0::@v
      : tensor<32x32xf32, #flow.panels<i8, block = 16, scale = f32, min = true>>
  %y = func.call @panels(%x, %q, %g, %d)
      : (tensor<?x32xf32>, tensor<96x32xf32, #flow.panels<f32>>,
         tensor<64x32xf32, #flow.panels<i8, block = 32>>,
         tensor<32x32xf32,
                #flow.panels<i8, block = 16, scale = f32, min = true>>)
        -> tensor<?x32xf32>
)mlir",
                     "%y");
  // Each part of a packed weight is an argument.
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0",
                          "panels b0 w1.0 w2.0 w2.1 w3.0 w3.1 w3.2 b1"));
  ASSERT_THAT(plan.weights, SizeIs(4));
  const PackedWeight &q = plan.weights[1], &g = plan.weights[2],
                     &d = plan.weights[3];
  EXPECT_EQ(q.packing, Packing::PanelsF32);
  EXPECT_EQ(q.combine, runtime::Combine::Concat);
  EXPECT_EQ(q.rows, 96);
  EXPECT_EQ(q.cols, 32);
  // A source is called as in the file, or after its symbol.
  EXPECT_THAT(namesOf(q), ElementsAre("layer0.q", "layer0.k", "blk.0.v"));

  EXPECT_EQ(g.packing, Packing::PanelsI8);
  EXPECT_EQ(g.combine, runtime::Combine::Interleave);
  EXPECT_EQ(g.group, kInterleaveRows);
  EXPECT_THAT(namesOf(g), ElementsAre("layer0.gate", "layer0.up"));
  EXPECT_EQ(g.block, 32);
  EXPECT_EQ(g.scale, ScaleType::F16);
  EXPECT_FALSE(g.hasMin);

  EXPECT_EQ(d.packing, Packing::PanelsI8);
  EXPECT_THAT(namesOf(d), ElementsAre("blk.0.v"));
  EXPECT_EQ(d.block, 16);
  EXPECT_EQ(d.scale, ScaleType::F32);
  EXPECT_TRUE(d.hasMin);
}

// T10
TEST(PlanBuilder, UnitOffsetsAreAdded) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %a = flow.weight_ref @m::@final_norm : tensor<32xf32>
  %b = flow.weight_ref @m::@layer0::@ffn_norm : tensor<32xf32>
  %y = func.call @dense(%x, %a)
      : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
  %z = func.call @dense(%y, %b)
      : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
)mlir",
                     "%z");
  ASSERT_THAT(plan.weights, SizeIs(3));
  EXPECT_EQ(plan.weights[1].packing, Packing::Dense);
  EXPECT_EQ(plan.weights[1].add, 1);
  EXPECT_EQ(plan.weights[1].rows, 1);
  EXPECT_EQ(plan.weights[1].cols, 32);
  EXPECT_EQ(plan.weights[2].add, 0);
}

// T25
TEST(PlanBuilder, AWeightIsListedOnceForEachLayout) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %again = flow.weight_ref @m::@table : tensor<64x32xf32>
  %y = flow.embed %tokens, %again scale 3.0
      : tensor<?xi32>, tensor<64x32xf32> -> tensor<?x32xf32>
  %dense = flow.weight_ref @m::@table : tensor<64x32xf32>
  %z = func.call @table(%y, %dense)
      : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
  %twin = flow.weight_ref @m::@table : tensor<64x32xf32>
  %end = func.call @table(%z, %twin)
      : (tensor<?x32xf32>, tensor<64x32xf32>) -> tensor<?x32xf32>
)mlir",
                     "%end");
  // Only embeddings read the rows as the file has them.
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "embed w0 -> b0",
                          "table b0 w1.0 b1", "table b1 w1.0 b0"));
  ASSERT_THAT(plan.weights, SizeIs(2));
  EXPECT_EQ(plan.weights[0].packing, Packing::Raw);
  EXPECT_EQ(plan.weights[1].packing, Packing::Dense);
}

TEST(PlanBuilder, ScalarsAreNumbersOfTheStep) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %tokens, %c0 : tensor<?xi32>
  %total = arith.addi %start, %count : index
  %unused = arith.subi %rows, %count : index
  %y = func.call @scalars(%x, %rows, %total, %start, %count)
      : (tensor<?x32xf32>, index, index, index, index) -> tensor<?x32xf32>
)mlir",
                     "%y");
  EXPECT_THAT(
      print(plan.schedules[0]),
      ElementsAre("embed w0 -> b0", "scalars b0 rows total start count b1"));
}

TEST(PlanBuilder, RefusesOtherScalars) {
  for (const char *other : {"%other = arith.subi %start, %count : index\n",
                            "%other = arith.addi %start, %start : index\n",
                            "%other = arith.constant 3 : index\n"})
    EXPECT_THAT(
        errorOfBody(std::string(kEmbed) + other +
                        "%y = func.call @scalars(%x, %start, %start, %start, "
                        "%other) : (tensor<?x32xf32>, index, index, index, "
                        "index) -> tensor<?x32xf32>\n",
                    "%y"),
        HasSubstr("has an operand that a plan cannot name"))
        << other;
}

// T16
TEST(PlanBuilder, CachesComeBackAsThemselves) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %k, %v = flow.cache_ref @m::@full : tensor<?x1x32xf32>
  %v1, %y, %k1 = func.call @append(%x, %k, %v, %start, %count)
      : (tensor<?x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index)
        -> (tensor<?x1x32xf32>, tensor<?x32xf32>, tensor<?x1x32xf32>)
  %rk, %rv = flow.cache_ref @m::@ring : tensor<?x1x32xf32>
  %v2, %z, %k2 = func.call @append(%y, %k1, %rv, %start, %count)
      : (tensor<?x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index)
        -> (tensor<?x1x32xf32>, tensor<?x32xf32>, tensor<?x1x32xf32>)
  %end = func.call @same(%z) : (tensor<?x32xf32>) -> tensor<?x32xf32>
)mlir",
                     "%end");
  // The keys that come back stand for the cache and need no buffer.
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "append b0 k0 v0 start count b1",
                          "append b1 k0 v1 start count b0", "same b0 b1"));
  // What comes after the last cache only serves logits.
  EXPECT_EQ(plan.schedules[0].headBegin, 3);
  EXPECT_EQ(plan.schedules[0].logits, 1);
  ASSERT_THAT(plan.caches, SizeIs(2));
  EXPECT_EQ(plan.caches[0].name, "@m::@full");
  EXPECT_EQ(plan.caches[0].window, 0);
  EXPECT_EQ(plan.caches[1].name, "@m::@ring");
  EXPECT_EQ(plan.caches[1].window, 16);
  EXPECT_EQ(plan.caches[1].kvHeads, 1);
  EXPECT_EQ(plan.caches[1].headDim, 32);
}

/// Kernels, and schedules that launch them.
std::string launches(const std::string &body) {
  return R"mlir(
gpu.module @kernels {
  gpu.func @embed(%t: !llvm.ptr<1>, %w: !llvm.ptr<1>, %x: !llvm.ptr<1>) kernel {
    gpu.return
  }
  gpu.func @append(%x: !llvm.ptr<1>, %k: !llvm.ptr<1>, %v: !llvm.ptr<1>, %q: !llvm.ptr<1>, %s: !llvm.ptr<1>, %c: i32) kernel {
    gpu.return
  }
  gpu.func @attend(%q: !llvm.ptr<1>, %k: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
  gpu.func @sized(%q: !llvm.ptr<1>, %y: !llvm.ptr<1>, %c: i32) kernel {
    gpu.return
  }
}
)mlir" + schedule("f", R"mlir(
  %w = flow.weight_ref @m::@table : tensor<64x32xbf16>
  %x = flow.launch @kernels::@embed(%tokens, %w) grid [rows, 1, 1] threads 128
      : (tensor<?xi32>, tensor<64x32xbf16>) -> tensor<?x32xf32>
)mlir" + body,
                  "%y");
}

TEST(PlanBuilder, LaunchesAreStepsOfADevice) {
  Builder builder(launches(R"mlir(
  %k, %v = flow.cache_ref @m::@full : tensor<?x1x32xf32>
  %q, %k1, %v1 = flow.launch @kernels::@append(%x)
      updates(%k, %v : tensor<?x1x32xf32>, tensor<?x1x32xf32>)
      step(%start, %count) capacity grid [2, rows * 3 per 2, 1]
      threads 64 shared 512 : (tensor<?x32xf32>)
      -> (tensor<?x1x32xbf16>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
  %y = flow.launch @kernels::@attend(%q, %k1) grid [1, 1, 1] threads 32
      : (tensor<?x1x32xbf16>, tensor<?x1x32xf32>) -> tensor<?x32xf32>
)mlir"));
  EXPECT_EQ(builder.add("f"), "");
  Plan plan = builder.take();
  // What a cache became is the cache, and rows that nobody reads any more give
  // their buffer to others of their shape.
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("launch embed 1/1 1/0 1/0 128 0: tokens w0.0 b0",
                          "launch append 2/0 3/2 1/0 64 512: b0 k0 v0 b1 step "
                          "c0",
                          "launch attend 1/0 1/0 1/0 32 0: b1 k0 b0"));
  EXPECT_EQ(plan.schedules[0].headBegin, 3);
  EXPECT_EQ(plan.weights[0].packing, runtime::Packing::DenseBf16);
  EXPECT_EQ(plan.buffers[1].element, runtime::ElementType::BF16);
}

TEST(PlanBuilder, RefusesLaunchesThatADeviceCannotRun) {
  for (auto [body, reason] :
       {std::pair{"%y = flow.launch @kernels::@sized(%x) capacity grid "
                  "[1, 1, 1] threads 32 : (tensor<?x32xf32>) -> "
                  "tensor<?x32xf32>",
                  "asks for the capacity of no cache"},
        {"%y = flow.launch @kernels::@attend(%x) step(%count, %start) grid "
         "[1, 1, 1] threads 32 : (tensor<?x32xf32>) -> tensor<?x32xf32>",
         "has another step than its schedule"}}) {
    Builder builder(launches(body));
    EXPECT_THAT(builder.add("f"), HasSubstr(reason));
  }
}

TEST(PlanBuilder, BatchesKnowWhoseTheirRowsAre) {
  Builder builder(R"mlir(
func.func private @slots(%x: tensor<?x32xf32>, %k: tensor<?x?x1x32xf32>, %v: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>, %rows: index)
    -> (tensor<?x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>) {
  %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [%rows, 1, 32]
      : tensor<?x32xf32> into tensor<?x1x32xf32>
  %k1, %v1 = flow.kv_append %h, %h into %k, %v sequences %s
      : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
  return %x, %k1, %v1
      : tensor<?x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>
}
func.func @batch(%tokens: tensor<?xi32>, %s: tensor<?x4xi32>) -> tensor<?x32xf32> {
  %zero = arith.constant 0 : index
  %rows = tensor.dim %tokens, %zero : tensor<?xi32>
  %a = flow.rope_angles @m::@rope sequences %s rows %rows : tensor<?x16x2xf32>
)mlir" + std::string(kEmbed) +
                  R"mlir(
  %k, %v = flow.cache_ref @m::@full : tensor<?x?x1x32xf32>
  %y, %k1, %v1 = call @slots(%x, %k, %v, %s, %rows) : (tensor<?x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>, tensor<?x4xi32>, index) -> (tensor<?x32xf32>, tensor<?x?x1x32xf32>, tensor<?x?x1x32xf32>)
  %z = call @same(%y) : (tensor<?x32xf32>) -> tensor<?x32xf32>
  return %z : tensor<?x32xf32>
}
)mlir");
  ASSERT_EQ(builder.add("batch"), "");
  Plan plan = builder.take();
  ASSERT_THAT(plan.schedules, SizeIs(1));
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("angles -> b0", "embed w0 -> b1",
                          "slots b1 k0 v0 sequences rows b2", "same b2 b1"));
  EXPECT_EQ(plan.schedules[0].headBegin, 3);
}

TEST(PlanBuilder, ABufferIsReusedOnlyWhenNobodyReadsItAnyMore) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %a = func.call @same(%x) : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %b, %unread = func.call @twice(%a)
      : (tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>)
  %c = func.call @join(%x, %b)
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %d = func.call @join(%c, %c)
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %e = func.call @join(%d, %b)
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
)mlir",
                     "%e");
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0",
                          // %x is read again.
                          "same b0 b1",
                          // The second result needs a place although nobody
                          // reads it.
                          "twice b1 b2 b3",
                          // %a and the unread result are free.
                          "join b0 b2 b1", "join b1 b1 b3", "join b3 b2 b0"));
  EXPECT_THAT(plan.buffers, SizeIs(4));
}

TEST(PlanBuilder, ABufferThatIsReadTwiceIsFreeOnce) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %a = func.call @join(%x, %x)
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
  %b, %c = func.call @twice(%a)
      : (tensor<?x32xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>)
  %end = func.call @join(%b, %c)
      : (tensor<?x32xf32>, tensor<?x32xf32>) -> tensor<?x32xf32>
)mlir",
                     "%end");
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "join b0 b0 b1", "twice b1 b0 b2",
                          "join b0 b2 b1"));
}

TEST(PlanBuilder, ABufferIsReusedOnlyForItsOwnShape) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %tokens, %c0 : tensor<?xi32>
  %a = func.call @same(%x) : (tensor<?x32xf32>) -> tensor<?x32xf32>
  %end = flow.rope_angles @m::@rope at %start rows %rows : tensor<?x16x2xf32>
)mlir",
                     "%end", "tensor<?x16x2xf32>");
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "same b0 b1", "angles -> b2"));
}

// Rows in a layout are as many buffers as the layout has parts, each of which
// serves again for its own elements only: scales and sums have one shape.
TEST(PlanBuilder, RowsInALayoutAreBuffersOfTheirElements) {
  Plan plan = planOf(std::string(kEmbed) + R"mlir(
  %q = func.call @quantize(%x) : (tensor<?x32xf32>) -> tensor<?x32xf32, #q>
  %r = func.call @round(%x)
      : (tensor<?x32xf32>) -> tensor<?x32xf32, #flow.bf16_rows>
  %y = func.call @products(%q, %r, %x)
      : (tensor<?x32xf32, #q>, tensor<?x32xf32, #flow.bf16_rows>,
         tensor<?x32xf32>) -> tensor<?x32xf32>
  %p = func.call @quantize(%y) : (tensor<?x32xf32>) -> tensor<?x32xf32, #q>
  %z = func.call @products(%p, %r, %y)
      : (tensor<?x32xf32, #q>, tensor<?x32xf32, #flow.bf16_rows>,
         tensor<?x32xf32>) -> tensor<?x32xf32>
)mlir",
                     "%z");
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "quantize b0 b1 b2 b3",
                          "round b0 b4", "products b1 b2 b3 b4 b0 b5",
                          "quantize b5 b1 b2 b3",
                          "products b1 b2 b3 b4 b5 b0"));
  ASSERT_THAT(plan.buffers, SizeIs(6));
  using runtime::ElementType;
  const ElementType elements[] = {ElementType::F32,  ElementType::I8,
                                  ElementType::F32,  ElementType::I32,
                                  ElementType::BF16, ElementType::F32};
  for (size_t i = 0; i != 6; ++i) {
    EXPECT_EQ(plan.buffers[i].element, elements[i]) << i;
    EXPECT_THAT(plan.buffers[i].dims,
                ElementsAre(-1, i == 2 || i == 3 ? 2 : 32));
  }
}

TEST(PlanBuilder, TwoResultsAreCandidates) {
  Plan plan = planOf(std::string(kEmbed) +
                         "%v, %i = func.call @best(%x) : (tensor<?x32xf32>) "
                         "-> (tensor<1x8xf32>, tensor<1x8xi32>)\n",
                     "%v, %i", "tensor<1x8xf32>, tensor<1x8xi32>");
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "best b0 b1 b2"));
  ASSERT_TRUE(plan.schedules[0].candidates);
  EXPECT_EQ(plan.schedules[0].candidates->logits, 1);
  EXPECT_EQ(plan.schedules[0].candidates->tokens, 2);
  EXPECT_EQ(plan.buffers[1].element, runtime::ElementType::F32);
  EXPECT_EQ(plan.buffers[2].element, runtime::ElementType::I32);
  EXPECT_EQ(plan.candidateCount(), 8);
}

TEST(PlanBuilder, RefusesLogitsInALayout) {
  EXPECT_THAT(
      errorOfBody(std::string(kEmbed) + "%q = func.call @quantize(%x) : "
                                        "(tensor<?x32xf32>) -> "
                                        "tensor<?x32xf32, #q>\n",
                  "%q", "tensor<?x32xf32, #flow.quantized_rows<block = 16>>"),
      HasSubstr("of a schedule must return one buffer of logits"));
}

TEST(PlanBuilder, SchedulesShareWeightsAndCachesButNoBuffers) {
  std::string body = std::string(kEmbed) + R"mlir(
  %k, %v = flow.cache_ref @m::@ring : tensor<?x1x32xf32>
  %w = flow.weight_ref @m::@final_norm : tensor<32xf32>
  %v1, %y, %k1 = func.call @append(%x, %k, %v, %start, %count)
      : (tensor<?x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index)
        -> (tensor<?x1x32xf32>, tensor<?x32xf32>, tensor<?x1x32xf32>)
  %z = func.call @dense(%y, %w)
      : (tensor<?x32xf32>, tensor<32xf32>) -> tensor<?x32xf32>
)mlir";
  Builder builder(schedule("f", body, "%z") + schedule("g", body, "%z"));
  EXPECT_EQ(builder.add("f"), "");
  EXPECT_EQ(builder.add("g", /*logitsAll=*/true), "");
  Plan plan = builder.take();
  ASSERT_THAT(plan.schedules, SizeIs(2));
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "append b0 k0 v0 start count b1",
                          "dense b1 w1.0 b0"));
  EXPECT_THAT(print(plan.schedules[1]),
              ElementsAre("embed w0 -> b2", "append b2 k0 v0 start count b3",
                          "dense b3 w1.0 b2"));
  EXPECT_EQ(plan.schedules[1].name, "g");
  EXPECT_FALSE(plan.schedules[0].logitsAll);
  EXPECT_TRUE(plan.schedules[1].logitsAll);
  EXPECT_THAT(plan.weights, SizeIs(2));
  EXPECT_THAT(plan.caches, SizeIs(1));
  EXPECT_THAT(plan.buffers, SizeIs(4));
}

TEST(PlanBuilder, RefusesOperationsThatAreNoSteps) {
  EXPECT_THAT(errorOfBody(std::string(kEmbed) +
                              "%y = flow.rms_norm %x : tensor<?x32xf32>\n",
                          "%y"),
              HasSubstr("'flow.rms_norm' op has no place in a schedule"));
  EXPECT_THAT(errorOfBody(std::string(kEmbed) +
                          "%n = arith.muli %start, %count : index\n"),
              HasSubstr("'arith.muli' op has no place in a schedule"));
}

TEST(PlanBuilder, RefusesOperandsThatAreNoArguments) {
  EXPECT_THAT(errorOfBody(std::string(kEmbed) +
                              "%y = func.call @tokens(%x, %tokens) : "
                              "(tensor<?x32xf32>, tensor<?xi32>) -> "
                              "tensor<?x32xf32>\n",
                          "%y"),
              HasSubstr("has an operand that a plan cannot name"));
  // The rows of a table are read from the model file.
  EXPECT_THAT(errorOfBody(R"mlir(
  %table = arith.constant dense<1.0> : tensor<64x32xf32>
  %x = flow.embed %tokens, %table scale 1.0
      : tensor<?xi32>, tensor<64x32xf32> -> tensor<?x32xf32>
)mlir"),
              HasSubstr("has a table that is no weight"));
}

TEST(PlanBuilder, HandsOverSpans) {
  std::string text =
      schedule("f",
               std::string(kEmbed) +
                   "%y = func.call @spanned(%x, %spans) : (tensor<?x32xf32>, "
                   "tensor<?x2xi32>) -> tensor<?x32xf32>\n",
               "%y");
  text.insert(text.find(") ->"), ", %spans: tensor<?x2xi32>");
  text += R"mlir(
func.func private @spanned(%x: tensor<?x32xf32>, %spans: tensor<?x2xi32>)
    -> tensor<?x32xf32> {
  return %x : tensor<?x32xf32>
}
)mlir";
  Builder builder(text);
  EXPECT_EQ(builder.add("f"), "");
  Plan plan = builder.take();
  EXPECT_THAT(print(plan.schedules[0]),
              ElementsAre("embed w0 -> b0", "spanned b0 spans b1"));
  EXPECT_TRUE(plan.hasSpans());
}

TEST(PlanBuilder, RefusesOtherArguments) {
  std::string text = schedule("f", kEmbed);
  text.insert(text.find(") ->"), ", %a: index, %b: index");
  EXPECT_THAT(Builder(text).add("f"),
              HasSubstr("expects tokens, start, count and, of a mask with "
                        "spans, those, got 5 arguments"));
}

TEST(PlanBuilder, RefusesResultsThatAreNoBuffer) {
  EXPECT_THAT(
      errorOfBody("%w = flow.weight_ref @m::@final_norm : tensor<32xf32>\n",
                  "%w", "tensor<32xf32>"),
      HasSubstr("of a schedule must return one buffer of logits"));
  EXPECT_THAT(errorOfBody("", "%tokens", "tensor<?xi32>"),
              HasSubstr("of a schedule must return one buffer of logits"));
  EXPECT_THAT(errorOfBody("", "%start", "index"),
              HasSubstr("of a schedule must return one buffer of logits"));
}
