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
    `flow.derived_weight` (one with these sources that is there already, or a
    new one): the runtime does both once, when it
    packs. A weight has one meaning for the whole module, so it is offset only
    if every function that reads it adds 1.

    Example:

    ```mlir
    // Before
    %w = flow.weight_ref @m::@layer0::@ffn_norm : tensor<64xf32>
    %one = arith.constant dense<1.0> : tensor<64xf32>
    %w1 = arith.addf %w, %one : tensor<64xf32>
    // After, with `flow.weight @ffn_norm : tensor<64xf32> unit_offset`
    %w1 = flow.weight_ref @m::@layer0::@ffn_norm : tensor<64xf32>
    ```

    Refuses, saying why in a missed remark `weight-not-folded`:

    - an addition to a weight that is also read without it, that has a unit
      offset already, or that is no vector;
    - a concatenation of which only some parts are weights, along columns, or
      whose type does not say all its rows;
    - weights that do not stand in one layer, or are made of others themselves.

    A fold is a passed remark `weight-folded`.
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

    A cache that several attentions read is fused with the queries that come
    from the same input. Queries of which only a slice is read are all made.
    Values that are the raw keys (Gemma 4) share their projection: `k_eq_v`.
    The arithmetic that `flow-plan-numerics` has marked the projections with is
    that of the fused product.

    Refuses, saying why in a missed remark `qkv-not-fused` at the cache write
    (or at the attention, when the keys are not written to a cache):

    - queries, keys or values that are not a projection split into heads;
    - a cache that no attention reads;
    - projections of different inputs, that change the element type, or that are
      marked with different arithmetic;
    - queries or keys that are not rotated, or by different angles, and values
      that are;
    - one head norm without the other, head norms without weights or with
      weights of different types, a norm of the values with a weight, unequal
      epsilons;
    - a stage in another block or behind the cache write, or whose result
      others read too; queries that are read before the cache is written;
    - weights that are not the model's, have a layout already, do not stand in
      one layer or are made of others.

    A fusion is a passed remark `qkv-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseGatedMlp : Pass<"flow-fuse-gated-mlp", "::mlir::ModuleOp"> {
  let summary = "Gate and up in one product, then GELU, then down";
  let description = [{
    The two projections of one input, the gated activation and the projection
    back become one `flow.gated_mlp`; 16 rows of gate and up lie in turn in the
    derived weight, so that both halves of an activation come out of one
    register tile. Results are bit-equal. The arithmetic that
    `flow-plan-numerics` has marked the projections with stays that of the two
    products.

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

    - gate and up that are not two projections, of different inputs, or read by
      others too;
    - an activation that does not feed one product alone;
    - a stage in another block;
    - projections that change the element type, and gate and up that are marked
      with different arithmetic;
    - weights that are not the model's, have a layout already, differ in type or
      have rows in no multiple of 16, do not stand in one layer or are made of
      others.

    A fusion is a passed remark `mlp-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FusePerLayerGate : Pass<"flow-fuse-per-layer-gate"> {
  let summary = "The gate of a layer's embeddings and its two products in one";
  let description = [{
    The projection of the stream, the activation that it gates what a layer's
    embeddings say with, and the projection back become one
    `flow.per_layer_gate`. Results are bit-equal. The arithmetic that
    `flow-plan-numerics` has marked the projections with stays that of the two
    products. An activation between two projections is an MLP and left to
    `flow-fuse-gated-mlp`.

    Example:

    ```mlir
    // Before
    %g = flow.linear %x, %wg : …
    %h = flow.geglu %g, %embedded : tensor<?x32xf32>
    %y = flow.linear %h, %wo : …
    // After
    %y = flow.per_layer_gate %x, %wg, %embedded, %wo : …
    ```

    Refuses, saying why in a missed remark `gate-not-fused` at the activation:

    - a gate that others read too;
    - an activation that does not feed one product alone;
    - a stage in another block;
    - projections that change the element type.

    A fusion is a passed remark `gate-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseExperts : Pass<"flow-fuse-experts", "::mlir::ModuleOp"> {
  let summary = "The experts' MLPs as one stage that sorts rows by expert";
  let description = [{
    Gates and ups of all experts become one derived weight, 16 rows of each in
    turn, and `flow.moe` becomes `flow.grouped_mlp`: rows are sorted by expert,
    and each expert that was chosen has one gated MLP over its rows. Results are
    bit-equal.

    Example:

    ```mlir
    // Before
    %y = flow.moe %x to %e by %s, %gate, %up, %down : …
    // After
    %gu = flow.weight_ref @tiny::@layer0::@expert_gate_up : …
    %y = flow.grouped_mlp %x to %e by %s, %gu, %down : …
    ```

    Refuses, saying why in a missed remark `experts-not-fused` at the mixture:

    - an expert whose width is no multiple of 16;
    - experts that change the element type;
    - weights that are not the model's, do not stand in one layer or are made of
      others.

    A fusion is a passed remark `experts-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseRouter : Pass<"flow-fuse-router"> {
  let summary = "The router's product and the choice in one stage";
  let description = [{
    The projection of rows to one logit for each expert, and the choice of the
    largest, become one `flow.router`. Results are bit-equal. The arithmetic that
    `flow-plan-numerics` has marked the projection with stays.

    Example:

    ```mlir
    // Before
    %z = flow.linear %x, %w : …
    %e, %s = flow.route_experts %z scale %scale factor 1.25e-01 : …
    // After
    %e, %s = flow.router %x, %w scale %scale factor 1.25e-01 : …
    ```

    Refuses, saying why in a missed remark `router-not-fused` at the choice:

    - logits that are not a projection, stand in another block or are read by
      others too;
    - a projection that changes the element type.

    A fusion is a passed remark `router-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseHeadTopK : Pass<"flow-fuse-head-top-k"> {
  let summary = "The head and the choice of candidates in one stage";
  let description = [{
    The logits of rows, and the choice of the largest, become one
    `flow.lm_head_top_k`: there is no tensor of logits that others could read,
    and the cap is computed where logits are compared. Results are bit-equal.
    The arithmetic that `flow-plan-numerics` has marked the head with stays.

    Example:

    ```mlir
    // Before
    %l = flow.lm_head %x, %w softcap 3.0e+01 : …
    %v, %i = flow.top_k %l : …
    // After
    %v, %i = flow.lm_head_top_k %x, %w softcap 3.0e+01 : …
    ```

    Refuses, saying why in a missed remark `head-top-k-not-fused` at the choice:
    values that are not logits, logits of another block, and logits that others
    read too.

    A fusion is a passed remark `head-top-k-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseAddNorm : Pass<"flow-fuse-add-norm"> {
  let summary = "Fuse a residual add with the norms around it";
  let description = [{
    Turns `arith.addf` of the stream and a branch, and the `flow.rms_norm` that
    reads the sum, into one `flow.add_rms_norm`; a norm of the branch, if
    nobody else reads it, is taken in too. The sum stays available to its other
    users. A `flow.scale` of the sum (Gemma 4) is taken in too. Results are
    bit-equal.

    Example:

    ```mlir
    // Before
    %b = flow.rms_norm %a scale %wb : tensor<?x64xf32>, tensor<64xf32>
    %s = arith.addf %x, %b : tensor<?x64xf32>
    %n = flow.rms_norm %s scale %w : tensor<?x64xf32>, tensor<64xf32>
    // After
    %s, %n = flow.add_rms_norm %x, %a branch_scale %wb scale %w : tensor<?x64xf32>, tensor<64xf32>
    ```

    The norm of a branch stays outside, and the rest is fused, when others read
    it, it has no weight, or its epsilon, type of weight or block is not that of
    the sum's norm.

    Refuses, saying why in a missed remark `add-norm-not-fused`:

    - a norm without weight;
    - a sum from another block, or that is used in one;
    - a sum that is used before the norm: the fused op stands at the norm;
    - a sum that is also the weight;
    - a sum that others read before it is scaled, or a factor whose element type
      is not the weight's.

    A fusion is a passed remark `add-norm-fused`.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def FuseNormQuantize : Pass<"flow-fuse-norm-quantize"> {
  let summary = "Lay the rows of a norm out for the products that read them";
  let description = [{
    A `flow.quantize_rows` of a norm becomes the type of the norm's result: the
    rows are quantised or rounded where they are made, in one loop, and go from
    layer to layer in a quarter or half of the bytes. Results are bit-equal. It
    runs after `flow-choose-layouts`, which places the quantisations.

    Example:

    ```mlir
    // Before
    %s, %n = flow.add_rms_norm %x, %a scale %w : tensor<?x64xf32>, tensor<64xf32>
    %q = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
    // After
    %s, %q = flow.add_rms_norm %x, %a scale %w : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
    ```

    Refuses, saying why in a missed remark `norm-quantize-not-fused` at the
    quantisation:

    - a norm that others read too, as it is or in another layout;
    - a norm in another block.

    A fusion is a passed remark `norm-quantize-fused` at the norm.
  }];
  let dependentDialects = ["::flow::FlowDialect"];
}

def PlanNumerics : Pass<"flow-plan-numerics", "::mlir::ModuleOp"> {
  let summary = "Choose the arithmetic of each product";
  let description = [{
    Marks each product with the arithmetic of its weight: `i8`, exact integer
    dots of quantised rows with the file's own quants; `bf16`, dots of rounded
    rows with weights in bf16; or `f32`. With `auto` and `int8` a product is
    `i8` when every tensor that its weight is made of is stored in integer
    blocks, and `bf16` when every one is stored as bf16. With `bf16` every
    product is that, and its weight is rounded; with `f32` every product is
    f32. The marks are the discardable attributes `flow.arithmetic` and, for the second product of a
    gated MLP, `flow.hidden_arithmetic`.

    Example:

    ```mlir
    // Before, with @q stored as q8_0
    %y = flow.linear %x, %w : …
    // After
    %y = flow.linear %x, %w {flow.arithmetic = "i8"} : …
    ```

    Each choice is a passed remark `arithmetic` that says what the sources are
    stored as. Under `int8` and `bf16`, a product that is not what was asked for
    is a missed remark `not-int8` or `not-bf16`:

    - under `int8`, one with a source that is not stored in integer blocks;
    - one whose weight is not the model's;
    - one of rows that are not f32, which cannot be quantised;
    - one of rows of an odd number of values.

    Refuses with an error: unknown numerics.
  }];
  let options = [
    Option<"numerics", "numerics", "std::string", "\"auto\"",
           "auto, f32, bf16 or int8">
  ];
}

def ChooseLayouts : Pass<"flow-choose-layouts", "::mlir::ModuleOp"> {
  let summary = "Choose the packed layout of each weight and quantise rows";
  let description = [{
    Gives the weight of each product its `#flow.panels` as `flow-plan-numerics`
    marked it (f32 without a mark). The layout of integer panels is the narrowest
    that holds every source: blocks of 16 if one is q2_k, q3_k or q6_k, f32
    scales if one is a K-quant or iq4_xs, minima if one has them, and 4, 5, 6 or
    8 bits for the range of the quants of all. Rows are rounded or quantised
    once for all products that read them, in blocks of `rows-block`: 16 halve the divergence from
    f32 logits of 32, for 8 % of a decode step.

    Panels of 8 bits with scales of f16 and without minima have `leading` bits
    apart where nothing but `flow.lm_head_top_k` of one row multiplies with
    them: 5 for one candidate and 6 for up to 64, so that most rows of the
    head are ruled out without their other bits.

    Example:

    ```mlir
    // Before
    %w = flow.weight_ref @m::@layer0::@q : tensor<64x64xf32>
    %y = flow.linear %x, %w {flow.arithmetic = "i8"} : …
    // After
    %w = flow.weight_ref @m::@layer0::@q : tensor<64x64xf32, #flow.panels<i8, block = 32>>
    %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
    %y = flow.linear %r, %w : …
    ```

    With `weight-blocks`, which is for GPUs, a weight that is marked bf16 and
    whose sources are all stored in integer blocks keeps them, in
    `#flow.weight_blocks`: of 4 bits where all quants fit, else of 8, with scales
    and minima as above. So does the table of a `flow.embed`, so that one that
    serves as head too lies in memory once.

    A weight that is also read otherwise, such as an embedding that serves as
    head too, has a second `flow.weight_ref` without layout for that. A weight
    with a layout keeps it. Each layout is a passed remark `layout`.

    A head keeps its bits together, saying why in a missed remark
    `head-not-screened`: where others multiply with it, for several rows, for
    more candidates than that or than there are panels, and where heads ask for
    different numbers.

    Refuses with an error at the op:

    - a weight whose number of rows is no multiple of 32;
    - a product whose weight is no `flow.weight_ref`;
    - a product marked i8 of which a source is not stored in integer blocks,
      marked bf16 with an odd number of columns, or marked as something else
      than i8, bf16 and f32;
    - at the module: a `rows-block` that is neither 16 nor 32.
  }];
  let options = [
    Option<"rowsBlock", "rows-block", "int64_t", "16",
           "values of a row that share a scale: 16 or 32">,
    Option<"weightBlocks", "weight-blocks", "bool", "false",
           "keep integer blocks of weights beside rows of bf16">
  ];
  let dependentDialects = ["::flow::FlowDialect"];
}

#endif // FLOW_TRANSFORMS_FUSIONPASSES_TD
