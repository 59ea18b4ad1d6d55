// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes that fuse stages and plan arithmetic and layouts.

#ifndef FLOW_TRANSFORMS_FUSIONPASSES_TD
#define FLOW_TRANSFORMS_FUSIONPASSES_TD

include "mlir/Pass/PassBase.td"

def FoldWeights : Pass<"flow-fold-weights", "::mlir::ModuleOp"> {
  let summary = "Move arithmetic on weights to load time";
  let description = [{
    Adding 1 to a norm weight becomes `unit_offset` of the `flow.weight`, and
    putting matrices of one layer below each other becomes a
    `flow.derived_weight`: the runtime does both once, when it packs.

    Example:

    ```mlir
    // Before
    %w = flow.weight_ref @m::@layer0::@ffn_norm : tensor<64xf32>
    %one = arith.constant dense<1.0> : tensor<64xf32>
    %w1 = arith.addf %w, %one : tensor<64xf32>
    // After, with `flow.weight @ffn_norm : tensor<64xf32> unit_offset`
    %w1 = flow.weight_ref @m::@layer0::@ffn_norm : tensor<64xf32>
    ```

    Refuses, with a missed remark `weight-not-folded`: a weight that is also
    read without the addition, one that has a unit offset already, matrices of
    different layers. A fold is a passed remark `weight-folded`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseQkv : Pass<"flow-fuse-qkv", "::mlir::ModuleOp"> {
  let summary = "One product for queries, keys and values, with all that follows";
  let description = [{
    The three projections of one input, the head norms, the rotation and the
    cache write become one `flow.qkv_rope_append` over the concatenated
    weights, which the runtime puts together when it loads the model. Results
    are bit-equal.

    Example:

    ```mlir
    // Before
    %q = flow.linear %n, %wq : …
    %k = flow.linear %n, %wk : …
    %v = flow.linear %n, %wv : …
    // … expand_shape, rms_norm, rope of each …
    %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %start count %count : …
    // After
    %qr, %k1, %v1 = flow.qkv_rope_append %n, %wqkv norms %qn, %kn rope %a into %kc, %vc at %start count %count : …
    ```

    Refuses, saying why in a missed remark `qkv-not-fused` at the cache write:
    inputs or angles that differ, one head norm without the other, unequal
    epsilons, values taken from the raw keys, weights of different layers,
    intermediate values that others read. A fusion is a passed remark
    `qkv-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseGatedMlp : Pass<"flow-fuse-gated-mlp", "::mlir::ModuleOp"> {
  let summary = "Gate and up in one product, then GELU, then down";
  let description = [{
    The two projections of one input, the gated activation and the projection
    back become one `flow.gated_mlp`; 16 rows of gate and up lie in turn in the
    derived weight, so that both halves of an activation come out of one
    register tile. Results are bit-equal.

    Example:

    ```mlir
    // Before
    %g = flow.linear %x, %wg : …
    %u = flow.linear %x, %wu : …
    %h = flow.geglu %g, %u : tensor<?x128xf32>
    %d = flow.linear %h, %wd : …
    // After
    %d = flow.gated_mlp %x, %wgu, %wd : …
    ```

    Refuses, saying why in a missed remark `mlp-not-fused` at the activation:
    different inputs, values that others read too, an activation that feeds no
    single product, weights of different layers, a width that is no multiple of
    16. A fusion is a passed remark `mlp-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseAddNorm : Pass<"flow-fuse-add-norm"> {
  let summary = "Fuse a residual add with the norms around it";
  let description = [{
    Turns `arith.addf` of the stream and a branch, and the `flow.rms_norm` that
    reads the sum, into one `flow.add_rms_norm`; a norm of the branch, if
    nobody else reads it, is taken in too. The sum stays available to its other
    users. Results are bit-equal.

    Example:

    ```mlir
    // Before
    %b = flow.rms_norm %a scale %wb : tensor<?x64xf32>, tensor<64xf32>
    %s = arith.addf %x, %b : tensor<?x64xf32>
    %n = flow.rms_norm %s scale %w : tensor<?x64xf32>, tensor<64xf32>
    // After
    %s, %n = flow.add_rms_norm %x, %a branch_scale %wb scale %w : tensor<?x64xf32>, tensor<64xf32>
    ```

    Refuses, saying why in a missed remark `add-norm-not-fused`: a norm without
    weight, a sum from another block, a sum that is read before the norm.
    A fusion is a passed remark `add-norm-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def PlanNumerics : Pass<"flow-plan-numerics", "::mlir::ModuleOp"> {
  let summary = "Choose the arithmetic of each product";
  let description = [{
    Marks each product with the arithmetic of its weight: `i8`, exact integer
    dots of quantised rows with the file's own quants, or `f32`. With `auto`
    and `int8` a product is `i8` when every tensor that its weight is made of
    is stored in integer blocks; with `f32` none is. The marks are the
    discardable attributes `flow.arithmetic` and, for the second product of a
    gated MLP, `flow.hidden_arithmetic`.

    Example:

    ```mlir
    // Before, with @q stored as q8_0
    %y = flow.linear %x, %w : …
    // After
    %y = flow.linear %x, %w {flow.arithmetic = "i8"} : …
    ```

    Each choice is a passed remark `arithmetic`; under `int8`, a product of
    floating-point weights stays f32 and is a missed remark `not-int8`.
    Refuses with an error: unknown numerics.
  }];
  let options = [
    Option<"numerics", "numerics", "std::string", "\"auto\"",
           "auto, f32 or int8">
  ];
}

def ChooseLayouts : Pass<"flow-choose-layouts", "::mlir::ModuleOp"> {
  let summary = "Choose the packed layout of each weight and quantise rows";
  let description = [{
    Gives the weight of each product its `#flow.panels` as `flow-plan-numerics`
    marked it (f32 without a mark). The layout of 8-bit panels is the narrowest
    that holds every source: blocks of 16 if one is q6_k, f32 scales if one is
    a K-quant, minima if one has them. Rows are quantised once for all products
    that read them.

    Example:

    ```mlir
    // Before
    %w = flow.weight_ref @m::@layer0::@q : tensor<64x64xf32>
    %y = flow.linear %x, %w {flow.arithmetic = "i8"} : …
    // After
    %w = flow.weight_ref @m::@layer0::@q : tensor<64x64xf32, #flow.panels<i8, block = 32>>
    %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<sums = 32>>
    %y = flow.linear %r, %w : …
    ```

    Each layout is a passed remark `layout`. Refuses with an error at the op: a
    weight whose rows are no multiple of 32, or whose row length is none under
    i8; a product whose weight is no `flow.weight_ref`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

#endif // FLOW_TRANSFORMS_FUSIONPASSES_TD
