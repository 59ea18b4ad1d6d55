// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What each stage computes, on plain tensors.
//
// Everything is computed in f64 from the operands' values and rounded once to
// the element type of the result. Callers have checked shapes and ranges.

#ifndef FLOW_LIB_REFERENCE_STAGES_H
#define FLOW_LIB_REFERENCE_STAGES_H

#include "flow/IR/FlowAttributes.h"
#include "flow/Reference/Tensor.h"

#include "mlir/IR/MLIRContext.h"

#include <optional>
#include <vector>

namespace flow::reference {

/// The element types of tensors of numbers.
enum class Element { F32, BF16, F16 };

/// `value` rounded to f32 and then, for the shorter types, to them.
float roundTo(Element element, double value);

/// `softcap * tanh(z / softcap)`, or `z` without a cap.
double capped(double z, std::optional<double> softcap);

/// a + b and a * b, of the same shape.
Tensor add(const Tensor &a, const Tensor &b, Element element);
Tensor multiply(const Tensor &a, const Tensor &b, Element element);

/// `flow.scale`.
Tensor scale(const Tensor &input, float factor, Element element);

/// `flow.rms_norm`; `weight` may be null.
Tensor rmsNorm(const Tensor &input, const Tensor *weight, double eps,
               Element element);

/// `flow.linear` and `flow.lm_head`: rows `[T, K]` by a weight `[N, K]`.
/// Weight rows are shared out over the threads of `context`; each element of
/// the result is computed by one thread, so their number changes nothing.
Tensor linear(mlir::MLIRContext &context, const Tensor &input,
              const Tensor &weight, std::optional<double> softcap,
              Element element);

/// `flow.geglu`.
Tensor geglu(const Tensor &gate, const Tensor &up, Element element);

/// `flow.route_experts`: the `chosen` experts of each row of `logits` `[T, E]`
/// and their shares.
std::pair<TokenTensor, Tensor> routeExperts(const Tensor &logits,
                                            const Tensor &expertScale,
                                            double factor, int64_t chosen,
                                            Element element);

/// `flow.top_k`: the `count` largest values of each row of `input` `[T, N]` and
/// their columns.
std::pair<Tensor, TokenTensor> topK(const Tensor &input, int64_t count);

/// `flow.quantize_rows` to blocks of quants: what the quants mean.
Tensor quantizeRows(const Tensor &input, int64_t block);

/// Each value rounded to the nearest bf16: `flow.quantize_rows` to bf16 rows,
/// and what bf16 panels hold of a weight.
Tensor roundToBf16(Tensor values);

/// The numbers of a `flow.rope_table`.
struct RopeParameters {
  double theta, factor;
  int64_t headDim, pairs;
};

/// `flow.rope_angles`: `[rows, headDim / 2, 2]`.
Tensor ropeAngles(const RopeParameters &table, int64_t start, int64_t rows);

/// `flow.rope`: `input` `[T, H, D]`, `angles` `[T, D/2, 2]`.
Tensor rope(const Tensor &input, const Tensor &angles, Element element);

/// The numbers of a `flow.attention`.
struct AttentionParameters {
  int64_t start, total;
  MaskAttr mask;
  /// Ascending and disjoint.
  std::vector<PositionSpan> spans;
  double scale;
  std::optional<double> softcap;
};

/// `flow.attention`: `query` `[T, H, D]`, `key` and `value` `[S, K, D]`. Query
/// rows are shared out over the threads of `context`, as in `linear`.
Tensor attention(mlir::MLIRContext &context, const Tensor &query,
                 const Tensor &key, const Tensor &value,
                 const AttentionParameters &parameters, Element element);

} // namespace flow::reference

#endif // FLOW_LIB_REFERENCE_STAGES_H
