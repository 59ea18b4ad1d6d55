// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The weights that a recipe needs, by family.

#include "flow/IR/FlowOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

#include <string>

using namespace flow;

namespace {

class WeightRolesTest : public testing::Test {
protected:
  WeightRolesTest() { context.loadDialect<FlowDialect>(); }

  /// The roles of a layer of hidden size 640 with these specs, as text. The
  /// layer need not hold them.
  std::string roles(const std::string &norms, const std::string &attention,
                    const std::string &feedForward = "<width = 2048>") {
    mlir::ParserConfig config(&context, /*verifyAfterParse=*/false);
    auto module = mlir::parseSourceString<mlir::ModuleOp>(
        "flow.model @m <hidden = 640, vocab = 512, positions = 256> {\n"
        "flow.layer @layer0 norms " +
            norms + " attention " + attention +
            " mask <causal> rope @local feed_forward " + feedForward +
            " {\n}\n}",
        config);
    if (!module)
      return "does not parse";
    std::string result;
    module->walk([&](LayerOp layer) {
      for (const WeightRole &role : getWeightRoles(layer)) {
        result += role.name.str() + "[";
        for (int64_t extent : role.shape)
          result += (result.back() == '[' ? "" : ",") + std::to_string(extent);
        result += "] ";
      }
    });
    return result;
  }

  mlir::MLIRContext context;
};

TEST_F(WeightRolesTest, PreNormsAlone) {
  EXPECT_EQ(roles("pre", "<heads = 8, kv_heads = 1, head_dim = 256>"),
            "attention_norm[640] q[2048,640] k[256,640] v[256,640] "
            "o[640,2048] ffn_norm[640] gate[2048,640] up[2048,640] "
            "down[640,2048] ");
}

// T4
TEST_F(WeightRolesTest, SandwichAddsTwoNormsAfterTheirBranches) {
  EXPECT_EQ(roles("sandwich", "<heads = 8, kv_heads = 4, head_dim = 256>"),
            "attention_norm[640] q[2048,640] k[1024,640] v[1024,640] "
            "o[640,2048] post_attention_norm[640] ffn_norm[640] "
            "gate[2048,640] up[2048,640] down[640,2048] post_ffn_norm[640] ");
}

TEST_F(WeightRolesTest, HeadNormsAreAsLongAsAHead) {
  EXPECT_EQ(roles("sandwich",
                  "<heads = 4, kv_heads = 1, head_dim = 256, qk_norm = true>"),
            "attention_norm[640] q[1024,640] k[256,640] v[256,640] q_norm[256] "
            "k_norm[256] o[640,1024] post_attention_norm[640] ffn_norm[640] "
            "gate[2048,640] up[2048,640] down[640,2048] post_ffn_norm[640] ");
}

TEST_F(WeightRolesTest, KeysThatAreValuesNeedNoValueWeight) {
  EXPECT_EQ(roles("pre", "<heads = 2, kv_heads = 1, head_dim = 512, "
                         "v_norm = true, k_eq_v = true>"),
            "attention_norm[640] q[1024,640] k[512,640] o[640,1024] "
            "ffn_norm[640] gate[2048,640] up[2048,640] down[640,2048] ");
}

TEST_F(WeightRolesTest, ExpertsStandBesideTheDenseMlp) {
  EXPECT_EQ(roles("sandwich", "<heads = 1, kv_heads = 1, head_dim = 2>",
                  "<width = 7, experts = 4, top_k = 2, expert_width = 3>"),
            "attention_norm[640] q[2,640] k[2,640] v[2,640] o[640,2] "
            "post_attention_norm[640] "
            "ffn_norm[640] gate[7,640] up[7,640] down[640,7] "
            "post_dense_norm[640] router_scale[640] router[4,640] "
            "expert_scale[4] expert_norm[640] expert_gate[12,640] "
            "expert_up[12,640] expert_down[2560,3] post_expert_norm[640] "
            "post_ffn_norm[640] ");
}

TEST_F(WeightRolesTest, LargestSpecsDoNotOverflow) {
  EXPECT_EQ(roles("pre", "<heads = 2147483647, kv_heads = 1, "
                         "head_dim = 2147483646>")
                .substr(0, 42),
            "attention_norm[640] q[4611686011984936962,");
}

} // namespace
