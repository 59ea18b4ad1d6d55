// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The candidates for the next token: the largest logits, and the head with them.

#ifndef FLOW_IR_FLOWSELECTIONOPS_TD
#define FLOW_IR_FLOWSELECTIONOPS_TD

include "flow/IR/FlowStageOps.td"

def Flow_Indices : Flow_Plain<2DTensorOf<[I32]>>;

// So that assembly need not spell the type of indices.
class Flow_IndicesOf<string constraint>
    : TypesMatchWith<constraint # ": indices are i32 in the shape of values",
                     "values", "indices",
                     "::llvm::cast<::mlir::RankedTensorType>($_self).clone("
                     "::mlir::IntegerType::get($_self.getContext(), 32))">;

def Flow_TopKOp : Flow_RowwiseOp<"top_k",
    [Pure, Flow_IndicesOf<"(C2)"> /*top_k (C2)*/]> {
  let summary = "The largest values of each row and where they stand";
  let description = [{
    For each row `x` of `input`, of the columns whose value is above minus
    infinity:

    ```
    indices[t, :] = the k columns of the largest x, the largest first, of equal
                    values the first
    values[t, j]  = x[indices[t, j]]
    ```

    A NaN is above nothing, so that neither it nor a minus infinity is ever
    taken. Where fewer than `k` columns are left, the rest of the row is the
    value minus infinity at the index -1.

    This is the order in which `text::Sampler` ranks tokens, so that it chooses
    from the best `k` what it would from all, as long as it needs no more.

    Numeric contract: values are those of `input`, bit for bit.

    Example:

    ```mlir
    %v, %i = flow.top_k %logits : tensor<?x512xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, N]` and `values` `[T, k]` of the same element type;
      `N` and `k` are static and `0 < k <= N < 2^31`.
    - (C2) `indices` is `[T, k]` of i32.
  }];
  let arguments = (ins Arg<Flow_Matrix, "[T, N]">:$input);
  let results = (outs Res<Flow_Matrix, "[T, k]">:$values,
    Res<Flow_Indices, "[T, k]">:$indices);
  let assemblyFormat = [{
    $input attr-dict `:` type($input) `->` type($values)
  }];
  let hasVerifier = 1;
}

def Flow_LmHeadTopKOp : Flow_RowwiseOp<"lm_head_top_k",
    [Pure, Flow_IndicesOf<"(C4)"> /*lm_head_top_k (C4)*/]> {
  let summary = "The largest logits of rows and their tokens";
  let description = [{
    ```
    values, indices = top_k(lm_head(input, table))
    ```

    Equals those two stages bit for bit, the logits being of the element type of
    `values`, and hands out no logits.

    Example:

    ```mlir
    %v, %i = flow.lm_head_top_k %x, %table softcap 3.0e+01 : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `input` is `[T, d]`, `table` is `[V, d]` and static, `values` is `[T,
      k]`; `k` is static and `0 < k <= V < 2^31`.
    - (C2) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it.
    - (C3) `softcap` is finite and positive.
    - (C4) `indices` is `[T, k]` of i32.
  }];
  let arguments = (ins Arg<Flow_ProductRows, "[T, d]">:$input,
    Arg<Flow_ProductWeight, "[V, d]">:$table, OptionalAttr<F64Attr>:$softcap);
  let results = (outs Res<Flow_Matrix, "[T, k]">:$values,
    Res<Flow_Indices, "[T, k]">:$indices);
  let assemblyFormat = [{
    $input `,` $table (`softcap` $softcap^)? attr-dict
    `:` type($input) `,` type($table) `->` type($values)
  }];
  let hasVerifier = 1;
}

#endif // FLOW_IR_FLOWSELECTIONOPS_TD
