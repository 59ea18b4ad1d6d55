// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What may be asked of a model, wherever it runs.

#ifndef FLOW_LIB_RUNTIME_REQUESTS_H
#define FLOW_LIB_RUNTIME_REQUESTS_H

#include "flow/Runtime/Engine.h"

namespace flow::runtime {

/// `options` for `plan` with the context in the place of 0, or what is wrong
/// with them.
Result<EngineOptions> resolveOptions(const Plan &plan, EngineOptions options);

/// What is wrong with `count` tokens after `position` others, if anything.
Status checkTokens(const Plan &plan, int64_t context, const int32_t *tokens,
                   int64_t count, int64_t position);

/// What is wrong with the spans of `count` tokens after `position` others, if
/// anything; a step has at most `chunk` tokens.
Status checkSpans(const Plan &plan, const std::vector<TokenSpan> &spans,
                  int64_t position, int64_t count, int64_t chunk);

/// One past the last position of a step from `begin` on, of at most `chunk`
/// tokens before `end`, that cuts none of `spans`, which are checked.
int64_t endOfStep(const std::vector<TokenSpan> &spans, int64_t begin,
                  int64_t end, int64_t chunk);

/// Those that lie in the step of the positions from `begin` to `end`.
std::vector<TokenSpan> spansOfStep(const std::vector<TokenSpan> &spans,
                                   int64_t begin, int64_t end);

} // namespace flow::runtime

#endif // FLOW_LIB_RUNTIME_REQUESTS_H
