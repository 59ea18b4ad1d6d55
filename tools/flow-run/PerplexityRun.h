// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Scores a text window by window.

#ifndef FLOW_TOOLS_FLOWRUN_PERPLEXITYRUN_H
#define FLOW_TOOLS_FLOWRUN_PERPLEXITYRUN_H

#include "Steps.h"
#include "flow/Text/Perplexity.h"

namespace flow {

/// The perplexity that `steps`, whose logits are `vocab` for each row, give the
/// text of `windows`. Each window begins with an empty sequence, and logits are
/// scored as they are handed out, a few rows at a time, by `threads` threads
/// whose number changes no bit. `progress` is told the windows done and the
/// perplexity so far. Fails as `steps` and `text::surprise` do.
llvm::Expected<text::Perplexity> measurePerplexity(
    Steps &steps, const text::PerplexityWindows &windows, int64_t vocab,
    int threads,
    llvm::function_ref<void(int64_t, const text::Perplexity &)> progress);

} // namespace flow

#endif // FLOW_TOOLS_FLOWRUN_PERPLEXITYRUN_H
