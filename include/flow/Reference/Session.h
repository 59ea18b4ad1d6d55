// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// One sequence through @prefill and @decode of a module, by the interpreter.

#ifndef FLOW_REFERENCE_SESSION_H
#define FLOW_REFERENCE_SESSION_H

#include "flow/Reference/Interpreter.h"

namespace flow {

/// Keeps the position and the caches of one sequence.
///
/// `@prefill(tensor<?xi32>, index, index)` takes tokens, the position of the
/// first one and their number; `@decode(tensor<1xi32>, index, index)` the same
/// for one token. Each returns rows of logits (or of hidden states).
class ReferenceSession {
public:
  /// `interpreter` must outlive the session. `capacity` is the largest number
  /// of positions, from 1 to `kMaxPositions`; every cache has that many rows,
  /// so that none is reused.
  ReferenceSession(Interpreter &interpreter, int64_t capacity)
      : interpreter(interpreter), caches(capacity) {}

  /// Runs the next tokens of a prompt. Calling it for pieces of a prompt in
  /// turn computes the same rows as one call, whatever the pieces. The result
  /// is that of @prefill, for this piece.
  llvm::Expected<TensorRef> prefill(llvm::ArrayRef<int32_t> tokens);

  /// Runs one more token through @decode.
  llvm::Expected<TensorRef> decode(int32_t token);

  /// Forgets every token: what follows is what it would be in a new session.
  void clear() {
    caches = CacheState(caches.getCapacity());
    position = 0;
  }

  /// The number of tokens so far: the position of the next one. A failed call
  /// leaves it as it was, and the caches too.
  int64_t getPosition() const { return position; }

private:
  llvm::Expected<TensorRef> step(llvm::StringRef function,
                                 llvm::ArrayRef<int32_t> tokens);

  Interpreter &interpreter;
  CacheState caches;
  int64_t position = 0;
};

} // namespace flow

#endif // FLOW_REFERENCE_SESSION_H
