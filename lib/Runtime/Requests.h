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

} // namespace flow::runtime

#endif // FLOW_LIB_RUNTIME_REQUESTS_H
