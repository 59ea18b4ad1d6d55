// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The mixture of experts: its stages, and what passes fuse them to.

#ifndef FLOW_IR_FLOWEXPERTOPS_TD
#define FLOW_IR_FLOWEXPERTOPS_TD

include "flow/IR/FlowStageOps.td"

def Flow_ExpertIds : Flow_Plain<2DTensorOf<[I32]>>;

def Flow_RouteExpertsOp : Flow_RowwiseOp<"route_experts", [Pure]> {
  let summary = "Choose the experts of each row, and how much each one says";
  let description = [{
    For each row `z = factor * logits[t, :]` of `E` numbers:

    ```
    p             = softmax(z)
    experts[t, :] = the k experts of the largest p, the largest first,
                    of equal ones the first
    shares[t, j]  = p[experts[t, j]] / (sum over j of p[experts[t, j]])
                  * expert_scale[experts[t, j]]
    ```

    Shares are made to sum to 1 before they are scaled, and need not afterwards.
    The result of a NaN is not defined, but the experts are numbers from 0 to
    `E - 1` whatever the logits.

    Numeric contract: experts are chosen by `z` rounded to f32. With `u = 2^-24`
    and `ε` the relative error of `exp` (4e-7 here), shares err by at most
    `((2 max|z| + k + 4) u + 2 ε) |exact|`.

    Example:

    ```mlir
    %e, %s = flow.route_experts %logits scale %scale factor 1.25e-01 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
    ```

    Constraints:

    - (C1) `logits` is `[T, E]`, `expert_scale` `[E]`, `experts` `[T, k]` and
      `shares` `[T, k]` of the logits' element type; `E` and `k` are static and
      `0 < k <= E`.
    - (C2) `factor` is finite and positive.
  }];
  let arguments = (ins Arg<Flow_Matrix, "[T, E]">:$logits,
    Arg<Flow_Vector, "[E]">:$expert_scale, F64Attr:$factor);
  let results = (outs Res<Flow_ExpertIds, "[T, k]">:$experts,
    Res<Flow_Matrix, "[T, k]">:$shares);
  let assemblyFormat = [{
    $logits `scale` $expert_scale `factor` $factor attr-dict
    `:` type($logits) `,` type($expert_scale) `->`
    custom<ExpertsAndShares>(type($experts), type($shares), ref(type($logits)))
  }];
  let hasVerifier = 1;
}

def Flow_MoeOp : Flow_RowwiseOp<"moe", [Pure]> {
  let summary = "The gated MLPs of the experts that each row chose";
  let description = [{
    ```
    y(e, x)      = down_e (g(gate_e x) * (up_e x))
    result[t, :] = sum over j of shares[t, j] * y(experts[t, j], input[t, :])
    ```

    with `g` that of `flow.geglu`. `gate_e` and `up_e` are the rows from `e * F`
    to `(e + 1) * F` of `gate` and `up`, `down_e` those from `e * d` on of
    `down`. Only chosen experts are computed.

    Numeric contract: products and `g` as in `flow.linear` and `flow.geglu`; the
    sum is a chain of fused multiply-adds over ascending `j`, from 0.

    Example:

    ```mlir
    %y = flow.moe %x to %e by %s, %gate, %up, %down : tensor<?x64xf32>, tensor<?x4xi32>, tensor<1024x64xf32>, tensor<2048x32xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `experts` and `shares` are `[T, k]` for `input` `[T, c]`.
    - (C2) `gate` and `up` have one type `[E * F, c]`, `down` is `[E * d, F]` and
      `result` `[T, d]`; all but `T` are static and positive.
  }];
  let arguments = (ins Arg<Flow_Matrix, "[T, c]">:$input,
    Arg<Flow_ExpertIds, "[T, k]">:$experts, Arg<Flow_Matrix, "[T, k]">:$shares,
    Arg<Flow_Matrix, "[E * F, c]">:$gate, Arg<Flow_Matrix, "[E * F, c]">:$up,
    Arg<Flow_Matrix, "[E * d, F]">:$down);
  let results = (outs Res<Flow_Matrix, "[T, d]">:$result);
  let assemblyFormat = [{
    $input `to` $experts `by` $shares `,` $gate `,` $up `,` $down attr-dict
    `:` type($input) `,`
    custom<ExpertsAndShares>(type($experts), type($shares), ref(type($input)))
    `,` custom<SameType>(type($gate), type($up)) `,` type($down)
    `->` type($result)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Fused stages
//===----------------------------------------------------------------------===//

def Flow_RouterOp : Flow_RowwiseOp<"router", [Pure]> {
  let summary = "The choice of experts from the rows themselves";
  let description = [{
    ```
    experts, shares = route_experts(linear(input, weight))
    ```

    Equals those two stages bit for bit, and keeps no logits.

    Example:

    ```mlir
    %e, %s = flow.router %x, %w scale %scale factor 1.25e-01 : tensor<?x64xf32>, tensor<32x64xf32>, tensor<32xf32> -> tensor<?x4xi32>
    ```

    Constraints:

    - (C1) `input` is `[T, c]`, `weight` `[E, c]` and static, `expert_scale`
      `[E]`, `experts` and `shares` `[T, k]`; `0 < k <= E`.
    - (C2) `factor` is finite and positive.
    - (C3) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it.
  }];
  let arguments = (ins Arg<Flow_ProductRows, "[T, c]">:$input,
    Arg<Flow_ProductWeight, "[E, c]">:$weight,
    Arg<Flow_Vector, "[E]">:$expert_scale, F64Attr:$factor);
  let results = (outs Res<Flow_ExpertIds, "[T, k]">:$experts,
    Res<Flow_Matrix, "[T, k]">:$shares);
  let assemblyFormat = [{
    $input `,` $weight `scale` $expert_scale `factor` $factor attr-dict
    `:` type($input) `,` type($weight) `,` type($expert_scale) `->`
    custom<ExpertsAndShares>(type($experts), type($shares), ref(type($input)))
  }];
  let hasVerifier = 1;
}

def Flow_GroupedMlpOp : Flow_RowwiseOp<"grouped_mlp", [Pure]> {
  let summary = "The experts' MLPs, each for all rows that chose it";
  let description = [{
    ```
    g, u   = deinterleave(gate_up_e x)     16 columns each in turn
    y(e,x) = down_e (g(g) * u)
    result[t, :] = sum over j of shares[t, j] * y(experts[t, j], input[t, :])
    ```

    `gate_up_e` is the rows from `e * 2 F` on of `gate_up`. Equals `flow.moe` bit
    for bit. Rows are sorted by expert, so that each expert's weights are read
    once for all of its rows, and those of no row not at all. With `hidden` the
    inner rows take that layout for the second product.

    Example:

    ```mlir
    %y = flow.grouped_mlp %x to %e by %s, %gate_up, %down : tensor<?x64xf32>, tensor<?x4xi32>, tensor<2048x64xf32>, tensor<2048x32xf32> -> tensor<?x64xf32>
    ```

    Constraints:

    - (C1) `experts` and `shares` are `[T, k]` for `input` `[T, c]`.
    - (C2) `gate_up` is `[E * 2 F, c]`, `down` `[E * d, F]` and `result` `[T, d]`;
      all but `T` are static and positive, and `F mod 16 = 0`.
    - (C3) rows without encoding meet a weight without encoding or in `f32`
      panels, `#flow.bf16_rows` meet `bf16` panels, `#flow.quantized_rows` meet
      `i8` panels of the same block or twice it: `input` with `gate_up`, and
      `hidden` with `down`.
  }];
  let arguments = (ins Arg<Flow_ProductRows, "[T, c]">:$input,
    Arg<Flow_ExpertIds, "[T, k]">:$experts, Arg<Flow_Matrix, "[T, k]">:$shares,
    Arg<Flow_ProductWeight, "[E * 2 F, c]">:$gate_up,
    Arg<Flow_ProductWeight, "[E * d, F]">:$down,
    OptionalAttr<Flow_RowLayoutAttr>:$hidden);
  let results = (outs Res<Flow_Matrix, "[T, d]">:$result);
  let assemblyFormat = [{
    $input `to` $experts `by` $shares `,` $gate_up `,` $down
    (`hidden` `(` $hidden^ `)`)? attr-dict
    `:` type($input) `,`
    custom<ExpertsAndShares>(type($experts), type($shares), ref(type($input)))
    `,` type($gate_up) `,` type($down) `->` type($result)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Experts, `E` above.
    int64_t getExpertCount() {
      return getDown().getType().getDimSize(0) / getType().getDimSize(1);
    }
  }];
}

#endif // FLOW_IR_FLOWEXPERTOPS_TD
