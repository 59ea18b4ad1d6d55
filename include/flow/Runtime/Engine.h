// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs a plan: a loaded model, and sequences of tokens through it.

#ifndef FLOW_RUNTIME_ENGINE_H
#define FLOW_RUNTIME_ENGINE_H

#include "flow/Runtime/Plan.h"
#include "flow/Runtime/Profile.h"
#include "flow/Runtime/Weights.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace flow::runtime {

/// How a model is run.
struct EngineOptions {
  /// Threads in all.
  int threads = 1;
  /// Positions that a sequence may hold; 0 = the model's.
  int64_t context = 0;
  /// Tokens of a prefill step at most.
  int64_t prefillChunk = 512;
};

/// The entry of a compiled function, or null; see flow/Runtime/Abi.h.
using SymbolLookup = std::function<void *(const std::string &function)>;

/// A model ready to run: plan, code and packed weights. Sequences of one model
/// share it and run one at a time.
class Model {
public:
  /// Looks up every function of `plan` and packs every weight. The code behind
  /// `lookup` and the data behind `source` must outlive the model.
  static Result<std::unique_ptr<Model>> create(Plan plan,
                                               const SymbolLookup &lookup,
                                               const TensorSource &source,
                                               const EngineOptions &options);
  ~Model();

  const Plan &plan() const;
  /// Positions that a sequence may hold.
  int64_t context() const;
  /// Bytes of packed weights.
  size_t weightBytes() const;
  /// From now on the steps of all sequences are told to `profile`, which must
  /// live as long as it is the model's; null = they are not.
  void setProfile(Profile *profile);

private:
  friend class Batch;
  friend class Sequence;
  friend class StepRunner;
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

/// The `count` largest logits after a token and whose they are, the largest
/// first, of equal ones the lower token first. Where fewer tokens have logits
/// above minus infinity, the others are token -1. Nothing if `count` is 0.
struct Candidates {
  const float *logits = nullptr;
  const int32_t *tokens = nullptr;
  int64_t count = 0;
};

/// Positions `begin <= p < end` whose tokens see each other, such as those of
/// an image.
struct TokenSpan {
  int32_t begin = 0, end = 0;
};

/// One run of tokens with its caches.
class Sequence {
public:
  /// An empty sequence of `model`, which must outlive it.
  static Result<std::unique_ptr<Sequence>> create(Model &model);
  ~Sequence();

  /// Told the logits of `rows` consecutive positions, `[rows, vocab]`.
  using LogitsSink = std::function<Status(const float *logits, int64_t rows)>;

  /// Appends `tokens`; afterwards `logits` or `candidates` holds those of the
  /// last one. With a sink, the plan must have logits of every row, and the
  /// sink gets them in order. Fails, with nothing appended, on an empty list, a
  /// token outside the vocabulary, or more tokens than the context has room
  /// for.
  ///
  /// `spans` are absolute positions of these tokens, ascending and disjoint, of
  /// a plan whose masks have spans. A step holds whole ones, and so none may be
  /// longer than `prefillChunk`.
  ///
  /// A sink that fails ends the call with its error. The chunks before the one
  /// that it refused stay appended, and `position` and `logits` are those after
  /// them: a ring may have overwritten what an earlier position could see, so
  /// there is no way further back.
  Status prefill(const std::vector<int32_t> &tokens,
                 const LogitsSink &sink = {},
                 const std::vector<TokenSpan> &spans = {});

  /// Appends one token; afterwards `logits` or `candidates` holds its own.
  Status decode(int32_t token);

  /// Appends `tokens`, the first of which was chosen and the others are a guess
  /// of what is chosen next, in one step; afterwards `verified` holds the
  /// logits of each, bit for bit those that `decode` would give one after the
  /// other. Those that were guessed wrong are taken back by `truncate`. Fails,
  /// with nothing appended, as `prefill` does, on more than `verifiedAtOnce()`
  /// tokens, and if the model was not compiled for it.
  Status verify(const std::vector<int32_t> &tokens);
  /// Tokens of a `verify` at most.
  int64_t verifiedAtOnce() const;
  /// The logits of token `row` of the last `verify`, which must be there and
  /// after which nothing was appended.
  const float *verified(int64_t row) const;

  /// Takes tokens back until `position` are left: what follows is what it would
  /// be if they had never been appended. `logits` are those of the last token
  /// left if it was in the last `verify`, and otherwise nobody's until the next
  /// step.
  ///
  /// A ring forgets what its windows have passed, so there is a way back as far
  /// as nothing is missing from the window of the next token: over the tokens
  /// of the last step always, to the empty sequence too. Fails, with nothing
  /// taken back, where something is missing, and on a position that is negative
  /// or ahead.
  Status truncate(int64_t position);

  /// Forgets every token: what follows is what it would be in a new sequence.
  /// The memory stays.
  void clear();

  /// `[vocab]` logits of the last token; null as long as there is none, where
  /// `truncate` has left none, and where the plan gives candidates.
  const float *logits() const;
  /// The candidates after the last token, until the next call; nothing as long
  /// as there is none, where `truncate` has left none, and where the plan gives
  /// logits.
  Candidates candidates() const;
  /// Number of tokens appended.
  int64_t position() const;
  /// Bytes of the caches, touched or not.
  size_t cacheBytes() const;

private:
  struct State;
  explicit Sequence(std::unique_ptr<State> state);
  std::unique_ptr<State> state;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_ENGINE_H
