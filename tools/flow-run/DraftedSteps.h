// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tokens through a compiled model, several of a step where they can be guessed.

#ifndef FLOW_TOOLS_FLOWRUN_DRAFTEDSTEPS_H
#define FLOW_TOOLS_FLOWRUN_DRAFTEDSTEPS_H

#include "Steps.h"
#include "flow/Text/PromptLookup.h"

namespace flow {

/// Decodes as `CompiledSteps` does, with the same logits: each token is run
/// together with a draft of those that may follow it. As long as the tokens
/// that come are those of the draft, their logits are there already; the first
/// that is another one takes back the rest. A draft is as long as a register
/// tile has rows; where one comes whole, the next is twice as long.
class DraftedSteps : public CompiledSteps {
public:
  struct Options {
    /// Tokens of a draft at most.
    int64_t draftTokens = 0;
    /// Tokens that are decoded at most, behind which nothing is guessed.
    int64_t decodedTokens = 0;
    /// Positions that the sequence has room for.
    int64_t context = 0;
  };
  /// The model of `sequence` must have been compiled to verify drafts.
  DraftedSteps(runtime::Sequence &sequence, const Options &options)
      : CompiledSteps(sequence), options(options) {}

  llvm::Error prefill(const std::vector<int32_t> &tokens,
                      const Sink &sink) override;
  llvm::Error decode(int32_t token) override;
  void clear() override;
  const float *logits() const override;

  /// Tokens that were guessed, and those of them that came.
  int64_t drafted() const { return draftedCount; }
  int64_t accepted() const { return acceptedCount; }

private:
  /// With the token that they follow, a register tile of the step that verifies
  /// them.
  static constexpr int64_t kFirstDraft = 3;

  /// Tokens that a draft may have now.
  int64_t room() const;

  Options options;
  text::PromptLookup lookup;
  /// The guess that runs with the last token that was decoded, and how many of
  /// it have come since.
  std::vector<int32_t> draft;
  size_t taken = 0;
  /// Tokens of the next draft, if there is room.
  int64_t length = kFirstDraft;
  int64_t decodedCount = 0, draftedCount = 0, acceptedCount = 0;
};

} // namespace flow

#endif // FLOW_TOOLS_FLOWRUN_DRAFTEDSTEPS_H
