// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Each fused stage equals the stages that it is made of, bit for bit.

#include "TestModule.h"

#include "flow/Ggml/Types.h"

#include <cstring>

using namespace flow;

namespace {

/// All results of both texts for the same arguments.
void expectEqual(const std::string &fused, const std::string &parts,
                 const std::vector<InterpretedValue> &arguments) {
  std::vector<Tensor> a = TestModule(fused).tensors(arguments);
  std::vector<Tensor> b = TestModule(parts).tensors(arguments);
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (auto [x, y] : llvm::zip_equal(a, b)) {
    EXPECT_EQ(x.shape, y.shape);
    // As bytes, so that zeros have signs.
    ASSERT_EQ(x.values.size(), y.values.size());
    EXPECT_EQ(std::memcmp(x.values.data(), y.values.data(),
                          x.values.size() * sizeof(float)),
              0);
  }
}

std::string replaceAll(std::string text, const std::string &from,
                       const std::string &to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
       at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

Tensor asBf16(Tensor tensor) {
  for (float &value : tensor.values)
    value = ggml::bf16ToF32(ggml::f32ToBf16(value));
  return tensor;
}

const char *kAddNorm = R"(
func.func @f(%x: tensor<?x48xf32>, %b: tensor<?x48xf32>, %wb: tensor<48xf32>, %w: tensor<48xf32>) -> (tensor<?x48xf32>, tensor<?x48xf32>) {
  %s, %n = flow.add_rms_norm %x, %b branch_scale %wb scale %w eps 1.0e-05 : tensor<?x48xf32>, tensor<48xf32>
  return %s, %n : tensor<?x48xf32>, tensor<?x48xf32>
})";
const char *kAddNormParts = R"(
func.func @f(%x: tensor<?x48xf32>, %b: tensor<?x48xf32>, %wb: tensor<48xf32>, %w: tensor<48xf32>) -> (tensor<?x48xf32>, tensor<?x48xf32>) {
  %bn = flow.rms_norm %b scale %wb eps 1.0e-05 : tensor<?x48xf32>, tensor<48xf32>
  %s = arith.addf %x, %bn : tensor<?x48xf32>
  %n = flow.rms_norm %s scale %w eps 1.0e-05 : tensor<?x48xf32>, tensor<48xf32>
  return %s, %n : tensor<?x48xf32>, tensor<?x48xf32>
})";

const char *kQkvSignature = R"(
func.func @f(%x: tensor<?x24xf32>, %w: tensor<64x24xf32>, %qn: tensor<8xf32>, %kn: tensor<8xf32>, %a: tensor<?x4x2xf32>, %kc: tensor<?x2x8xf32>, %vc: tensor<?x2x8xf32>, %start: index, %count: index) -> (tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>) {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %x, %c0 : tensor<?x24xf32>
)";
const char *kQkvReturn = R"(
  return %q, %k1, %v1 : tensor<?x4x8xf32>, tensor<?x2x8xf32>, tensor<?x2x8xf32>
})";

/// The stages from rows to caches, with the head norms that are written.
std::string qkvParts(const std::string &norms) {
  return std::string(kQkvSignature) + R"(
  %wq = tensor.extract_slice %w[0, 0] [32, 24] [1, 1] : tensor<64x24xf32> to tensor<32x24xf32>
  %wk = tensor.extract_slice %w[32, 0] [16, 24] [1, 1] : tensor<64x24xf32> to tensor<16x24xf32>
  %wv = tensor.extract_slice %w[48, 0] [16, 24] [1, 1] : tensor<64x24xf32> to tensor<16x24xf32>
  %ql = flow.linear %x, %wq : tensor<?x24xf32>, tensor<32x24xf32> -> tensor<?x32xf32>
  %kl = flow.linear %x, %wk : tensor<?x24xf32>, tensor<16x24xf32> -> tensor<?x16xf32>
  %vl = flow.linear %x, %wv : tensor<?x24xf32>, tensor<16x24xf32> -> tensor<?x16xf32>
  %qh = tensor.expand_shape %ql [[0], [1, 2]] output_shape [%rows, 4, 8] : tensor<?x32xf32> into tensor<?x4x8xf32>
  %kh = tensor.expand_shape %kl [[0], [1, 2]] output_shape [%rows, 2, 8] : tensor<?x16xf32> into tensor<?x2x8xf32>
  %vh = tensor.expand_shape %vl [[0], [1, 2]] output_shape [%rows, 2, 8] : tensor<?x16xf32> into tensor<?x2x8xf32>
)" + norms +
         R"(
  %q = flow.rope %q2, %a : tensor<?x4x8xf32>, tensor<?x4x2xf32>
  %k = flow.rope %k2, %a : tensor<?x2x8xf32>, tensor<?x4x2xf32>
  %k1, %v1 = flow.kv_append %k, %v2 into %kc, %vc at %start count %count : tensor<?x2x8xf32>, tensor<?x2x8xf32>
)" + kQkvReturn;
}

std::string qkvFused(const std::string &norms, const std::string &types) {
  return std::string(kQkvSignature) +
         "  %q, %k1, %v1 = flow.qkv_rope_append "
         "%x, %w " +
         norms +
         R"( rope %a into %kc, %vc at %start count %count : tensor<?x24xf32>, tensor<64x24xf32>, )" +
         types + R"(tensor<?x4x2xf32>, tensor<?x2x8xf32> -> tensor<?x4x8xf32>
)" + kQkvReturn;
}

std::vector<InterpretedValue> qkvArguments() {
  return {share(randomTensor({3, 24}, 51)),
          share(randomTensor({64, 24}, 52)),
          share(randomTensor({8}, 53)),
          share(randomTensor({8}, 54)),
          share(randomTensor({3, 4, 2}, 55)),
          share(randomTensor({5, 2, 8}, 56)),
          share(randomTensor({5, 2, 8}, 57)),
          4, // the rows wrap around
          2};
}

const char *kDown = "tensor<64x64xf32>";
const char *kPackedDown =
    "tensor<64x64xf32, #flow.panels<i8, block = 16, scale = f32>>";

std::string mlpSignature(const std::string &down) {
  return "func.func @f(%x: tensor<?x32xf32>, %w: tensor<128x32xf32>, %d: " +
         down + ") -> tensor<?x64xf32> {\n";
}
const char *kMlpReturn = "  return %y : tensor<?x64xf32>\n}";

std::string mlpFused(const std::string &down, const std::string &hidden) {
  return mlpSignature(down) + "  %y = flow.gated_mlp %x, %w, %d " + hidden +
         " : tensor<?x32xf32>, tensor<128x32xf32>, " + down +
         " -> tensor<?x64xf32>\n" + kMlpReturn;
}

/// Rows of gate and up taken apart again, 16 in turn, up to `tail`, which makes
/// %y of the rows %h.
std::string mlpParts(const std::string &down, const std::string &tail) {
  std::string text = mlpSignature(down), gates, ups;
  for (int i = 0; i < 8; ++i) {
    std::string value = "%p" + std::to_string(i);
    text += "  " + value + " = tensor.extract_slice %w[" +
            std::to_string(16 * i) +
            ", 0] [16, 32] [1, 1] : tensor<128x32xf32> to tensor<16x32xf32>\n";
    (i % 2 ? ups : gates) += (i < 2 ? "" : ", ") + value;
  }
  std::string four = "(tensor<16x32xf32>, tensor<16x32xf32>, "
                     "tensor<16x32xf32>, tensor<16x32xf32>) -> "
                     "tensor<64x32xf32>\n";
  text += "  %wg = tensor.concat dim(0) " + gates + " : " + four;
  text += "  %wu = tensor.concat dim(0) " + ups + " : " + four;
  return text + R"(
  %g = flow.linear %x, %wg : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  %u = flow.linear %x, %wu : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  %h = flow.geglu %g, %u : tensor<?x64xf32>
)" + tail +
         kMlpReturn;
}

const char *kPlainTail = R"(
  %y = flow.linear %h, %d : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
)";
const char *kQuantizedTail = R"(
  %q = flow.quantize_rows %h : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y = flow.linear %q, %d : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<64x64xf32, #flow.panels<i8, block = 16, scale = f32>> -> tensor<?x64xf32>
)";

std::vector<InterpretedValue> mlpArguments() {
  return {share(randomTensor({3, 32}, 61)), share(randomTensor({128, 32}, 62)),
          share(randomTensor({64, 64}, 63))};
}

TEST(Fused, PerLayerGate) {
  std::string signature = R"(
func.func @f(%x: tensor<?x24xf32>, %g: tensor<8x24xf32>, %p: tensor<?x8xf32>, %o: tensor<16x8xf32>) -> tensor<?x16xf32> {)";
  std::string fused = signature + R"(
  %y = flow.per_layer_gate %x, %g, %p, %o : tensor<?x24xf32>, tensor<8x24xf32>, tensor<?x8xf32>, tensor<16x8xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
})";
  std::string parts = signature + R"(
  %a = flow.linear %x, %g : tensor<?x24xf32>, tensor<8x24xf32> -> tensor<?x8xf32>
  %h = flow.geglu %a, %p : tensor<?x8xf32>
  %y = flow.linear %h, %o : tensor<?x8xf32>, tensor<16x8xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
})";
  Tensor x = randomTensor({5, 24}, 41), g = randomTensor({8, 24}, 42);
  Tensor p = randomTensor({5, 8}, 43), o = randomTensor({16, 8}, 44);
  expectEqual(fused, parts, {share(x), share(g), share(p), share(o)});
}

} // namespace

// T23
TEST(Fused, AddRmsNormOfANormedBranch) {
  expectEqual(kAddNorm, kAddNormParts,
              {share(randomTensor({3, 48}, 1)), share(randomTensor({3, 48}, 2)),
               share(randomTensor({48}, 3)), share(randomTensor({48}, 4))});
}

TEST(Fused, AddRmsNormInBf16RoundsBetween) {
  auto bf16 = [](const char *text) {
    return replaceAll(text, "?x48xf32", "?x48xbf16");
  };
  expectEqual(bf16(kAddNorm), bf16(kAddNormParts),
              {share(asBf16(randomTensor({3, 48}, 1))),
               share(asBf16(randomTensor({3, 48}, 2))),
               share(randomTensor({48}, 3)), share(randomTensor({48}, 4))});
}

TEST(Fused, AddRmsNormOfAPlainBranch) {
  std::string fused = replaceAll(kAddNorm, "branch_scale %wb ", "");
  std::string parts =
      replaceAll(kAddNormParts, "arith.addf %x, %bn", "arith.addf %x, %b");
  expectEqual(fused, parts,
              {share(randomTensor({3, 48}, 1)), share(randomTensor({3, 48}, 2)),
               share(randomTensor({48}, 3)), share(randomTensor({48}, 4))});
}

TEST(Fused, AddRmsNormOfAScaledSum) {
  std::string fused = replaceAll(kAddNorm, "branch_scale %wb ",
                                 "branch_scale %wb sum_scale %c ");
  std::string parts = replaceAll(
      replaceAll(kAddNormParts, "%s = arith.addf", "%t = arith.addf"),
      "  %n = flow",
      "  %s = flow.scale %t by %c : tensor<?x48xf32>, "
      "tensor<1xf32>\n  %n = flow");
  for (std::string *text : {&fused, &parts})
    *text = replaceAll(*text, "%w: tensor<48xf32>)",
                       "%w: tensor<48xf32>, %c: tensor<1xf32>)");
  Tensor factor({1});
  factor.values[0] = 0.3f;
  expectEqual(fused, parts,
              {share(randomTensor({3, 48}, 1)), share(randomTensor({3, 48}, 2)),
               share(randomTensor({48}, 3)), share(randomTensor({48}, 4)),
               share(factor)});
}

TEST(Fused, NormsInALayout) {
  for (std::string layout :
       {"#flow.quantized_rows<block = 16>", "#flow.quantized_rows<block = 32>",
        "#flow.bf16_rows"}) {
    auto withLayout = [&](std::string text, const std::string &last) {
      text = replaceAll(text, "?x48x", "?x64x");
      text = replaceAll(text, "<48x", "<64x");
      text = replaceAll(text, "(tensor<?x64xf32>, tensor<?x64xf32>)",
                        "(tensor<?x64xf32>, $Q)");
      text = replaceAll(text, ": tensor<?x64xf32>, tensor<?x64xf32>\n",
                        ": tensor<?x64xf32>, $Q\n");
      text = replaceAll(text, "  return %s, %n", last);
      return replaceAll(text, "$Q", "tensor<?x64xf32, " + layout + ">");
    };
    std::string fused =
        withLayout(replaceAll(kAddNorm, ": tensor<?x48xf32>, tensor<48xf32>\n",
                              ": tensor<?x48xf32>, tensor<48xf32> -> $Q\n"),
                   "  return %s, %n");
    std::string parts = withLayout(
        kAddNormParts, "  %q = flow.quantize_rows %n : tensor<?x64xf32> -> "
                       "$Q\n  return %s, %q");
    // The norm of the branch stays as it is; that of the sum alone is laid out.
    std::string norm = replaceAll(parts, "%s, %q :", "%s, %p :");
    norm = replaceAll(norm, "  return",
                      "  %p = flow.rms_norm %s scale %w eps 1.0e-05 : "
                      "tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, " +
                          layout + ">\n  return");
    std::vector<InterpretedValue> arguments = {
        share(randomTensor({3, 64}, 1)), share(randomTensor({3, 64}, 2)),
        share(randomTensor({64}, 3)), share(randomTensor({64}, 4))};
    expectEqual(fused, parts, arguments);
    expectEqual(norm, parts, arguments);
  }
}

// T21, T24
TEST(Fused, QkvWithHeadNorms) {
  expectEqual(qkvFused("norms %qn, %kn", "tensor<8xf32>, "), qkvParts(R"(
  %q2 = flow.rms_norm %qh scale %qn : tensor<?x4x8xf32>, tensor<8xf32>
  %k2 = flow.rms_norm %kh scale %kn : tensor<?x2x8xf32>, tensor<8xf32>
  %v2 = tensor.cast %vh : tensor<?x2x8xf32> to tensor<?x2x8xf32>
)"),
              qkvArguments());
}

TEST(Fused, QkvWithoutNorms) {
  expectEqual(qkvFused("", ""), qkvParts(R"(
  %q2 = tensor.cast %qh : tensor<?x4x8xf32> to tensor<?x4x8xf32>
  %k2 = tensor.cast %kh : tensor<?x2x8xf32> to tensor<?x2x8xf32>
  %v2 = tensor.cast %vh : tensor<?x2x8xf32> to tensor<?x2x8xf32>
)"),
              qkvArguments());
}

TEST(Fused, QkvWithValueNorm) {
  expectEqual(qkvFused("norms %qn, %kn v_norm", "tensor<8xf32>, "), qkvParts(R"(
  %q2 = flow.rms_norm %qh scale %qn : tensor<?x4x8xf32>, tensor<8xf32>
  %k2 = flow.rms_norm %kh scale %kn : tensor<?x2x8xf32>, tensor<8xf32>
  %v2 = flow.rms_norm %vh : tensor<?x2x8xf32>
)"),
              qkvArguments());
}

// T21
TEST(Fused, QkvOfRawKeys) {
  std::string fused =
      qkvFused("k_eq_v norms %qn, %kn v_norm", "tensor<8xf32>, ");
  fused = replaceAll(fused, "%x, %w k_eq_v", "%x, %u k_eq_v");
  fused = replaceAll(fused, "tensor<?x24xf32>, tensor<64x24xf32>, ",
                     "tensor<?x24xf32>, tensor<48x24xf32>, ");
  fused.insert(fused.find("  %q, %k1"),
               "  %u = tensor.extract_slice %w[0, 0] [48, 24] [1, 1] : "
               "tensor<64x24xf32> to tensor<48x24xf32>\n");
  expectEqual(fused, qkvParts(R"(
  %q2 = flow.rms_norm %qh scale %qn : tensor<?x4x8xf32>, tensor<8xf32>
  %k2 = flow.rms_norm %kh scale %kn : tensor<?x2x8xf32>, tensor<8xf32>
  %v2 = flow.rms_norm %kh : tensor<?x2x8xf32>
)"),
              qkvArguments());
}

TEST(Fused, QkvStoresItsCache) {
  std::string text = R"(
flow.model @m <hidden = 24, vocab = 8, positions = 64> {
  flow.kv_cache @kv0 kv_heads 2 head_dim 8
}
)" + qkvFused("", "");
  text =
      replaceAll(text, "%kc: tensor<?x2x8xf32>, %vc: tensor<?x2x8xf32>, ", "");
  text.insert(text.find("  %c0"),
              "  %kc, %vc = flow.cache_ref @m::@kv0 : tensor<?x2x8xf32>\n");
  std::vector<InterpretedValue> arguments = qkvArguments();
  arguments.erase(arguments.begin() + 5, arguments.begin() + 7);
  TestModule module(text);
  std::vector<Tensor> results = module.tensors(arguments);
  ASSERT_EQ(results.size(), 3u);
  mlir::MLIRContext *context = module.module->getContext();
  CacheState::Rows rows = module.caches.lookup(mlir::SymbolRefAttr::get(
      context, "m", {mlir::FlatSymbolRefAttr::get(context, "kv0")}));
  ASSERT_TRUE(rows.key);
  EXPECT_EQ(rows.key->values, results[1].values);
  EXPECT_EQ(rows.value->values, results[2].values);
}

// T22
TEST(Fused, GatedMlp) {
  expectEqual(mlpFused(kDown, ""), mlpParts(kDown, kPlainTail), mlpArguments());
}

TEST(Fused, GatedMlpWithQuantizedRowsBetween) {
  std::string fused =
      mlpFused(kPackedDown, "hidden(#flow.quantized_rows<block = 16>)");
  expectEqual(fused, mlpParts(kPackedDown, kQuantizedTail), mlpArguments());
  // The control: quantised rows are other rows.
  EXPECT_NE(TestModule(fused).run(mlpArguments()).values,
            TestModule(mlpFused(kDown, "")).run(mlpArguments()).values);
}
