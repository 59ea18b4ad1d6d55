// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A recipe of small layers, and what it takes to compile it.

#ifndef FLOW_TEST_COMPILER_TESTRECIPES_H
#define FLOW_TEST_COMPILER_TESTRECIPES_H

#include "flow/Compiler/Compiler.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <gtest/gtest.h>

#include <string>

namespace flow {

/// The text of a recipe: a layer whose cache is a ring of `window` positions
/// and, of two layers, one that sees all. They share their rope table, and one
/// weight of each has a name of its own in the file.
inline std::string testRecipe(int layers = 2, int64_t window = 16) {
  std::string text =
      "flow.model @gemma <hidden = 32, vocab = 64, positions = 128> {\n"
      "  flow.weight @embedding : tensor<64x32xf32> storage q8_0\n"
      "  flow.weight @final_norm : tensor<32xf32> unit_offset\n"
      "  flow.rope_table @rope theta 1.0e+04 head_dim 32\n";
  for (int i = 0; i != layers; ++i) {
    std::string number = std::to_string(i);
    std::string ring = " ring " + std::to_string(window);
    std::string windowed = ", window = " + std::to_string(window);
    text += "  flow.kv_cache @kv" + number + " kv_heads 1 head_dim 32" +
            (i == 0 ? ring : "") + "\n  flow.layer @layer" + number +
            " norms pre\n"
            "      attention <heads = 1, kv_heads = 1, head_dim = 32>\n"
            "      mask <causal" +
            (i == 0 ? windowed : "") + "> rope @rope cache @kv" + number +
            "\n      feed_forward <width = 32> {\n"
            "    flow.weight @attention_norm : tensor<32xf32>\n"
            "    flow.weight @q : tensor<32x32xf32> storage q4_0\n"
            "    flow.weight @k : tensor<32x32xf32> storage q4_0\n"
            "    flow.weight @v : tensor<32x32xf32> storage q4_0\n"
            "    flow.weight @o : tensor<32x32xf32> storage q4_0\n"
            "    flow.weight @ffn_norm : tensor<32xf32>\n"
            "    flow.weight @gate : tensor<32x32xf32> storage q4_0\n"
            "    flow.weight @up : tensor<32x32xf32> storage q4_0\n"
            "    flow.weight @down : tensor<32x32xf32> storage q4_0 from "
            "\"blk." +
            number + ".ffn_down.weight\"\n  }\n";
  }
  return text + "}\n";
}

/// IR text parsed in a context of its own that knows all our dialects.
class TestRecipe {
public:
  explicit TestRecipe(const std::string &text = testRecipe())
      : context(dialects()), module(mlir::parseSourceString<mlir::ModuleOp>(
                                 text, &context, "test")) {
    EXPECT_TRUE(module) << "the text of the test does not parse";
  }

  mlir::ModuleOp operator*() { return *module; }

  std::string print() {
    std::string text;
    llvm::raw_string_ostream(text) << *module;
    return text;
  }

private:
  static mlir::DialectRegistry dialects() {
    mlir::DialectRegistry registry;
    registerAllDialects(registry);
    return registry;
  }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

inline CpuTarget testTarget(llvm::StringRef cpu = "x86-64-v3") {
  return llvm::cantFail(resolveCpuTarget(cpu));
}

} // namespace flow

#endif // FLOW_TEST_COMPILER_TESTRECIPES_H
