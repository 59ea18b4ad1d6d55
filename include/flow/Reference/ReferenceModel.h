// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The logits of a whole model, row by row: the oracle of end-to-end tests.

#ifndef FLOW_REFERENCE_REFERENCEMODEL_H
#define FLOW_REFERENCE_REFERENCEMODEL_H

#include "flow/Reference/Session.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace flow {

/// One sequence through a module whose @prefill returns the logits of all its
/// rows, and whose @decode (needed only for `decode`) those of one.
class ReferenceModel {
public:
  /// Gets the logits of one position, `[vocab]`, in ascending positions. They
  /// stay valid during the call only.
  using Sink =
      llvm::function_ref<void(int64_t position, llvm::ArrayRef<float> logits)>;

  /// `capacity` is the largest number of positions. An error says what @prefill
  /// lacks. `module` must have been verified; it and `weights` must outlive the
  /// model.
  static llvm::Expected<std::unique_ptr<ReferenceModel>>
  create(mlir::ModuleOp module, WeightProvider &weights, int64_t capacity);

  /// Runs the next tokens of a prompt and hands each row of logits to `sink`.
  /// The prompt is cut in pieces, which change no row, so that only the logits
  /// of 64 rows are held at a time. After an error the pieces before it have
  /// been handed over and stay in the sequence.
  llvm::Error logits(llvm::ArrayRef<int32_t> tokens, Sink sink);

  /// The logits after one more token, `[1, vocab]`.
  llvm::Expected<TensorRef> decode(int32_t token) {
    return session.decode(token);
  }

  /// Forgets every token.
  void clear() { session.clear(); }

  /// The number of tokens so far.
  int64_t getPosition() const { return session.getPosition(); }

private:
  ReferenceModel(mlir::ModuleOp module, WeightProvider &weights,
                 int64_t capacity)
      : interpreter(module, weights), session(interpreter, capacity) {}

  Interpreter interpreter;
  ReferenceSession session;
};

} // namespace flow

#endif // FLOW_REFERENCE_REFERENCEMODEL_H
