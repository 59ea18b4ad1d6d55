// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Several sequences of one model that run together.

#ifndef FLOW_RUNTIME_BATCH_H
#define FLOW_RUNTIME_BATCH_H

#include "flow/Runtime/Engine.h"

namespace flow::runtime {

/// Sequences side by side, each in a slot of its own. What a sequence computes
/// is bit for bit what it would compute alone.
class Batch {
public:
  /// `slots` empty sequences of `model`, which must outlive the batch and have
  /// been compiled for batches, and so for logits rather than candidates. Each
  /// may hold `model.context()` positions.
  static Result<std::unique_ptr<Batch>> create(Model &model, int64_t slots);
  ~Batch();

  /// Tokens of the sequence in `slot`.
  struct Part {
    int64_t slot = 0;
    std::vector<int32_t> tokens;
  };

  /// Told the logits of `rows` consecutive positions of the sequence in `slot`,
  /// `[rows, vocab]`, in ascending positions of each.
  using LogitsSink =
      std::function<Status(int64_t slot, const float *logits, int64_t rows)>;

  /// Appends the tokens of each part to its sequence; one token each is a step
  /// of decoding, which has as many rows as parts. Parts may be of any lengths;
  /// where one is longer, each begins a new row tile. As many rows run together
  /// as the engine's `prefillChunk` allows; what does not fit runs after it.
  /// Afterwards `logits` of the slots are those of the parts' last tokens.
  ///
  /// Fails, with nothing appended, on no parts, a slot that is not there or in
  /// two parts, a part without tokens, a token outside the vocabulary, or more
  /// tokens than a sequence's context has room for.
  ///
  /// A sink that fails ends the call with its error. Steps before the one that
  /// it refused stay appended.
  Status append(const std::vector<Part> &parts, const LogitsSink &sink = {});

  /// Empties the sequence in `slot`, which must be there.
  void clear(int64_t slot);

  /// `[vocab]` logits of the last token in `slot`, which must be there; null as
  /// long as there is none.
  const float *logits(int64_t slot) const;
  /// Number of tokens in `slot`, which must be there.
  int64_t position(int64_t slot) const;
  int64_t slots() const;
  /// Bytes of the caches, touched or not.
  size_t cacheBytes() const;

private:
  struct State;
  explicit Batch(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_BATCH_H
