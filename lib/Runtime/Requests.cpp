// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks options and tokens.

#include "Requests.h"

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
