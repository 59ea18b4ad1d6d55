// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Structure ops: what a model consists of. They compute nothing.

#ifndef FLOW_IR_FLOWMODELOPS_TD
#define FLOW_IR_FLOWMODELOPS_TD

include "flow/IR/FlowBase.td"

def Flow_ModelOp : Flow_Op<"model",
    [Symbol, SymbolTable, IsolatedFromAbove, NoTerminator, SingleBlock,
     NoRegionArguments]> {
  let summary = "A Gemma decoder: hyper-parameters, weights, tables, layers";
  let description = [{
    The body holds `flow.weight`, `flow.derived_weight`, `flow.rope_table`,
    `flow.kv_cache` and `flow.layer` ops; layers run in the order in which they
    are written. The weights of the model itself have fixed names: `@embedding`
    (`[vocab, hidden]`, also the head unless there is a `@head`),
    `@final_norm` (`[hidden]`) and optionally `@head` (`[vocab, hidden]`).

    The embedding scale `sqrt(hidden)` is rounded to f32, as llama.cpp does,
    or with `bf16_embedding_scale` to bf16 first, as Hugging Face does; so is the
    scale of the embeddings of layers.

    Example:

    ```mlir
    flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
      flow.weight @embedding : tensor<512x64xf32> storage q8_0
      flow.weight @final_norm : tensor<64xf32>
    }
    ```

    Constraints:

    - (C1) `@embedding`, `@head` and `@final_norm`, where present, are
      `flow.weight` ops with the shapes above.
    - (C2) the body holds weights, derived weights, tables, caches and layers
      only.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Flow_HyperAttr:$hyper,
    UnitAttr:$bf16_embedding_scale);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name $hyper (`bf16_embedding_scale` $bf16_embedding_scale^)?
    attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

def Flow_WeightOp : Flow_Op<"weight", [Symbol]> {
  let summary = "A tensor of the checkpoint, by name, shape and storage";
  let description = [{
    The data stays in the file. `storage` is how the file holds the elements;
    the type is what they mean: `[N]` or `[N, K]` of f32, a matrix being
    `[out, in]`. `from` names the tensor in the file; without it the symbol
    path is the name. `part [r, c]` says that the weight is the block of a larger
    matrix of the file that begins at its row `r` and column `c`, and `groups
    [n, s]` that its rows do not follow each other: groups of `n` begin every `s`
    rows. A tensor of more than two dimensions is a matrix of its rows.
    `unit_offset` says that the file's values are centred on 0 and mean `1 + w`
    (norms of Gemma 1-3 in Hugging Face checkpoints).

    Example:

    ```mlir
    flow.weight @q : tensor<64x64xf32> storage q5_0 from "blk.0.attn_q.weight"
    flow.weight @attention_norm : tensor<64xf32> unit_offset
    flow.weight @per_layer_tokens : tensor<512x32xf32> storage q8_0 from "per_layer_token_embd.weight" part [0, 64]
    flow.weight @expert_up : tensor<512x64xf32> from "blk.0.ffn_gate_up_exps.weight" part [16, 0] groups [16, 32]
    ```

    Constraints:

    - (C1) the type is a static tensor of rank 1 or 2 of f32 without encoding,
      its extents positive and below 2^31.
    - (C2) in a block-quantised storage the last dimension is a multiple of
      the block.
    - (C3) `unit_offset` is for vectors.
    - (C4) `part` is for matrices: two numbers that are not negative and below
      2^31, the second a multiple of the storage's block.
    - (C5) `groups` come with `part`: two numbers `n <= s`, positive and below
      2^31, the rows of the weight a multiple of `n`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type,
    DefaultValuedAttr<Flow_StorageAttr, "::flow::Storage::F32">:$storage,
    OptionalAttr<StrAttr>:$from, OptionalAttr<DenseI64ArrayAttr>:$part,
    OptionalAttr<DenseI64ArrayAttr>:$groups, UnitAttr:$unit_offset);
  let assemblyFormat = [{
    $sym_name `:` $type (`storage` `` $storage^)? (`from` $from^)?
    (`part` $part^)? (`groups` $groups^)? (`unit_offset` $unit_offset^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::llvm::cast<::mlir::RankedTensorType>(getType());
    }
  }];
}

def Flow_DerivedWeightOp : Flow_Op<"derived_weight", [Symbol]> {
  let summary = "A weight made of others when the model is loaded";
  let description = [{
    `concat` puts the rows of the sources one after the other; `interleave`
    takes 16 rows of each source in turn. Sources are siblings: `flow.weight`
    ops of the same layer or model, all `[N_i, K]` with the same `K`.

    Example:

    ```mlir
    flow.derived_weight @qkv : tensor<128x64xf32> = concat [@q, @k, @v]
    flow.derived_weight @gate_up : tensor<256x64xf32> = interleave [@gate, @up]
    ```

    Constraints:

    - (C1) there are at least two sources, each a `flow.weight` beside the op.
    - (C2) the type is `[sum of N_i, K]` of f32.
    - (C3) interleaved sources have the same type and `N_i mod 16 = 0`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttr:$type,
    Flow_CombineAttr:$combine, FlatSymbolRefArrayAttr:$sources);
  let assemblyFormat = [{
    $sym_name `:` $type `=` `` $combine $sources attr-dict
  }];
  let hasVerifier = 1;
}

def Flow_RopeTableOp : Flow_Op<"rope_table", [Symbol]> {
  let summary = "The angles of one rotary embedding";
  let description = [{
    ```
    angle(p, i) = p * theta^(-2 i / head_dim) / factor    0 <= i < pairs
                = 0                                        pairs <= i < head_dim/2
    ```

    Pair `i` is the elements `(i, i + head_dim/2)`; the exponent divides by
    the whole `head_dim`, also where only some `pairs` turn. `pairs` is
    `head_dim / 2` when not given.

    Example:

    ```mlir
    flow.rope_table @local theta 1.0e+04 head_dim 256
    flow.rope_table @global theta 1.0e+06 head_dim 256 factor 8.0e+00
    flow.rope_table @partial theta 1.0e+06 head_dim 512 pairs 64
    ```

    Constraints:

    - (C1) `theta` and `factor` are finite and positive.
    - (C2) `head_dim` is positive, even and below 2^31.
    - (C3) `0 < pairs <= head_dim / 2`.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, F64Attr:$theta,
    I64Attr:$head_dim, OptionalAttr<I64Attr>:$pairs,
    DefaultValuedAttr<F64Attr, "1.0">:$factor);
  let assemblyFormat = [{
    $sym_name `theta` $theta `head_dim` $head_dim (`pairs` $pairs^)?
    (`factor` $factor^)? attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// `pairs` as written, or all of them.
    int64_t getEffectivePairs() {
      return getPairs().value_or(getHeadDim() / 2);
    }
  }];
}

def Flow_KvCacheOp : Flow_Op<"kv_cache", [Symbol]> {
  let summary = "The keys and values of one layer's past";
  let description = [{
    Rows of `kv_heads` keys and values of `head_dim`, kept as f32 or as `type`
    says; the row of absolute position `p` is `p mod capacity`, the capacity
    being chosen when the model is loaded. `ring W` bounds what is kept: rows are reused once no query of a
    step can see them through a window of `W`; without it every position up to
    the context has its row.

    Example:

    ```mlir
    flow.kv_cache @kv0 kv_heads 1 head_dim 256
    flow.kv_cache @kv1 kv_heads 1 head_dim 256 ring 512
    flow.kv_cache @kv2 kv_heads 1 head_dim 256 type f16
    ```

    Constraints:

    - (C1) `kv_heads` and `head_dim` are positive and below 2^31.
    - (C2) `ring` is positive.
    - (C3) `type` is f32, bf16 or f16.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, I64Attr:$kv_heads,
    I64Attr:$head_dim, OptionalAttr<TypeAttr>:$element,
    OptionalAttr<I64Attr>:$ring);
  let assemblyFormat = [{
    $sym_name `kv_heads` $kv_heads `head_dim` $head_dim (`type` $element^)?
    (`ring` $ring^)? attr-dict
  }];
  let extraClassDeclaration = [{
    /// What keys and values are kept as.
    ::mlir::Type getElementType() {
      return getElement().value_or(::mlir::Float32Type::get(getContext()));
    }
  }];
  let hasVerifier = 1;
}

def Flow_LayerOp : Flow_Op<"layer",
    [Symbol, SymbolTable, IsolatedFromAbove, NoTerminator, SingleBlock,
     NoRegionArguments]> {
  let summary = "The recipe of one decoder layer";
  let description = [{
    What the layer computes, as a spec sheet; `flow-expand-layers` turns it
    into stages. With `norms pre`:

    ```
    x = x + Wo attention(attention_norm(x))
    x = x + mlp(ffn_norm(x))
    ```

    and with `norms sandwich`:

    ```
    x = x + post_attention_norm(Wo attention(attention_norm(x)))
    x = x + post_ffn_norm(mlp(ffn_norm(x)))
    ```

    A mixture of experts stands beside the MLP of a sandwich, `h` being the
    stream after attention and `g` the activation of `flow.geglu`:

    ```
    z = router (rms_norm(h) * router_scale) / sqrt(d)
    m = sum over the top_k experts e of the largest softmax(z) of
        expert_scale_e * share_e * expert_down_e (g(expert_gate_e n) * expert_up_e n)
        with n = expert_norm(h) and share_e = softmax(z)_e / (sum of the top_k)
    x = h + post_ffn_norm(post_dense_norm(mlp(ffn_norm(h))) + post_expert_norm(m))
    ```

    With `per_layer P` what the token and the embedding say to this layer is let
    through a gate into the stream, `t` being the tokens and `x0` their scaled
    embeddings:

    ```
    p = sqrt(P) * per_layer_tokens[t]
      + per_layer_context_norm(per_layer_context x0 / sqrt(d))
    x = x + post_per_layer_norm(per_layer_output (g(per_layer_gate x) * p / sqrt(2)))
    ```

    With `layer_scalar` the stream, residual included, is multiplied by the
    weight of that name in the end.

    `rope` and `cache` name a `flow.rope_table` and a `flow.kv_cache` of the
    model. A layer without a cache attends within the rows of one call only
    (scoring). With `shared` the layer projects queries only and reads what an
    earlier layer has written to the cache. The body holds the layer's weights under fixed names, all
    `[out, in]`, with `H`, `K`, `D`, `F`, `E` (experts) and `X`
    (expert width) from the specs and `d` the hidden size:

    | name | shape | when |
    |---|---|---|
    | `@attention_norm`, `@ffn_norm` | `[d]` | always |
    | `@post_attention_norm`, `@post_ffn_norm` | `[d]` | `sandwich` |
    | `@q` | `[H*D, d]` | always |
    | `@k` | `[K*D, d]` | not `shared` |
    | `@v` | `[K*D, d]` | neither `shared` nor `k_eq_v` |
    | `@q_norm` | `[D]` | `qk_norm` |
    | `@k_norm` | `[D]` | `qk_norm`, not `shared` |
    | `@o` | `[d, H*D]` | always |
    | `@gate`, `@up` | `[F, d]` | always |
    | `@down` | `[d, F]` | always |
    | `@router` | `[E, d]` | experts |
    | `@router_scale`, `@expert_norm` | `[d]` | experts |
    | `@expert_scale` | `[E]` | experts |
    | `@expert_gate`, `@expert_up` | `[E*X, d]` | experts |
    | `@expert_down` | `[E*d, X]` | experts |
    | `@post_dense_norm`, `@post_expert_norm` | `[d]` | experts |
    | `@per_layer_tokens` | `[vocab, P]` | `per_layer` |
    | `@per_layer_context` | `[P, d]` | `per_layer` |
    | `@per_layer_context_norm` | `[P]` | `per_layer` |
    | `@per_layer_gate` | `[P, d]` | `per_layer` |
    | `@per_layer_output` | `[d, P]` | `per_layer` |
    | `@post_per_layer_norm` | `[d]` | `per_layer` |
    | `@layer_scalar` | `[1]` | `layer_scalar` |

    Example:

    ```mlir
    flow.layer @layer0 norms pre
        attention <heads = 2, kv_heads = 1, head_dim = 32>
        mask <causal, window = 16> rope @local cache @kv0
        feed_forward <width = 128> {
      flow.weight @attention_norm : tensor<64xf32>
      flow.weight @q : tensor<64x64xf32>
      flow.weight @k : tensor<32x64xf32>
      flow.weight @v : tensor<32x64xf32>
      flow.weight @o : tensor<64x64xf32>
      flow.weight @ffn_norm : tensor<64xf32>
      flow.weight @gate : tensor<128x64xf32>
      flow.weight @up : tensor<128x64xf32>
      flow.weight @down : tensor<64x128xf32>
    }
    ```

    Constraints:

    - (C1) the layer stands in a `flow.model`.
    - (C2) each weight of the table is there with its shape, and no other.
    - (C3) `rope` names a `flow.rope_table` of the model with the layer's
      `head_dim`.
    - (C4) `cache`, if given, names a `flow.kv_cache` of the model with the
      layer's `kv_heads` and `head_dim`.
    - (C5) the body holds weights and derived weights only.
    - (C6) with `shared`, an earlier layer that is not `shared` has the same
      cache.
    - (C7) `per_layer` is positive and below 2^31.
    - (C8) a layer with experts is a sandwich.
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, Flow_NormPlacementAttr:$norms,
    Flow_AttentionSpecAttr:$attention, Flow_MaskAttr:$mask,
    FlatSymbolRefAttr:$rope, OptionalAttr<FlatSymbolRefAttr>:$cache,
    UnitAttr:$shared, Flow_FeedForwardAttr:$feed_forward,
    OptionalAttr<I64Attr>:$per_layer, UnitAttr:$layer_scalar);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $sym_name `norms` `` $norms `attention` $attention `mask` $mask `rope` $rope
    (`cache` $cache^)? (`shared` $shared^)? `feed_forward` $feed_forward
    (`per_layer` $per_layer^)? (`layer_scalar` $layer_scalar^)? attr-dict-with-keyword $body
  }];
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// References from computation to structure
//===----------------------------------------------------------------------===//

def Flow_WeightRefOp : Flow_Op<"weight_ref",
    [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a weight";
  let description = [{
    The tensor of a `flow.weight` or `flow.derived_weight`, named by its path
    from the module. An encoding of the result type says in which layout the
    user wants it; the runtime packs it so when it loads the model. One of bf16
    has each value rounded to the nearest, ties to even.

    Example:

    ```mlir
    %w = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32>
    %p = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xf32, #flow.panels<f32>>
    %b = flow.weight_ref @tiny::@layer0::@q : tensor<64x64xbf16>
    ```

    Constraints:

    - (C1) the symbol is a `flow.weight` or `flow.derived_weight`.
    - (C2) the result has the weight's shape and element type, or bf16.
    - (C3) the result's encoding, if it has one, is `#flow.panels` or
      `#flow.weight_blocks`, and of f32.
  }];
  let arguments = (ins SymbolRefAttr:$weight);
  let results = (outs AnyTypeOf<[
    Flow_PlainOr<RankedTensorOf<[F32]>,
                 "::flow::PanelsAttr, ::flow::WeightBlocksAttr",
                 "#flow.panels or #flow.weight_blocks">,
    Flow_Plain<RankedTensorOf<[BF16]>>], "", "::mlir::RankedTensorType">
    /*weight_ref (C3)*/:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Flow_CacheRefOp : Flow_Op<"cache_ref",
    [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Keys and values of a cache, as they are when the step begins";
  let description = [{
    Two tensors `[C, kv_heads, head_dim]`, `C` being the capacity that the
    runtime chose, or `[slots, C, kv_heads, head_dim]` of several sequences. A
    step takes the reference once and threads the values through its
    `flow.kv_append`.

    Example:

    ```mlir
    %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x1x32xf32>
    ```

    Constraints:

    - (C1) the symbol is a `flow.kv_cache`.
    - (C2) both results have one type, `[?, kv_heads, head_dim]` or
      `[?, ?, kv_heads, head_dim]` of the cache, and its element type.
  }];
  let arguments = (ins SymbolRefAttr:$cache);
  let results = (outs Flow_CacheRows:$key, Flow_CacheRows:$value);
  let assemblyFormat = [{
    $cache attr-dict `:` custom<SameType>(type($key), type($value))
  }];
}

#endif // FLOW_IR_FLOWMODELOPS_TD
