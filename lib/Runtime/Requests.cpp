// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks options, tokens and spans, and finds the steps that hold whole spans.

#include "Requests.h"

#include <algorithm>

using namespace flow;
using namespace flow::runtime;

Result<EngineOptions> flow::runtime::resolveOptions(const Plan &plan,
                                                    EngineOptions options) {
  if (options.context < 0 || options.context > plan.context)
    return Error{"a context of " + std::to_string(options.context) +
                 " positions is more than the model's " +
                 std::to_string(plan.context)};
  if (options.context == 0)
    options.context = plan.context;
  if (options.prefillChunk < 1)
    return Error{"a prefill chunk must hold at least one token, got " +
                 std::to_string(options.prefillChunk)};
  return options;
}

Status flow::runtime::checkTokens(const Plan &plan, int64_t context,
                                  const int32_t *tokens, int64_t count,
                                  int64_t position) {
  if (count == 0)
    return Error{"a prompt must have at least one token"};
  int64_t room = context - position;
  if (count > room)
    return Error{std::to_string(count) + " tokens do not fit: the context of " +
                 std::to_string(context) + " has room for " +
                 std::to_string(room)};
  for (int64_t i = 0; i != count; ++i)
    if (tokens[i] < 0 || tokens[i] >= plan.vocab)
      return Error{"token " + std::to_string(tokens[i]) +
                   " is outside the vocabulary of " +
                   std::to_string(plan.vocab)};
  return {};
}

Status flow::runtime::checkSpans(const Plan &plan,
                                 const std::vector<TokenSpan> &spans,
                                 int64_t position, int64_t count,
                                 int64_t chunk) {
  if (!spans.empty() && !plan.hasSpans())
    return Error{"the model has no mask with spans"};
  int64_t last = position;
  for (const TokenSpan &span : spans) {
    std::string name =
        "span " + std::to_string(span.begin) + ":" + std::to_string(span.end);
    if (span.begin >= span.end)
      return Error{name + " is empty"};
    if (span.begin < last || span.end > position + count)
      return Error{name + " must lie behind the one before and in the tokens " +
                   "from " + std::to_string(position) + " to " +
                   std::to_string(position + count)};
    if (span.end - span.begin > chunk)
      return Error{name + " is longer than a step of " + std::to_string(chunk) +
                   " tokens"};
    last = span.end;
  }
  return {};
}

int64_t flow::runtime::endOfStep(const std::vector<TokenSpan> &spans,
                                 int64_t begin, int64_t end, int64_t chunk) {
  int64_t last = std::min(begin + chunk, end);
  for (const TokenSpan &span : spans)
    if (span.begin < last && last < span.end)
      return span.begin;
  return last;
}

std::vector<TokenSpan>
flow::runtime::spansOfStep(const std::vector<TokenSpan> &spans, int64_t begin,
                           int64_t end) {
  std::vector<TokenSpan> found;
  for (const TokenSpan &span : spans)
    if (begin <= span.begin && span.end <= end)
      found.push_back(span);
  return found;
}
