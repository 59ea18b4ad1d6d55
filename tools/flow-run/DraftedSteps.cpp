// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Verifies drafts, and takes back what was guessed wrong.

#include "DraftedSteps.h"

#include <algorithm>

using namespace flow;

static llvm::Error toError(const Status &status) {
  return status ? llvm::Error::success()
                : llvm::createStringError(status.error());
}

llvm::Error DraftedSteps::prefill(const std::vector<int32_t> &tokens,
                                  const Sink &sink) {
  for (int32_t token : tokens)
    lookup.append(token);
  return CompiledSteps::prefill(tokens, sink);
}

int64_t DraftedSteps::room() const {
  return std::min({options.draftTokens, length,
                   options.decodedTokens - decodedCount,
                   options.context - sequence.position() - 1,
                   sequence.verifiedAtOnce() - 1});
}

llvm::Error DraftedSteps::decode(int32_t token) {
  lookup.append(token);
  ++decodedCount;
  if (taken != draft.size()) {
    if (draft[taken] == token) {
      ++taken;
      ++acceptedCount;
      return llvm::Error::success();
    }
    length = kFirstDraft;
    auto wrong = static_cast<int64_t>(draft.size() - taken);
    if (Status status = sequence.truncate(sequence.position() - wrong); !status)
      return toError(status);
  } else if (!draft.empty()) {
    length = std::min(options.draftTokens, 2 * length + 1);
  }
  draft.clear();
  taken = 0;
  std::vector<int32_t> guess;
  if (int64_t most = room(); most > 0)
    guess = lookup.propose(static_cast<size_t>(most));
  if (guess.empty())
    return CompiledSteps::decode(token);
  std::vector<int32_t> tokens{token};
  tokens.insert(tokens.end(), guess.begin(), guess.end());
  if (Status status = sequence.verify(tokens); !status)
    return toError(status);
  draft = std::move(guess);
  draftedCount += static_cast<int64_t>(draft.size());
  return llvm::Error::success();
}

void DraftedSteps::clear() {
  CompiledSteps::clear();
  lookup = {};
  draft.clear();
  taken = 0;
  length = kFirstDraft;
  decodedCount = 0;
}

const float *DraftedSteps::logits() const {
  return draft.empty() ? CompiledSteps::logits()
                       : sequence.verified(static_cast<int64_t>(taken));
}
