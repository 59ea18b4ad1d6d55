// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What tokens cost a model: operations, and bytes read.

#ifndef FLOW_BENCHMARK_MODELWORK_H
#define FLOW_BENCHMARK_MODELWORK_H

#include "flow/Benchmark/MachineProbe.h"
#include "flow/Compiler/LoadedModel.h"
#include "flow/Runtime/Plan.h"

#include <optional>

namespace flow {

/// Multiplications and additions, each counted as one, by the operands of the
/// products.
struct Operations {
  double f32 = 0, bf16 = 0, int8 = 0;

  double total() const { return f32 + bf16 + int8; }
  Operations &operator+=(const Operations &other);
};
Operations operator*(double factor, const Operations &operations);

/// What something costs.
struct Work {
  Operations operations;
  /// Bytes of weights and of earlier keys and values.
  double readBytes = 0;

  Work &operator+=(const Work &other);
};

/// What the calls of a function of the plan cost together.
struct FunctionWork {
  std::string function;
  Work work;
};

/// The sum of them.
Work total(llvm::ArrayRef<FunctionWork> functions);

/// Counts the work that a model cannot do without, whatever a compiler makes of
/// it. `E` is the elements of a matrix, `P` the tokens of a prompt.
///
/// Operations: each matrix of a layer costs `2 E` a token. Of a prompt, whose
/// last token alone gets logits, the head costs `2 E` once, and so does what
/// the last layer does behind its keys and values: query, output and MLP. Of a
/// mixture of experts a token pays for those that it uses. Attention costs `4
/// heads head_dim` for each key that a query sees, the query's own included, of
/// a window that it has at most: in the last layer for the last query of a
/// prompt only. Norms, activations, softmax and rotations are not counted.
///
/// A product counts as what its weights are packed for: bytes, bf16 or f32.
/// Attention counts as f32, which keys and values are widened to.
///
/// Bytes: a step reads each packed weight once, of experts no more than its
/// tokens use, and the head once in a prompt; and keys and values of the
/// positions before the step that a token of it sees. A prompt is a step for
/// each chunk, a token of each of several sequences one step. Rows of
/// embeddings are not counted, nor is what a step has written itself. Of quants
/// whose leading bits lie apart, the others are not counted: how many are read
/// depends on the tokens.
class ModelWork {
public:
  /// Of a plan that was made of `model`. A schedule that it lacks costs
  /// nothing.
  ModelWork(const runtime::Plan &plan, const ImportedModel &model);

  /// Of a prompt of `count` tokens behind `position` others, in steps of
  /// `chunk` tokens at most; `count` and `chunk` are positive. By function, in
  /// the order of the plan.
  std::vector<FunctionWork> prefill(int64_t position, int64_t count,
                                    int64_t chunk) const;
  /// Of one token behind `position` others, or of one of each of `sequences`
  /// that run together.
  std::vector<FunctionWork> decode(int64_t position,
                                   int64_t sequences = 1) const;

private:
  struct Attention {
    int64_t heads, headDim, window;
    /// Of the keys and values of a position.
    int64_t cachedBytes;
  };
  /// Products and weights of a call.
  struct Call {
    std::string function;
    /// Of each token, and once for a prompt.
    Operations token, once;
    /// Of weights of each step, of experts among them apart, and once.
    double stepBytes = 0, expertBytes = 0, onceBytes = 0;
    /// Layers whose keys and values it reads.
    std::vector<size_t> layers;
  };

  std::vector<Call> countCalls(const runtime::Plan &plan, const char *name,
                               const ImportedModel &model);
  double expertShare(int64_t tokens) const;
  double cachedBytes(const Call &call, int64_t position) const;

  std::vector<Attention> layers;
  GemmaExperts experts;
  std::vector<Call> prefillCalls, decodeCalls, batchCalls;
};

/// The sum of the keys that the `count` queries from position `first` on see,
/// each its own position and those before it, `window` at most; 0 = all.
int64_t visibleKeys(int64_t first, int64_t count, int64_t window);

/// Seconds that `operations` take at the peaks of their kinds; nothing where
/// `speed` lacks one of them.
std::optional<double> secondsAtPeak(const Operations &operations,
                                    const MachineSpeed &speed);

} // namespace flow

#endif // FLOW_BENCHMARK_MODELWORK_H
