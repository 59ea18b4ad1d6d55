// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes from recipes to fused stages.

#ifndef FLOW_TRANSFORMS_PASSES_TD
#define FLOW_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def ExpandLayers : Pass<"flow-expand-layers", "::mlir::ModuleOp"> {
  let summary = "Replace layer recipes by their stages, for one phase";
  let description = [{
    Adds one function beside the model that runs a step of it: `@prefill` over
    any number of rows, `@decode` over one, `@verify` over a few, which is
    `@prefill` under the name that later pipelines know it by, `@batch` over
    rows of several sequences, or `@batch_decode` over one row of each of
    several. Its arguments are the tokens, the absolute position of the first
    one and the number of rows that hold tokens (the others are padding), and,
    where a mask has spans, those; the arguments of the batches are the tokens
    and the table of `sequences` that `flow.rope_angles` describes. Each layer
    becomes the stages of its recipe, in order; names such as
    `layer3/attention/q` stand on the locations. The recipes stay in the model.

    `logits` says what comes out: the logits of the `last` row, of `all` rows,
    or with `none` the normed rows themselves. With `top-k` the largest logits
    and their tokens come out in the place of logits. A layer without a cache attends
    within the step, whose rows are then positions 0, 1, … to its mask and the
    spans; the rotation knows their absolute positions all the same. Caches
    that name no type get that of `cache-type`, if it is given.

    Example:

    ```mlir
    // Before
    flow.layer @layer0 norms sandwich attention <heads = 2, kv_heads = 1, head_dim = 32>
        mask <causal, window = 16> rope @local cache @kv0 feed_forward <width = 128> { … }
    // After, beside it
    func.func @prefill(%tokens: tensor<?xi32>, %start: index, %count: index) -> tensor<1x512xf32> {
      %x = flow.embed %tokens, %table scale 8.0 : …
      %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
      %q = flow.linear %n, %wq : …
      …
    }
    ```

    Refuses with an error at the op, leaving the module as it was:

    - a module without exactly one model;
    - a model without layers, embedding or final norm;
    - a model whose function for this phase is there already;
    - an unknown phase, kind of logits or type of caches;
    - a `top-k` that is negative or more than there are tokens, or of anything
      but logits of the last row;
    - a batch with logits of the `last` row, of which each sequence has one, or
      of a model with a layer without cache.
  }];
  let options = [
    Option<"phase", "phase", "std::string", "\"prefill\"",
           "prefill, decode, verify, batch or batch_decode">,
    Option<"logits", "logits", "std::string", "\"last\"",
           "rows with logits: last, all or none">,
    Option<"topK", "top-k", "int64_t", "0",
           "end with so many of the largest logits and their tokens; 0 = with "
           "logits">,
    Option<"cacheType", "cache-type", "std::string", "\"\"",
           "what caches that do not say keep keys and values as: f32, bf16 or "
           "f16">
  ];
  let dependentDialects = ["::flow::FlowDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::tensor::TensorDialect"];
}

def SelectMasks : Pass<"flow-select-masks"> {
  let summary = "Give each attention the tightest loop that its mask allows";
  let description = [{
    A window that is no shorter than the longest context cannot hide a key, and
    is dropped; spans that it limited are free from then on. Where nothing
    bounds the context, no window is dropped.

    Spans are dropped where the only row of a step has no key behind it, unless
    they are free and a window hides keys that they show. That is proven where
    `total` is `start` plus 1, or plus the count of the append of one row that
    made the keys, as in decode.

    What is left decides the loop over key blocks: from position 0, from the
    window, or, where free spans may reach before it, from the span of the
    tile's first row; to the block of the tile's last row, of that row's span,
    or of the last key.

    Example:

    ```mlir
    // Before
    %o = flow.attention %q at %start, %k, %v total %total mask <causal, window = 16> scale 1.25e-01 : …
    // After
    %o = flow.attention %q at %start, %k, %v total %total mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 : …
    ```

    A windowed attention is a passed remark `windowed` that names the layer,
    the window and why; a dropped window is a passed remark `window-dropped`;
    an attention without a window is a missed remark `not-windowed`. Spans are a
    passed remark `spans-dropped` or a missed one `spans-kept`, with the reason.
    An analysis remark `key-blocks` counts, for the last row of the longest
    context outside any span, the blocks skipped, full and partial.

    Refuses with an error a block that is not positive and a negative context.
  }];
  let options = [
    Option<"block", "block", "int64_t", "32", "keys of a block">,
    Option<"context", "context", "int64_t", "0",
           "largest number of positions; 0 = that of the models below">
  ];
  let dependentDialects = ["::flow::FlowDialect"];
}

def PlanCache : Pass<"flow-plan-cache", "::mlir::ModuleOp"> {
  let summary = "Keep only what queries can still see: rings for windows";
  let description = [{
    A cache that only windowed attentions read becomes a ring: once no query
    can see a row any more it is written again. The capacity in rows is
    `window - 1 + chunk`, rounded up to blocks of 32: the first query of a step
    of `chunk` rows still needs the `window - 1` keys before it.

    Example:

    ```mlir
    // Before
    flow.kv_cache @kv0 kv_heads 1 head_dim 32
    // After, when its attention has `mask <causal, window = 16>`
    flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
    ```

    A ring is a passed remark `ring-cache`; the longest window of the readers
    counts, also of those in a function that the cache is handed to, as after
    `flow-share-layers`. An analysis remark `cache-size` gives the rows
    (`capacity`) and `bytes`, for steps of at most `chunk` rows. A cache that
    nothing names is erased, with a passed remark `cache-erased`.

    Refuses, saying why in a missed remark:

    - `full-cache`: an attention without a window or with free spans, or anything
      that is no attention, reads the cache. It keeps every position, and loses a ring
      that it had;
    - `unused-cache`: no attention reads it, but a layer or reference names it.

    A `chunk` that is not positive and a negative `context` are errors.
  }];
  let options = [
    Option<"chunk", "chunk", "int64_t", "512", "rows of a step at most">,
    Option<"context", "context", "int64_t", "0",
           "largest number of positions; 0 = the model's">
  ];
  let dependentDialects = ["::flow::FlowDialect"];
}

def SliceLastToken : Pass<"flow-slice-last-token"> {
  let summary = "Compute only the rows that are read in the end";
  let description = [{
    Moves the slice of one row that stands before the final norm above the
    row-wise stages that feed it, up to the last attention, whose query is
    sliced and whose start moves with it. Nothing after the last attention then
    runs for rows whose logits nobody reads. The values are the same bit for
    bit.

    Example:

    ```mlir
    // Before
    %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
    %l = tensor.extract_slice %y[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
    // After
    %s = tensor.extract_slice %x[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
    %l = flow.linear %s, %w : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
    ```

    Any row will do, a fixed one or one that is computed. Each step is a passed
    remark `row-sliced`.

    Refuses, saying why in a missed remark `row-not-sliced` at the op where the
    slice stops:

    - an op whose rows depend on each other (a cache write, an unknown op), or
      whose rows are found by a table of sequences;
    - a result that others read whole, or of which another row is read too;
    - a slice in another block, which may run often or never;
    - rows whose length is not known.

    A slice of several rows, or of a part of a row, is not looked at.
  }];
  let dependentDialects = ["::flow::FlowDialect", "::mlir::arith::ArithDialect",
    "::mlir::tensor::TensorDialect"];
}

def ShareLayers : Pass<"flow-share-layers", "::mlir::ModuleOp"> {
  let summary = "Outline one function for each class of layers";
  let description = [{
    The stages of each layer (ops whose location is named `layer<i>/…`), and
    those of the head, move into a private function that gets weights, caches
    and rows as arguments, in the order of their first use. Layers whose
    functions are equal but for names and locations share one, so compile time
    does not grow with depth. What is left of the step is its schedule:
    references, the embedding, the angles, and calls. Scalar arithmetic, and
    rows and quantised rows of what the schedule makes itself, are repeated in
    each function that needs them. Caches leave the function that
    writes them as results.

    Calls, and ops without a layer's name, stay in the schedule. One that reads
    a stage, or has effects, divides the layer around it in two functions.

    Example:

    ```mlir
    // Before
    %n0 = flow.rms_norm %x scale %w0 : … loc("layer0/attention_norm")
    %n1 = flow.rms_norm %n0 scale %w1 : … loc("layer1/attention_norm")
    // After
    %n0 = call @prefill_layer0(%x, %w0) : …
    %n1 = call @prefill_layer0(%n0, %w1) : …
    ```

    Each class is a passed remark `layers-shared` that lists its layers; the
    counts are an analysis remark `layer-classes`.

    Refuses, saying why in a missed remark:

    - `layers-not-shared`: a function without named stages, or with branches;
    - `stage-not-shared`: a stage without a layer's name, which stays.
  }];
  let dependentDialects = ["::flow::FlowDialect",
    "::mlir::func::FuncDialect"];
}

def VerifyPhase : Pass<"flow-verify-phase", "::mlir::ModuleOp"> {
  let summary = "Check what may be left between two phases";
  let description = [{
    Read-only. By `phase`:

    - `recipe`: exactly one `flow.model`, and no stage outside functions;
    - `stages`: no value has a layout (packed weights, quantised rows) and no
      function serves a class of layers;
    - `fused`: every attention has its blocks, and every product (`linear`,
      `lm_head`, `qkv_rope_append`, `gated_mlp`) reads packed weights. Stages
      that no fusion took are legal;
    - `shared`: functions hold either a schedule (references, embedding,
      angles, calls, scalars) or stages, not both, and the function of a class
      holds stages.

    Example:

    ```mlir
    // Before
    %o = flow.attention %q at %start, %k, %v total %total mask <causal> scale 1.0 : …
    // After: the same, and with phase=fused an error, since it has no key blocks
    %o = flow.attention %q at %start, %k, %v total %total mask <causal> scale 1.0 : …
    ```

    Refuses with an error at the op: what is left and may not be.
  }];
  let options = [
    Option<"phase", "phase", "std::string", "\"recipe\"",
           "recipe, stages, fused or shared">
  ];
}

include "flow/Transforms/FusionPasses.td"

#endif // FLOW_TRANSFORMS_PASSES_TD
