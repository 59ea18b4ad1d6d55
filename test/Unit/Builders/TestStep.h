// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model in text form, and a step of it to build layers in.

#ifndef FLOW_TEST_UNIT_BUILDERS_TESTSTEP_H
#define FLOW_TEST_UNIT_BUILDERS_TESTSTEP_H

#include "flow/Builders/GemmaLayerBuilder.h"
#include "flow/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace flow {

/// A context that knows what builders emit, and keeps what is reported.
class TestContext {
public:
  TestContext() : context(dialects()) {
    context.loadAllAvailableDialects();
    context.getDiagEngine().registerHandler([&](mlir::Diagnostic &diagnostic) {
      reported += diagnostic.str() + "\n";
      return mlir::success();
    });
  }

  mlir::MLIRContext context;
  std::string reported;

private:
  static mlir::DialectRegistry dialects() {
    mlir::DialectRegistry registry;
    registry
        .insert<FlowDialect, mlir::arith::ArithDialect, mlir::func::FuncDialect,
                mlir::math::MathDialect, mlir::tensor::TensorDialect>();
    return registry;
  }
};

/// The model of a module of one model.
inline ModelOp modelOf(mlir::ModuleOp module) {
  return *module.getOps<ModelOp>().begin();
}

/// A module of the text, or null and a failure.
inline mlir::OwningOpRef<mlir::ModuleOp> parseModule(TestContext &test,
                                                     const std::string &text) {
  auto module =
      mlir::parseSourceString<mlir::ModuleOp>(text, &test.context, "test");
  EXPECT_TRUE(module) << test.reported;
  return module;
}

/// The function `phase` of a module whose layers `build` makes: what
/// `flow-expand-layers` makes of recipes. `build` gets the step and the stream
/// and returns the stream after the last layer, or a failure.
inline mlir::LogicalResult buildStep(
    mlir::ModuleOp module, llvm::StringRef phase,
    llvm::function_ref<mlir::FailureOr<mlir::Value>(GemmaStep &, mlir::Value)>
        build,
    StepLogits logits = StepLogits::Last) {
  ModelOp model = modelOf(module);
  mlir::OpBuilder b(module.getContext());
  b.setInsertionPointAfter(model);
  mlir::Location loc = model.getLoc();
  auto tokens = mlir::RankedTensorType::get(
      {phase == "decode" ? 1 : mlir::ShapedType::kDynamic}, b.getI32Type());
  auto function = mlir::func::FuncOp::create(
      b, loc, phase,
      b.getFunctionType({tokens, b.getIndexType(), b.getIndexType()}, {}));
  function->setAttr("flow.phase", b.getStringAttr(phase));
  mlir::Block *entry = function.addEntryBlock();
  b.setInsertionPointToStart(entry);
  mlir::FailureOr<GemmaStep> step = GemmaStep::create(
      b, model,
      {entry->getArgument(0), entry->getArgument(1), entry->getArgument(2)});
  if (failed(step))
    return mlir::failure();
  mlir::FailureOr<mlir::Value> stream = build(*step, step->getEmbedded());
  if (failed(stream))
    return mlir::failure();
  mlir::Value result = step->createHead(*stream, logits);
  mlir::func::ReturnOp::create(b, loc, result);
  function.setFunctionType(
      b.getFunctionType(entry->getArgumentTypes(), result.getType()));
  return verify(module);
}

/// The text of the module after `flow-expand-layers`.
inline std::string expand(mlir::ModuleOp module, llvm::StringRef phase) {
  mlir::OwningOpRef<mlir::ModuleOp> copy = module.clone();
  mlir::PassManager passes(module.getContext());
  passes.addPass(createExpandLayers({phase.str(), "last"}));
  EXPECT_TRUE(succeeded(passes.run(*copy)));
  std::string text;
  llvm::raw_string_ostream(text) << *copy;
  return text;
}

/// The text of the module.
inline std::string textOf(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream(text) << module;
  return text;
}

/// A model of one layer with four norms and norms on queries and keys.
inline constexpr const char *kOneLayer = R"mlir(
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @final_norm : tensor<64xf32>
  flow.weight @square : tensor<64x64xf32>
  flow.rope_table @local theta 1.0e+04 head_dim 32
  flow.rope_table @wide theta 1.0e+04 head_dim 64
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.kv_cache @kv_wide kv_heads 2 head_dim 32
  flow.layer @layer0 norms sandwich
      attention <heads = 2, kv_heads = 1, head_dim = 32, qk_norm = true>
      mask <causal, window = 16> rope @local cache @kv0
      feed_forward <width = 128> {
    flow.weight @attention_norm : tensor<64xf32>
    flow.weight @q : tensor<64x64xf32> storage q8_0
    flow.weight @k : tensor<32x64xf32> storage q8_0
    flow.weight @v : tensor<32x64xf32> storage q8_0
    flow.weight @q_norm : tensor<32xf32>
    flow.weight @k_norm : tensor<32xf32>
    flow.weight @o : tensor<64x64xf32> storage q8_0
    flow.weight @post_attention_norm : tensor<64xf32>
    flow.weight @ffn_norm : tensor<64xf32>
    flow.weight @gate : tensor<128x64xf32> storage q8_0
    flow.weight @up : tensor<128x64xf32> storage q8_0
    flow.weight @down : tensor<64x128xf32> storage q8_0
    flow.weight @post_ffn_norm : tensor<64xf32>
  }
}
)mlir";

/// The attention of that layer.
inline SelfAttention attentionOf(mlir::ModuleOp module) {
  auto layer = modelOf(module).lookupSymbol<LayerOp>("layer0");
  return {layer.getAttention(), layer.getMask(), "local", "kv0"};
}

} // namespace flow

#endif // FLOW_TEST_UNIT_BUILDERS_TESTSTEP_H
