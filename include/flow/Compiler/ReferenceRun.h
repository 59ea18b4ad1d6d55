// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A model file run by the interpreter rather than by compiled code.

#ifndef FLOW_COMPILER_REFERENCERUN_H
#define FLOW_COMPILER_REFERENCERUN_H

#include "flow/Compiler/LoadedModel.h"

#include <functional>
#include <memory>
#include <vector>

namespace flow {

/// One sequence of tokens through the interpreter.
class ReferenceRun {
public:
  /// An empty sequence of `model`, which must outlive it, with room for
  /// `capacity` positions.
  static llvm::Expected<std::unique_ptr<ReferenceRun>>
  create(const ImportedModel &model, int64_t capacity);
  ~ReferenceRun();

  /// Appends `tokens`; `sink`, if given, gets the logits of each in order.
  llvm::Error prefill(llvm::ArrayRef<int32_t> tokens,
                      const std::function<void(llvm::ArrayRef<float>)> &sink);
  /// Appends one token.
  llvm::Error decode(int32_t token);
  /// Forgets every token.
  void clear();
  /// `[vocab]` logits of the last token.
  const std::vector<float> &logits() const;

private:
  struct State;
  explicit ReferenceRun(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace flow

#endif // FLOW_COMPILER_REFERENCERUN_H
