// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Fused stages: what passes make of neighbouring stages.

#ifndef FLOW_IR_FLOWFUSEDOPS_TD
#define FLOW_IR_FLOWFUSEDOPS_TD

include "flow/IR/FlowStageOps.td"

def Flow_AddRmsNormOp : Flow_RowwiseOp<"add_rms_norm",
    [Pure, AttrSizedOperandSegments, AllTypesMatch<["stream", "branch", "sum"]>
     /*add_rms_norm (C1)*/]> {
  let summary = "Residual add and the norm that follows it";
  let description = [{
    ```
    sum    = stream + branch                      no branch_weight
           | stream + rms_norm(branch) * branch_weight
    sum    = sum * sum_scale                      with sum_scale
    normed = rms_norm(sum) * weight
    ```

    Equals `flow.rms_norm`, `arith.addf`, `flow.scale`, `flow.rms_norm` bit for
    bit, and `flow.quantize_rows` after them where `normed` is in a layout of
    rows. Both norms use `eps`.

    Example:

    ```mlir
    %s, %n = flow.add_rms_norm %x, %b scale %w : tensor<?x64xf32>, tensor<64xf32>
    %t, %m = flow.add_rms_norm %x, %b branch_scale %wb scale %w : tensor<?x64xf32>, tensor<64xf32>
    %u, %l = flow.add_rms_norm %x, %b branch_scale %wb sum_scale %c scale %w : tensor<?x64xf32>, tensor<64xf32>
    %y, %q = flow.add_rms_norm %x, %b scale %w : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
    ```

    Constraints:

    - (C1) `stream`, `branch` and `sum` have one type `[..., d]`, `d` static and
      positive. `normed` has it too, or, of f32, with an encoding
      `#flow.quantized_rows` or `#flow.bf16_rows` more.
    - (C2) `shape(weight) = [d]`, `type(branch_weight) = type(weight)`;
      `sum_scale` is `[1]` of the weight's element type.
    - (C3) `eps` is finite and positive.
  }];
  let arguments = (ins Flow_Rows:$stream, Flow_Rows:$branch,
    Optional<Flow_Vector>:$branch_weight, Optional<Flow_Vector>:$sum_scale,
    Flow_Vector:$weight,
    DefaultValuedAttr<F64Attr, "1.0e-6">:$eps);
  let results = (outs Flow_Rows:$sum, Flow_LaidOutRows:$normed);
  let assemblyFormat = [{
    $stream `,` $branch (`branch_scale` $branch_weight^)?
    (`sum_scale` $sum_scale^)? `scale` $weight (`eps` $eps^)? attr-dict
    `:` type($stream) `,`
    custom<AddNormTypes>(type($branch_weight), type($sum_scale), type($weight),
                         type($normed), ref($branch_weight), ref($sum_scale),
                         ref(type($stream)))
  }];
  let hasVerifier = 1;
}

def Flow_QkvRopeAppendOp : Flow_Op<"qkv_rope_append",
    [Pure, AttrSizedOperandSegments,
     AllTypesMatch<["key_cache", "value_cache", "new_key_cache",
                    "new_value_cache"]> /*qkv_rope_append (C2)*/]> {
  let summary = "Queries, keys and values: product, head norms, rotation, cache";
  let description = [{
    ```
    q, k, v = split(linear(input, weight))     H*D, K*D and K*D columns
    q, k    = split(linear(input, weight)), v = k            with k_eq_v
    q, k    = rms_norm(q) * q_norm, rms_norm(k) * k_norm     with norms
    v       = rms_norm(v)                                    with v_norm
    query   = rope(q, angles)
    caches  = kv_append(rope(k, angles), v)
    ```

    Equals those stages bit for bit, with `sequences` and `single_rows` too. `H`
    follows from the result, `K` and `D` from the caches.

    Example:

    ```mlir
    %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
    %p, %k2, %v2 = flow.qkv_rope_append %x, %u k_eq_v norms %qn, %kn v_norm rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<96x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
    %r, %k3, %v3 = flow.qkv_rope_append %x, %w rope %angles into %ks, %vs sequences %s : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
    %t, %k4, %v4 = flow.qkv_rope_append %x, %w rope %angles into %ks, %vs sequences %s single_rows : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
    ```

    Constraints:

    - (C1) `weight` is `[(H + 2 K) * D, d]`, with `k_eq_v` `[(H + K) * D, d]`,
      and static for `query` `[T, H, D]`, caches `[C, K, D]`, or with
      `sequences` `[slots, C, K, D]`, and `input` `[T, d]`; `H`, `K`, `D`
      positive and `H mod K = 0`.
    - (C2) the four cache types are equal.
    - (C3) both norms or none, of one type `[D]`.
    - (C4) `angles` is `[T, D/2, 2]`, `D` even.
    - (C5) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it.
    - (C6) `eps` is finite and positive.
    - (C7) there are either `start` and `count` or `sequences`.
    - (C8) `single_rows` needs `sequences`.
  }];
  let arguments = (ins Flow_ProductRows:$input, Flow_ProductWeight:$weight,
    Optional<Flow_Vector>:$q_norm, Optional<Flow_Vector>:$k_norm,
    Flow_Angles:$angles, Flow_CacheRows:$key_cache,
    Flow_CacheRows:$value_cache, Optional<Index>:$start,
    Optional<Index>:$count, Optional<Flow_Sequences>:$sequences,
    UnitAttr:$single_rows, UnitAttr:$k_eq_v, UnitAttr:$v_norm,
    DefaultValuedAttr<F64Attr, "1.0e-6">:$eps);
  let results = (outs Flow_Heads:$query, Flow_CacheRows:$new_key_cache,
    Flow_CacheRows:$new_value_cache);
  let assemblyFormat = [{
    $input `,` $weight (`k_eq_v` $k_eq_v^)? (`norms` $q_norm^ `,` $k_norm)?
    (`v_norm` $v_norm^)?
    `rope` $angles `into` $key_cache `,` $value_cache
    (`at` $start^ `count` $count) : (`sequences` $sequences)?
    (`single_rows` $single_rows^)? (`eps` $eps^)? attr-dict
    `:` type($input) `,` type($weight) `,`
    custom<NormAndAngleTypes>(type($q_norm), type($k_norm), type($angles),
                              ref($q_norm))
    `,` type($key_cache) `->` type($query)
  }];
  let hasVerifier = 1;
}

def Flow_GatedMlpOp : Flow_RowwiseOp<"gated_mlp", [Pure]> {
  let summary = "The gated MLP: gate and up in one product, GELU, down";
  let description = [{
    ```
    g, u   = deinterleave(linear(input, gate_up))     16 columns each in turn
    h      = g(g) * u
    result = linear(h, down)
    ```

    Equals two `flow.linear`, `flow.geglu` and `flow.linear` bit for bit. With
    `hidden` the inner rows `h` take that layout for the second product.

    Example:

    ```mlir
    %y = flow.gated_mlp %x, %gu, %d : tensor<?x64xf32>, tensor<256x64xf32>, tensor<64x128xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, d]`, `gate_up` `[2 F, d]`, `down` `[e, F]`, `result`
      `[T, e]`; weights static, `F` positive and `F mod 16 = 0`.
    - (C2) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it: `input`
      with `gate_up`, and `hidden` with `down`.
  }];
  let arguments = (ins Flow_ProductRows:$input, Flow_ProductWeight:$gate_up,
    Flow_ProductWeight:$down, OptionalAttr<Flow_RowLayoutAttr>:$hidden);
  let results = (outs Flow_Matrix:$result);
  let assemblyFormat = [{
    $input `,` $gate_up `,` $down (`hidden` `(` $hidden^ `)`)? attr-dict
    `:` type($input) `,` type($gate_up) `,` type($down) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Flow_PerLayerGateOp : Flow_RowwiseOp<"per_layer_gate", [Pure]> {
  let summary = "What a layer's embeddings add, through the stream's gate";
  let description = [{
    ```
    h      = g(linear(input, gate)) * embedded
    result = linear(h, output)
    ```

    with `g` that of `flow.geglu`. Equals `flow.linear`, `flow.geglu` and
    `flow.linear` bit for bit. With `hidden` the inner rows `h` take that layout
    for the second product.

    Example:

    ```mlir
    %y = flow.per_layer_gate %x, %gate, %embedded, %out : tensor<?x64xf32>, tensor<32x64xf32>, tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, d]`, `gate` `[P, d]`, `embedded` `[T, P]`, `output`
      `[e, P]` and `result` `[T, e]`; weights are static.
    - (C2) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it: `input` with `gate`, and
      `hidden` with `output`.
  }];
  let arguments = (ins Arg<Flow_ProductRows, "[T, d]">:$input,
    Arg<Flow_ProductWeight, "[P, d]">:$gate,
    Arg<Flow_Matrix, "[T, P]">:$embedded,
    Arg<Flow_ProductWeight, "[e, P]">:$output,
    OptionalAttr<Flow_RowLayoutAttr>:$hidden);
  let results = (outs Res<Flow_Matrix, "[T, e]">:$result);
  let assemblyFormat = [{
    $input `,` $gate `,` $embedded `,` $output (`hidden` `(` $hidden^ `)`)?
    attr-dict `:` type($input) `,` type($gate) `,` type($embedded) `,`
    type($output) `->` type($result)
  }];
  let hasVerifier = 1;
}

def Flow_QuantizeRowsOp : Flow_RowwiseOp<"quantize_rows", [Pure]> {
  let summary = "Quantise or round rows once for all products that read them";
  let description = [{
    To `#flow.quantized_rows`, for each block of a row (of the size that the
    encoding states), with `m = max |x|`:

    ```
    scale = m / 127          quant[i] = round_half_even(x[i] * (127 / m))
    scale = 0                quant[i] = 0                    when m < 2^-120
    ```

    all in f32; below 2^-120 the factor `127 / m` would overflow. The value of
    an element is `scale * quant`; it differs from `x[i]` by at most `m / 254`
    and a rounding, or by `2^-120`.

    To `#flow.bf16_rows`, each value is rounded to the nearest bf16, ties to
    even.

    Example:

    ```mlir
    %q = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
    %h = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
    ```

    Constraints:

    - (C1) `input` is `[T, K]` of f32; `result` has its shape and element type
      and an encoding `#flow.quantized_rows` or `#flow.bf16_rows`.
  }];
  let arguments = (ins Flow_F32Matrix:$input);
  let results = (outs 2DTensorOf<[F32]>:$result);
  let assemblyFormat = [{
    $input attr-dict `:` type($input) `->` type($result)
  }];
  let hasVerifier = 1;
}

#endif // FLOW_IR_FLOWFUSEDOPS_TD
