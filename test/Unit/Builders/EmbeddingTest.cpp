// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The programs of docs/Embedding.md, compiled and run.

#include "TestStep.h"

#include "flow/Builders/FamilyPresets.h"
#include "flow/Builders/GemmaLayerBuilder.h"
#include "flow/Pipelines/Pipelines.h"

using namespace mlir;

namespace {

// A layer of a Gemma 1 with a stage of another dialect after its attention.
FailureOr<Value> addLayer(flow::GemmaStep &step, Value stream,
                          const flow::SelfAttention &attention,
                          flow::KeysAndValues &tap) {
  return flow::GemmaLayerBuilder(step, "layer0", stream)
      .residualSave()
      .rmsNorm("attention_norm")
      .selfAttention(attention)
      .kvTap(tap)
      .linear("o")
      .named("damp")
      .stage([](ImplicitLocOpBuilder &b, Value x) -> Value {
        return math::TanhOp::create(b, x);
      })
      .residualAdd()
      .residualSave()
      .rmsNorm("ffn_norm")
      .geGlu()
      .residualAdd()
      .finish();
}

// One step of a model with that layer: the function that the passes read.
LogicalResult addDecodeStep(ModuleOp module, flow::ModelOp model) {
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  Location loc = model.getLoc();
  auto tokens = RankedTensorType::get({1}, b.getI32Type());
  auto logits =
      RankedTensorType::get({1, model.getHyper().getVocab()}, b.getF32Type());
  auto function = func::FuncOp::create(
      b, loc, "decode",
      b.getFunctionType({tokens, b.getIndexType(), b.getIndexType()}, logits));
  function->setAttr("flow.phase", b.getStringAttr("decode"));
  Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  FailureOr<flow::GemmaStep> step = flow::GemmaStep::create(
      b, model,
      {entry->getArgument(0), entry->getArgument(1), entry->getArgument(2)});
  if (failed(step))
    return failure();
  auto layer = model.lookupSymbol<flow::LayerOp>("layer0");
  flow::KeysAndValues tap;
  FailureOr<Value> stream =
      addLayer(*step, step->getEmbedded(),
               {layer.getAttention(), layer.getMask(), "rope", "kv0"}, tap);
  if (failed(stream))
    return failure();
  Value result = step->createHead(*stream, flow::StepLogits::Last);
  func::ReturnOp::create(b, loc, result);
  return success();
}

// The recipe of a small Gemma 1.
llvm::Expected<flow::ModelOp> addModel(ModuleOp module) {
  flow::GemmaSizes sizes;
  sizes.hidden = 64;
  sizes.vocab = 512;
  sizes.positions = 256;
  sizes.layers = 1;
  sizes.heads = 2;
  sizes.kvHeads = 1;
  sizes.headDim = 32;
  sizes.width = 128;
  sizes.matrices = flow::Storage::Q8_0;
  OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
  return flow::createModel(b, module.getLoc(), "m", flow::GemmaFamily::Gemma1,
                           sizes);
}

// From stages to linalg.
LogicalResult compile(ModuleOp module) {
  PassManager passes(module.getContext());
  flow::PipelineOptions options;
  flow::buildFusionPipeline(passes, options);
  flow::buildLinalgPipeline(passes, options);
  return passes.run(module);
}

} // namespace

TEST(Embedding, TheProgramsOfThePage) {
  flow::TestContext test;
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(UnknownLoc::get(&test.context));
  llvm::Expected<flow::ModelOp> model = addModel(*module);
  ASSERT_TRUE(static_cast<bool>(model)) << llvm::toString(model.takeError());
  ASSERT_TRUE(succeeded(addDecodeStep(*module, *model))) << test.reported;
  ASSERT_TRUE(succeeded(verify(*module))) << test.reported;
  ASSERT_TRUE(succeeded(compile(*module))) << test.reported;
  // One layer and the head; the foreign op is in the layer.
  int functions = 0, foreign = 0;
  module->walk([&](func::FuncOp function) {
    ++functions;
    EXPECT_TRUE(function.getName() == "decode_layer0" ||
                function.getName() == "decode_head")
        << function.getName().str();
  });
  module->walk(
      [&](math::TanhOp op) { foreign += isa<RankedTensorType>(op.getType()); });
  EXPECT_EQ(functions, 2);
  EXPECT_EQ(foreign, 1);
  EXPECT_EQ(test.reported, "");
}
