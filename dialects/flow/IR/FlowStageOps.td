// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Stage ops: what one step of a decoder computes, row by row.

#ifndef FLOW_IR_FLOWSTAGEOPS_TD
#define FLOW_IR_FLOWSTAGEOPS_TD

include "flow/IR/FlowBase.td"

class Flow_RowwiseOp<string mnemonic, list<Trait> traits = []>
    : Flow_Op<mnemonic, traits # [
        DeclareOpInterfaceMethods<Flow_RowwiseOpInterface>]>;

//===----------------------------------------------------------------------===//
// Inputs
//===----------------------------------------------------------------------===//

def Flow_EmbedOp : Flow_Op<"embed", [Pure]> {
  let summary = "Look up token rows and scale them";
  let description = [{
    `result[t, :] = table[tokens[t], :] * scale`, `scale` rounded to f32 first,
    the product rounded once. A token outside the table is the caller's error:
    the runtime refuses it before a step begins.

    Example:

    ```mlir
    %x = flow.embed %tokens, %table scale 8.0e+00 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `result` is `[rows of tokens, columns of table]`.
    - (C2) `scale` is finite and positive.
  }];
  let arguments = (ins Arg<Flow_Tokens, "[T]">:$tokens,
    Arg<Flow_TableWeight, "[V, d]">:$table, F64Attr:$scale);
  let results = (outs Res<Flow_Matrix, "[T, d]">:$result);
  let assemblyFormat = [{
    $tokens `,` $table `scale` $scale attr-dict
    `:` type($tokens) `,` type($table) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Flow_RopeAnglesOp : Flow_Op<"rope_angles",
    [Pure, AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Cosines and sines of the rows' positions";
  let description = [{
    `result[t, i, 0] = cos(angle(start + t, i))` and
    `result[t, i, 1] = sin(angle(start + t, i))` with `angle` of the
    `flow.rope_table`, computed in f64 and rounded once.

    In a step of several sequences, `sequences` says where rows stand; rows of
    no sequence have position 0. Its rows are `(slot, first, count, start)`, one
    for each sequence: `count` rows from row `first` on, at the positions from
    `start` on, of the sequence that is kept in `slot` of the caches. It is for
    the caller to see that `count >= 1`, that the rows are in the step and the
    slot in the caches, and that no row or slot is two sequences'. Generated
    code moreover relies on `first` being a multiple of 12, but for a step of
    `single_rows`: an op that says so relies on sequence `t` having row `t` and
    no other (`first = t`, `count = 1`), and the step no row of none.

    Example:

    ```mlir
    %a = flow.rope_angles @tiny::@local at %start rows %rows : tensor<?x16x2xf32>
    %b = flow.rope_angles @tiny::@local sequences %s rows %rows : tensor<?x16x2xf32>
    ```

    Constraints:

    - (C1) the symbol is a `flow.rope_table`.
    - (C2) the type is `[T, head_dim/2, 2]` of f32.
    - (C3) there is either `start` or `sequences`.
  }];
  let arguments = (ins SymbolRefAttr:$table, Optional<Index>:$start,
    Optional<Flow_Sequences>:$sequences, Index:$rows);
  let results = (outs Res<Flow_Angles, "[T, head_dim/2, 2]">:$result);
  let assemblyFormat = [{
    $table (`at` $start^) : (`sequences` $sequences)? `rows` $rows attr-dict
    `:` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Normalisation
//===----------------------------------------------------------------------===//

def Flow_RmsNormOp : Flow_RowwiseOp<"rms_norm", [Pure]> {
  let summary = "Divide each row by its root mean square, then scale";
  let description = [{
    For every innermost row `x` of `input` (the last dimension, length `d`):

    ```
    r      = 1 / sqrt( (x[0]^2 + … + x[d-1]^2) / d + eps )
    y[i]   = x[i] * r * weight[i]      or x[i] * r without weight
    ```

    A head norm is the same op on `[T, H, D]`. Weights that a file stores
    centred on 0 are made `1 + w` when the model is loaded (`unit_offset` of
    `flow.weight`), so one form is enough here. A result in a layout of rows is
    what `flow.quantize_rows` makes of the norm, bit for bit.

    Numeric contract: squares, mean, `r` and both products are f32 whatever the
    element types; one rounding to the element type of `result`, at the end.
    With `u` the unit roundoff: `|y - exact| <= |exact| * ((d/2 + 6) * u(f32) +
    u(result))`, before a layout.

    Example:

    ```mlir
    %y = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
    %v = flow.rms_norm %h eps 1.0e-05 : tensor<?x2x32xf32>
    %q = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
    ```

    Constraints:

    - (C1) `rank(input) >= 1` and `d` is static and positive.
    - (C2) `result` has the type of `input`, or, of f32, with an encoding
      `#flow.quantized_rows` or `#flow.bf16_rows` more.
    - (C3) `shape(weight) = [d]`.
    - (C4) `eps` is finite and positive.
  }];
  let arguments = (ins
    Arg<Flow_Rows, "[..., d], any number of leading dimensions">:$input,
    Arg<Optional<Flow_Vector>, "[d]">:$weight,
    DefaultValuedAttr<F64Attr, "1.0e-6">:$eps);
  let results = (outs Res<Flow_LaidOutRows, "as `input`, laid out">:$result);
  let assemblyFormat = [{
    $input (`scale` $weight^)? (`eps` $eps^)?
    attr-dict `:` custom<NormTypes>(type($input), type($weight), type($result),
                                    ref($weight))
  }];
  let hasVerifier = 1;
}

def Flow_ScaleOp : Flow_RowwiseOp<"scale",
    [Pure, AllTypesMatch<["input", "result"]> /*scale (C1)*/]> {
  let summary = "Multiply a stream by a weight of the model";
  let description = [{
    `result[..., i] = input[..., i] * factor[0]`, one rounding. Gemma 4 ends each
    layer so, residual included.

    Example:

    ```mlir
    %y = flow.scale %x by %s : tensor<?x64xf32>, tensor<1xf32>
    ```

    Constraints:

    - (C1) `type(result) = type(input)`.
    - (C2) `shape(factor) = [1]`.
  }];
  let arguments = (ins Arg<Flow_Rows, "[..., d]">:$input,
    Arg<Flow_Vector, "[1]">:$factor);
  let results = (outs Res<Flow_Rows, "same type as `input`">:$result);
  let assemblyFormat = [{
    $input `by` $factor attr-dict `:` type($input) `,` type($factor)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

def Flow_LinearOp : Flow_RowwiseOp<"linear", [Pure]> {
  let summary = "Multiply rows by a weight matrix";
  let description = [{
    `result[t, n] = sum over k of input[t, k] * weight[n, k]`. There is no bias
    in any Gemma.

    Numeric contract, f32 operands: a chain of fused multiply-adds over
    ascending `k`, so the result of a row does not depend on the other rows.
    `|y - exact| <= K * u * sum |input||weight|` with `u = 2^-24`. With
    quantised rows and `i8` panels each block's integer product is exact, and
    the blocks are added in ascending order with one rounding for the product
    of scales and one for the addition (two more with minima). With
    `#flow.bf16_rows` and `bf16` panels products are exact, and groups of `k` are
    added in ascending order; whether a group is a pair or 32, the order within
    it, and whether numbers below 2^-126 count, is the machine's, alike for all
    rows. `|y - exact| <= K * (u * sum |input||weight|
    + 2^-126)`.

    Example:

    ```mlir
    %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
    %z = flow.linear %q, %p : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
    %b = flow.linear %h, %r : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, K]`, `weight` is `[N, K]` and static, `result` is
      `[T, N]`.
    - (C2) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it.
  }];
  let arguments = (ins Arg<Flow_ProductRows, "[T, K]">:$input,
    Arg<Flow_ProductWeight, "[N, K]">:$weight);
  let results = (outs Res<Flow_Matrix, "[T, N]">:$result);
  let assemblyFormat = [{
    $input `,` $weight attr-dict
    `:` type($input) `,` type($weight) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Flow_LmHeadOp : Flow_RowwiseOp<"lm_head", [Pure]> {
  let summary = "Logits of rows: the embedding as a product, then the cap";
  let description = [{
    `result = cap(linear(input, table))` with `cap(z) = softcap * tanh(z /
    softcap)`, or `z` without `softcap`. The table is the unscaled embedding
    unless the model has a head of its own.

    Numeric contract: that of `flow.linear`; the cap is f32.

    Example:

    ```mlir
    %l = flow.lm_head %x, %table : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
    %c = flow.lm_head %x, %table softcap 3.0e+01 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, d]`, `table` is `[V, d]` and static, `result` is
      `[T, V]`.
    - (C2) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it.
    - (C3) `softcap` is finite and positive.
  }];
  let arguments = (ins Arg<Flow_ProductRows, "[T, d]">:$input,
    Arg<Flow_ProductWeight, "[V, d]">:$table, OptionalAttr<F64Attr>:$softcap);
  let results = (outs Res<Flow_Matrix, "[T, V]">:$result);
  let assemblyFormat = [{
    $input `,` $table (`softcap` $softcap^)? attr-dict
    `:` type($input) `,` type($table) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Flow_GegluOp : Flow_RowwiseOp<"geglu",
    [Pure, AllTypesMatch<["gate", "up", "result"]> /*geglu (C1)*/]> {
  let summary = "The gated activation of the MLP";
  let description = [{
    ```
    result = g(gate) * up
    g(t)   = t/2 * (1 + tanh( sqrt(2/pi) * (t + 0.044715 t^3) ))
    ```

    always the tanh form, also where a configuration says `gelu`.

    Numeric contract: f32; `|y - exact| <= 2^-19 * |t * up| + 16 u |exact|`.

    Example:

    ```mlir
    %h = flow.geglu %gate, %up : tensor<?x128xf32>
    ```

    Constraints:

    - (C1) the three types are equal.
  }];
  let arguments = (ins Flow_Rows:$gate, Flow_Rows:$up);
  let results = (outs Flow_Rows:$result);
  let assemblyFormat = "$gate `,` $up attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

def Flow_RopeOp : Flow_RowwiseOp<"rope",
    [Pure, AllTypesMatch<["input", "result"]> /*rope (C2)*/]> {
  let summary = "Turn the pairs of each head by the angles of its row";
  let description = [{
    With `m = D/2`, for each row `t`, head `h` and `i < m`:

    ```
    result[t,h,i]   = x[i] * cos - x[i+m] * sin
    result[t,h,i+m] = x[i+m] * cos + x[i] * sin
    ```

    where `cos = angles[t,i,0]`, `sin = angles[t,i,1]`, `x = input[t,h,:]`.

    Numeric contract: f32, `|y - exact| <= 3 u (|x[i]| + |x[i+m]|)`.

    Example:

    ```mlir
    %r = flow.rope %q, %angles : tensor<?x2x32xf32>, tensor<?x16x2xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, H, D]` with `D` static, positive and even, `angles` is
      `[T, D/2, 2]`.
    - (C2) `type(result) = type(input)`.
  }];
  let arguments = (ins Arg<Flow_Heads, "[T, H, D]">:$input,
    Arg<Flow_Angles, "[T, D/2, 2]">:$angles);
  let results = (outs Flow_Heads:$result);
  let assemblyFormat = [{
    $input `,` $angles attr-dict `:` type($input) `,` type($angles)
  }];
  let hasVerifier = 1;
}

def Flow_KvAppendOp : Flow_Op<"kv_append",
    [Pure, AttrSizedOperandSegments,
     AllTypesMatch<["key", "value"]> /*kv_append (C2)*/,
     AllTypesMatch<["key_cache", "value_cache", "new_key_cache",
                    "new_value_cache"]> /*kv_append (C3)*/]> {
  let summary = "Write the rows of a step into a cache";
  let description = [{
    `cache[(start + t) mod C] = rows[t]` for `t < count`, for keys and values;
    rows from `count` on are padding and are not written. The other rows of the
    cache are kept. A value is rounded once, to the element type of the cache.

    With `sequences` (see `flow.rope_angles`) caches have a leading dimension of
    slots, and each sequence writes so to its own: `cache[slot, (start + t) mod
    C] = rows[first + t]` for `t < count`. Rows of no sequence are not written.
    With `single_rows` each has one.

    Example:

    ```mlir
    %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
    %k2, %v2 = flow.kv_append %k, %v into %ks, %vs sequences %s : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
    %k3, %v3 = flow.kv_append %k, %v into %ks, %vs sequences %s single_rows : tensor<?x1x32xf32>, tensor<?x?x1x32xf32>
    ```

    Constraints:

    - (C1) rows are `[T, K, D]`, caches `[C, K, D]`, or with `sequences`
      `[slots, C, K, D]`, with the same static `K` and `D`.
    - (C2) keys and values have the same type.
    - (C3) the four cache types are equal.
    - (C4) there are either `start` and `count` or `sequences`.
    - (C5) `single_rows` needs `sequences`.
  }];
  let arguments = (ins Flow_Heads:$key, Flow_Heads:$value,
    Flow_CacheRows:$key_cache, Flow_CacheRows:$value_cache,
    Optional<Index>:$start, Optional<Index>:$count,
    Optional<Flow_Sequences>:$sequences, UnitAttr:$single_rows);
  let results = (outs Flow_CacheRows:$new_key_cache,
    Flow_CacheRows:$new_value_cache);
  let assemblyFormat = [{
    $key `,` $value `into` $key_cache `,` $value_cache
    (`at` $start^ `count` $count) : (`sequences` $sequences)?
    (`single_rows` $single_rows^)? attr-dict
    `:` type($key) `,` type($key_cache)
  }];
  let hasVerifier = 1;
}

def Flow_AttentionOp : Flow_Op<"attention",
    [Pure, AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<Flow_RowwiseOpInterface, ["getStartOperand"]>,
     AllTypesMatch<["query", "result"]> /*attention (C2)*/,
     AllTypesMatch<["key", "value"]> /*attention (C3)*/]> {
  let summary = "Grouped-query attention under a positional mask";
  let description = [{
    Row `t` of `query` has the absolute position `start + t`. The keys present
    are the positions `j` with `max(0, total - S) <= j < total`, that of `j`
    being row `j mod S`: a ring of cache rows and a plain tensor of the step's
    own keys (`total <= S`) are the same thing. For head `h` and its key/value
    head `g = h / (H / K)`:

    ```
    z[j]          = cap( scale * <query[t,h,:], key[j mod S, g,:]> )
    cap(z)        = softcap * tanh(z / softcap), or z without softcap
    p             = softmax over { j : visible(start + t, j) } of z
    result[t,h,:] = sum over those j of p[j] * value[j mod S, g,:]
    ```

    The order scale → softcap → mask → softmax is fixed. `visible` is the
    predicate of `#flow.mask`. A row that sees no key gives zeros.

    Each row `(begin, end)` of `spans` is a span of the absolute positions
    `begin <= p < end`. Spans ascend and are disjoint: `0 <= begin < end <=` the
    next `begin`. The interpreter refuses others; compiled code takes, of spans
    that overlap, the last that holds a row, and reads no key that is not
    present. A row sees of its span what is present, so that a step must hold
    the whole of a span for its rows to see each other.

    With `sequences` (see `flow.rope_angles`) keys and values have a leading
    dimension of slots, and the rows of each sequence attend to its own slot:
    row `first + t` has the position `start + t`, and `total` is `start +
    count`. The result of a row of no sequence is anything. With `single_rows`
    each has one.

    Numeric contract: dot products, `z`, softmax and the weighted sum are f32;
    one rounding to the element type at the end. A row's result does not depend
    on the other rows of the step, nor on `S`. With `δ = (D + 2) u * scale *
    max_j sum |q||k|` and `ε` the relative error of `exp` (4e-7 here):
    `|o - exact| <= (e^(2 δ) - 1 + (n + 3) u + 2 ε) * max|v|` for `n` visible
    keys.

    Example:

    ```mlir
    %o = flow.attention %q at %start, %k, %v total %total mask <causal, window = 16> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
    %c = flow.attention %q at %start, %k, %v total %total mask <causal> blocks <first = zero, size = 32> scale 1.25e-01 softcap 5.0e+01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
    %i = flow.attention %q at %start, %k, %v total %total spans %s : tensor<?x2xi32> mask <causal, window = 16, spans = windowed> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
    %b = flow.attention %q sequences %s, %ks, %vs mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
    %d = flow.attention %q sequences %s single_rows, %ks, %vs mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
    ```

    Constraints:

    - (C1) `query` is `[T, H, D]`, `key` is `[S, K, D]`, or with `sequences`
      `[slots, S, K, D]`; `H`, `K`, `D` static and positive.
    - (C2) `type(result) = type(query)`.
    - (C3) `type(value) = type(key)`.
    - (C4) `D` is the same in `query` and `key`.
    - (C5) `H mod K = 0`.
    - (C6) `scale`, and `softcap` if given, are finite and positive.
    - (C7) `blocks` that start at the window need a mask with a window and
      without `free` spans, those that start at a span one with both.
    - (C8) `blocks` that end at the row need a causal mask without spans, those
      that end at a span a mask with spans.
    - (C9) `spans` are given if and only if the mask has spans.
    - (C10) `spans` is `[N, 2]`.
    - (C11) there are either `start` and `total` or `sequences`, and with
      `sequences` no spans.
    - (C12) `single_rows` needs `sequences`.
  }];
  let arguments = (ins
    Arg<Flow_Heads, "[T, H, D]">:$query, Optional<Index>:$start,
    Optional<Flow_Sequences>:$sequences,
    Arg<Flow_CacheRows, "[S, K, D]">:$key,
    Arg<Flow_CacheRows, "[S, K, D]">:$value,
    Optional<Index>:$total, Arg<Optional<Flow_Spans>, "[N, 2]">:$spans,
    Flow_MaskAttr:$mask, OptionalAttr<Flow_KeyBlocksAttr>:$blocks,
    F64Attr:$scale, OptionalAttr<F64Attr>:$softcap, UnitAttr:$single_rows);
  let results = (outs Flow_Heads:$result);
  let assemblyFormat = [{
    $query (`at` $start^) : (`sequences` $sequences)?
    (`single_rows` $single_rows^)? `,` $key `,` $value
    (`total` $total^)? (`spans` $spans^ `:` type($spans))?
    `mask` custom<Mask>($mask) (`blocks` $blocks^)? `scale` $scale
    (`softcap` $softcap^)? attr-dict `:` type($query) `,` type($key)
  }];
  let hasVerifier = 1;
}

#endif // FLOW_IR_FLOWSTAGEOPS_TD
