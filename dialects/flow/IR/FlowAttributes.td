// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attributes: hyper-parameters, layer specs, masks, storage and layouts.

#ifndef FLOW_IR_FLOWATTRIBUTES_TD
#define FLOW_IR_FLOWATTRIBUTES_TD

include "flow/IR/FlowDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/TensorEncoding.td"

class Flow_Attr<string name, string attrMnemonic, list<Trait> traits = []>
    : AttrDef<Flow_Dialect, name, traits> {
  let mnemonic = attrMnemonic;
}

// A double, printed as MLIR prints floats and left out when it is the default.
class Flow_DoubleParameter<string default>
    : AttrOrTypeParameter<"::llvm::APFloat", "floating-point number"> {
  let defaultValue = "::llvm::APFloat(" # default # ")";
  let comparator = "$_lhs.bitwiseIsEqual($_rhs)";
  let parser = "::flow::parseFloatParameter($_parser)";
  let printer = "$_printer.printFloat($_self)";
}

//===----------------------------------------------------------------------===//
// Enumerations
//===----------------------------------------------------------------------===//

// Every storage type that a GGUF or safetensors file of a Gemma can hold by
// name. Whether it can be computed with is the importer's and packer's matter.
def Flow_Storage : I32Enum<"Storage", "how a weight is stored in its file", [
    I32EnumCase<"F32", 0, "f32">, I32EnumCase<"F16", 1, "f16">,
    I32EnumCase<"BF16", 2, "bf16">, I32EnumCase<"Q4_0", 3, "q4_0">,
    I32EnumCase<"Q4_1", 4, "q4_1">, I32EnumCase<"Q5_0", 5, "q5_0">,
    I32EnumCase<"Q5_1", 6, "q5_1">, I32EnumCase<"Q8_0", 7, "q8_0">,
    I32EnumCase<"Q2_K", 8, "q2_k">, I32EnumCase<"Q3_K", 9, "q3_k">,
    I32EnumCase<"Q4_K", 10, "q4_k">, I32EnumCase<"Q5_K", 11, "q5_k">,
    I32EnumCase<"Q6_K", 12, "q6_k">, I32EnumCase<"IQ4_NL", 13, "iq4_nl">,
    I32EnumCase<"IQ4_XS", 14, "iq4_xs">]> {
  let cppNamespace = "::flow";
}
def Flow_StorageAttr : EnumAttr<Flow_Dialect, Flow_Storage, "storage"> {
  let description = [{
    How a file holds the elements of a weight, by ggml's names.

    Example:

    ```mlir
    // flow.storage outside the op that it belongs to
    #stored = #flow<storage q8_0>
    ```
  }];
}

def Flow_NormPlacement : I32Enum<"NormPlacement", "where a layer normalises", [
    I32EnumCase<"Pre", 0, "pre">, I32EnumCase<"Sandwich", 1, "sandwich">]> {
  let cppNamespace = "::flow";
}
def Flow_NormPlacementAttr
    : EnumAttr<Flow_Dialect, Flow_NormPlacement, "norm_placement"> {
  let description = [{
    Where a layer normalises: before each branch (`pre`), or before and after
    it (`sandwich`).

    Example:

    ```mlir
    // flow.norm_placement outside the op that it belongs to
    #placed = #flow<norm_placement sandwich>
    ```
  }];
}

def Flow_MaskPattern : I32Enum<"MaskPattern", "direction of visibility", [
    I32EnumCase<"Causal", 0, "causal">, I32EnumCase<"Full", 1, "full">]> {
  let cppNamespace = "::flow";
}

def Flow_SpanRule : I32Enum<"SpanRule", "what a span does to a mask", [
    I32EnumCase<"None", 0, "none">, I32EnumCase<"Free", 1, "free">,
    I32EnumCase<"Windowed", 2, "windowed">]> {
  let cppNamespace = "::flow";
}

def Flow_Combine : I32Enum<"Combine", "how sources make a derived weight", [
    I32EnumCase<"Concat", 0, "concat">,
    I32EnumCase<"Interleave", 1, "interleave">]> {
  let cppNamespace = "::flow";
}
def Flow_CombineAttr : EnumAttr<Flow_Dialect, Flow_Combine, "combine"> {
  let description = [{
    How the sources of a `flow.derived_weight` become one matrix.

    Example:

    ```mlir
    // flow.combine outside the op that it belongs to
    #joined = #flow<combine interleave>
    ```
  }];
}

def Flow_BlockStart : I32Enum<"BlockStart", "the first block a tile visits", [
    I32EnumCase<"Zero", 0, "zero">, I32EnumCase<"Window", 1, "window">,
    I32EnumCase<"Span", 2, "span">]> {
  let cppNamespace = "::flow";
}

def Flow_BlockEnd : I32Enum<"BlockEnd", "the last block a tile visits", [
    I32EnumCase<"Row", 0, "row">, I32EnumCase<"Span", 1, "span">,
    I32EnumCase<"Total", 2, "total">]> {
  let cppNamespace = "::flow";
}

def Flow_PanelKind : I32Enum<"PanelKind", "element of a packed weight", [
    I32EnumCase<"F32", 0, "f32">, I32EnumCase<"I8", 1, "i8">,
    I32EnumCase<"BF16", 2, "bf16">]> {
  let cppNamespace = "::flow";
}

def Flow_ScaleKind : I32Enum<"ScaleKind", "element of block scales", [
    I32EnumCase<"F16", 0, "f16">, I32EnumCase<"F32", 1, "f32">]> {
  let cppNamespace = "::flow";
}

//===----------------------------------------------------------------------===//
// Model and layer specs
//===----------------------------------------------------------------------===//

def Flow_HyperAttr : Flow_Attr<"Hyper", "hyper"> {
  let summary = "Hyper-parameters of the whole model";
  let description = [{
    `hidden` is the width of the stream, `vocab` the number of rows of the
    embedding, `positions` the largest number of positions, `eps` the epsilon of
    every norm that does not state its own, `final_softcap` the cap on logits
    (0 = none).

    Example:

    ```mlir
    #tiny = #flow.hyper<hidden = 64, vocab = 512, positions = 256>
    #capped = #flow.hyper<hidden = 64, vocab = 512, positions = 256, eps = 1.0e-05, final_softcap = 3.0e+01>
    ```

    Constraints:

    - (C1) `hidden`, `vocab` and `positions` are positive, the first two below
      2^31.
    - (C2) `eps` is finite and positive.
    - (C3) `final_softcap` is finite and not negative.
  }];
  let parameters = (ins "int64_t":$hidden, "int64_t":$vocab,
    "int64_t":$positions, Flow_DoubleParameter<"1.0e-6">:$eps,
    Flow_DoubleParameter<"0.0">:$final_softcap);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Flow_AttentionSpecAttr : Flow_Attr<"AttentionSpec", "attention"> {
  let summary = "The attention of one layer, by its numbers";
  let description = [{
    `heads` query heads of `head_dim` share `kv_heads` key/value heads: head
    `h` reads `h / (heads / kv_heads)`. `scale` multiplies the scores
    (0 = `head_dim^-1/2`), `softcap` caps them before the mask (0 = none).
    `qk_norm` norms queries and keys per head before the rotation; `v_norm`
    norms values without a weight; with `k_eq_v` the value is the raw key
    projection and there is no value weight.

    Example:

    ```mlir
    #gemma3 = #flow.attention<heads = 4, kv_heads = 1, head_dim = 256, qk_norm = true>
    #gemma2 = #flow.attention<heads = 8, kv_heads = 4, head_dim = 256, softcap = 5.0e+01>
    ```

    Constraints:

    - (C1) `heads`, `kv_heads` and `head_dim` are positive and below 2^31,
      `head_dim` is even.
    - (C2) `heads mod kv_heads = 0`.
    - (C3) `scale` and `softcap` are finite and not negative.
  }];
  let parameters = (ins "int64_t":$heads, "int64_t":$kv_heads,
    "int64_t":$head_dim, Flow_DoubleParameter<"0.0">:$scale,
    Flow_DoubleParameter<"0.0">:$softcap,
    DefaultValuedParameter<"bool", "false">:$qk_norm,
    DefaultValuedParameter<"bool", "false">:$v_norm,
    DefaultValuedParameter<"bool", "false">:$k_eq_v);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The factor on q·k: `scale` as written, or `head_dim^-1/2`.
    double getEffectiveScale() const;
  }];
}

def Flow_FeedForwardAttr : Flow_Attr<"FeedForward", "feed_forward"> {
  let summary = "The feed-forward part of one layer, by its numbers";
  let description = [{
    A gated MLP of inner `width`, and beside it, when `experts` is not 0, a
    mixture of `experts` gated MLPs of inner `expert_width`, of which each row
    uses the best `top_k`.

    Example:

    ```mlir
    #dense = #flow.feed_forward<width = 2048>
    #mixture = #flow.feed_forward<width = 2112, experts = 128, top_k = 8, expert_width = 704>
    ```

    Constraints:

    - (C1) `width` is positive and below 2^31.
    - (C2) `experts`, `top_k` and `expert_width` are all positive and below 2^31,
      or all 0.
    - (C3) `top_k <= experts`.
  }];
  let parameters = (ins "int64_t":$width,
    DefaultValuedParameter<"int64_t", "0">:$experts,
    DefaultValuedParameter<"int64_t", "0">:$top_k,
    DefaultValuedParameter<"int64_t", "0">:$expert_width);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

def Flow_MaskPatternParameter : EnumParameter<Flow_MaskPattern> {
  let parser = "::flow::parseMaskPattern($_parser)";
}

def Flow_MaskAttr : Flow_Attr<"Mask", "mask"> {
  let summary = "Which keys a query sees, as a predicate on absolute positions";
  let description = [{
    ```
    visible(q, k) = 0 <= k && (pattern = full || seen)
    seen          = k <= q && near                      spans = none
                  | (k <= q && near) || sameSpan(q, k)  spans = free
                  | (k <= q || sameSpan(q, k)) && near  spans = windowed
    near          = window = 0 || q - k < window
    ```

    `q` and `k` are absolute token positions. A window of `W` shows exactly
    `W` keys up to the query, its own included; 0 means no window. Positions are
    absolute, so a ring of cache rows needs nothing new.

    A span is a range of positions, such as the tokens of one image, that see
    each other both ways; `sameSpan` holds for two positions of one span. The
    spans themselves are data: an operand of the attention. `windowed` spans
    reach no further back than the window, `free` spans do. A query's visible
    keys are one interval under every mask.

    A mask says no more than this. An arbitrary mask or bias tensor has no form
    and is refused where it is written.

    Example:

    ```mlir
    #causal = #flow.mask<causal>
    #local = #flow.mask<causal, window = 512>
    #all = #flow.mask<full>
    #images = #flow.mask<causal, spans = free>
    #local_images = #flow.mask<causal, window = 512, spans = windowed>
    ```

    Constraints:

    - (C1) `window >= 0`.
    - (C2) a `full` pattern has no window.
    - (C3) a `full` pattern has no spans: every key is seen already.
    - (C4) `windowed` spans need a window.
  }];
  let parameters = (ins Flow_MaskPatternParameter:$pattern,
    DefaultValuedParameter<"int64_t", "0">:$window,
    DefaultValuedParameter<"::flow::SpanRule", "::flow::SpanRule::None">:$spans);
  let assemblyFormat = "`<` $pattern (`,` struct($window, $spans)^)? `>`";
  let builders = [AttrBuilder<(ins "::flow::MaskPattern":$pattern,
    CArg<"int64_t", "0">:$window,
    CArg<"::flow::SpanRule", "::flow::SpanRule::None">:$spans), [{
      return $_get($_ctxt, pattern, window, spans);
    }]>];
  let skipDefaultBuilders = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool hasSpans() const { return getSpans() != SpanRule::None; }
    /// The predicate above, for `query >= 0`, any `key` and spans that are
    /// ascending and disjoint. A mask without spans does not look at them.
    bool isVisible(int64_t query, int64_t key,
                   ::llvm::ArrayRef<PositionSpan> spans = {}) const;
  }];
}

def Flow_KeyBlocksAttr : Flow_Attr<"KeyBlocks", "key_blocks"> {
  let summary = "The loop over key blocks that a mask was proven to allow";
  let description = [{
    A tile of query rows at absolute positions `[p0, p1]` visits the blocks of
    `size` consecutive positions from `first` to `last`:

    ```
    first = zero    block 0
          | window  block max(0, p0 - window + 1) / size
          | span    that of the window, or of the begin of p0's span if before
    last  = row     block p1 / size
          | span    that of the row, or of the last key of p1's span if behind
          | total   block (total - 1) / size
    ```

    Only the two ends of the tile count: what a row sees begins no earlier and
    ends no earlier than what the row before it sees. Blocks outside are skipped; inside, each score is
    compared with its row's bounds. `flow-select-masks` writes it; without it an
    attention visits all blocks that the cache holds.

    Example:

    ```mlir
    #whole = #flow.key_blocks<first = zero, size = 32>
    #sliding = #flow.key_blocks<first = window, size = 32>
    #both_ways = #flow.key_blocks<first = zero, last = total, size = 32>
    #images_of_a_band = #flow.key_blocks<first = span, last = span, size = 32>
    ```

    Constraints:

    - (C1) `size` is positive.
  }];
  let parameters = (ins EnumParameter<Flow_BlockStart>:$first,
    DefaultValuedParameter<"::flow::BlockEnd", "::flow::BlockEnd::Row">:$last,
    "int64_t":$size);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Layouts: encodings of tensor types
//===----------------------------------------------------------------------===//

def Flow_PanelsAttr : Flow_Attr<"Panels", "panels",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding, ["verifyEncoding"]>]> {
  let summary = "Encoding of a weight [N, K] packed in panels of 32 rows";
  let description = [{
    `f32`: one tensor `[N/32][K][32] f32`, element `(n, k)` at
    `[n/32][k][n mod 32]`.

    `bf16`: one tensor `[N/32][K/2][32][2] bf16`, element `(n, k)` at
    `[n/32][k/2][n mod 32][k mod 2]`, rounded to the nearest bf16, ties to even:
    the pairs are what `vdpbf16ps` and `tdpbf16ps` multiply.

    `i8`: quants `u = q + offset` of `bits` bits, scales `[N/32][K/block][32]` of
    `scale` type, and, with `min`, minima `[N/32][K/block][32] f32` holding
    `-m/128`; the value of `(n, k)` is `scale * q + m`. The unsigned quants are
    what `vpdpbusd` multiplies with signed activations; the offset returns
    through the row's block sum. Quants of

    - 8 bits are `[N/32][K/4][32][4] u8`, `u` at
      `[n/32][k/4][n mod 32][k mod 4]`.
    - fewer bits are `[N/32][K/8][32][4] u8`: the lower four bits of `u` at
      `[n/32][k/8][n mod 32][k mod 4]`, in the lower half of the byte if
      `k mod 8 < 4`, else in the upper half.
    - 5 and 6 bits have their `h = bits - 4` upper bits in a second tensor, with
      `c = 32/h` columns to a byte: `[N/32][K/c][32][4] u8`, at
      `[n/32][k/c][n mod 32][k mod 4]` from bit `h * (k mod c / 4)` on.

    With `leading`, the leading bits of quants of 8 bits, `u >> (8 - leading)`,
    lie as quants of so many bits would, and behind them is a tensor of the
    `l = 8 - leading` low bits, so that who needs no more than approximate values
    reads less: `[N/32][l * K/32][32][4] u8`, bit `i` of `u` at
    `[n/32][l * (k/32) + i][n mod 32][k mod 4]`, there bit `k mod 32 / 4`.

    Example:

    ```mlir
    #exact = #flow.panels<f32>
    #half = #flow.panels<bf16>
    #q8 = #flow.panels<i8, block = 32, scale = f16>
    #k_quants = #flow.panels<i8, block = 16, scale = f32, min = true>
    #q5_0 = #flow.panels<i8, block = 32, bits = 5, offset = 16>
    #q4_k = #flow.panels<i8, block = 32, scale = f32, min = true, bits = 4, offset = 0>
    #planes = #flow.panels<i8, block = 32, leading = 5>
    ```

    Constraints:

    - (C1) `i8` has a `block` of 16 or 32, `f32` and `bf16` have neither `block`,
      `scale`, `min`, `bits`, `offset` nor `leading`.
    - (C2) the tensor is `[N, K]`, static, not empty, of f32, `N mod 32 = 0`, and
      for `i8` `K mod 32 = 0`, for `bf16` `K mod 2 = 0`.
    - (C3) `bits` is 4, 5, 6 or 8, and `offset` is 128 for 8 bits, 0 or
      `2^(bits - 1)` for fewer.
    - (C4) `leading` is 0, which stands for all bits, or 5 or 6 with `bits = 8`,
      `scale = f16` and without `min`.
  }];
  let parameters = (ins EnumParameter<Flow_PanelKind>:$kind,
    DefaultValuedParameter<"int64_t", "0">:$block,
    DefaultValuedParameter<"::flow::ScaleKind", "::flow::ScaleKind::F16">:$scale,
    DefaultValuedParameter<"bool", "false">:$min,
    DefaultValuedParameter<"int64_t", "8">:$bits,
    DefaultValuedParameter<"int64_t", "128">:$offset,
    DefaultValuedParameter<"int64_t", "0">:$leading);
  let assemblyFormat = "`<` $kind (`,` struct($block, $scale, $min, $bits, $offset, $leading)^)? `>`";
  let builders = [AttrBuilder<(ins "::flow::PanelKind":$kind,
    CArg<"int64_t", "0">:$block,
    CArg<"::flow::ScaleKind", "::flow::ScaleKind::F16">:$scale,
    CArg<"bool", "false">:$min, CArg<"int64_t", "8">:$bits,
    CArg<"int64_t", "128">:$offset, CArg<"int64_t", "0">:$leading), [{
      return $_get($_ctxt, kind, block, scale, min, bits, offset, leading);
    }]>];
  let skipDefaultBuilders = 1;
  let genVerifyDecl = 1;
}

def Flow_WeightBlocksAttr : Flow_Attr<"WeightBlocks", "weight_blocks",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding, ["verifyEncoding"]>]> {
  let summary = "Encoding of a weight [N, K] as rows of integer blocks, for GPUs";
  let description = [{
    The file's own numbers: quants `q` of 8 or 4 bits, and for each `block` of
    them a scale, with `min` a minimum `m` behind it, both of `scale` type. The
    value is `scale * q + m`. A kernel multiplies them with rows of bf16.

    One tensor of bytes: the quants `[N][K * bits / 8]`, behind them the scales,
    whose rows are filled up to multiples of 4 bytes. Quants come in chunks of
    16 bytes, in the order in which the lanes of a warp want them: chunk `c` of a
    row is four words, and word `t` holds, with 8 bits, the signed quants of the
    columns

    ```
    16 c + 8 (i / 2 xor c / 4 mod 2) + 2 t + i mod 2      in byte i
    ```

    and with 4 bits, as `q + 8` without `min` and as `q` with it,

    ```
    32 c + 8 (i mod 4 xor c / 2 mod 4) + 2 t + i / 4      in bits 4 i to 4 i + 3
    ```

    Example:

    ```mlir
    #blocks = #flow.weight_blocks<bits = 8>
    #nibbles = #flow.weight_blocks<bits = 4, scale = f32, min = true>
    #short = #flow.weight_blocks<bits = 8, block = 16, scale = f32>
    ```

    Constraints:

    - (C1) `bits` is 4 or 8, and `block` 32, or 16 with `bits = 8` and
      `scale = f32`.
    - (C2) the tensor is `[N, K]`, static, not empty, of f32, and `K mod 32 = 0`.
  }];
  let parameters = (ins "int64_t":$bits,
    DefaultValuedParameter<"int64_t", "32">:$block,
    DefaultValuedParameter<"::flow::ScaleKind", "::flow::ScaleKind::F16">:$scale,
    DefaultValuedParameter<"bool", "false">:$min);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Flow_QuantizedRowsAttr : Flow_Attr<"QuantizedRows", "quantized_rows",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding, ["verifyEncoding"]>]> {
  let summary = "Encoding of rows quantised to signed 8-bit blocks";
  let description = [{
    Rows `[T, K]` as quants `[T][K] s8` and, for each `block` of values, one f32
    scale (`[T][K/block]`) and the i32 number `-128 * (sum of its quants)`
    (`[T][K/block]`), which starts the integer product against unsigned
    weights. The value is `scale * quant`.

    Example:

    ```mlir
    #rows = #flow.quantized_rows<block = 32>
    ```

    Constraints:

    - (C1) `block` is 16 or 32.
    - (C2) the tensor is `[T, K]` of f32 with `K` static and positive and
      `K mod 32 = 0`.
  }];
  let parameters = (ins "int64_t":$block);
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Flow_Bf16RowsAttr : Flow_Attr<"Bf16Rows", "bf16_rows",
    [DeclareAttrInterfaceMethods<VerifiableTensorEncoding, ["verifyEncoding"]>]> {
  let summary = "Encoding of rows rounded to bf16";
  let description = [{
    Rows `[T, K]` as `[T][K] bf16`, each value rounded to the nearest, ties to
    even. A value differs from the one that was rounded by at most 2^-8 of it.

    Example:

    ```mlir
    #rounded = #flow.bf16_rows
    ```

    Constraints:

    - (C1) the tensor is `[T, K]` of f32 with `K` static and positive and
      `K mod 2 = 0`.
  }];
}

// What a product can make of its rows.
def Flow_RowLayoutAttr : AnyAttrOf<[Flow_QuantizedRowsAttr, Flow_Bf16RowsAttr]>;

#endif // FLOW_IR_FLOWATTRIBUTES_TD
