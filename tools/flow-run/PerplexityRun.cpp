// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs windows through a model and adds up their surprises.

#include "PerplexityRun.h"

#include "flow/Runtime/ThreadPool.h"

using namespace flow;

/// The surprises of the tokens from `next` on, of which there are `count`, by
/// rows of logits.
static std::vector<Result<double>> surprises(runtime::ThreadPool &pool,
                                             const float *rows, int64_t count,
                                             int64_t vocab,
                                             const int32_t *next) {
  std::vector<Result<double>> nats(count, Error{});
  pool.parallelFor(count, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row != end; ++row)
      nats[row] = text::surprise(rows + row * vocab, static_cast<size_t>(vocab),
                                 next[row]);
  });
  return nats;
}

/// Scores the second half of `tokens`, a window, and adds it to `perplexity`.
static llvm::Error scoreWindow(Steps &steps, runtime::ThreadPool &pool,
                               const std::vector<int32_t> &tokens,
                               int64_t context, int64_t vocab,
                               text::Perplexity &perplexity) {
  auto middle = tokens.begin() + static_cast<ptrdiff_t>(context);
  steps.clear();
  // Nobody asks for logits here, so few are computed.
  if (llvm::Error error = steps.prefill({tokens.begin(), middle}, {}))
    return error;
  // What is refused first.
  std::string refusal;
  const int32_t *next = &middle[1];
  auto score = [&](const float *rows, int64_t count) {
    for (const Result<double> &nats :
         surprises(pool, rows, count, vocab, next)) {
      if (nats)
        perplexity.add(*nats);
      else if (refusal.empty())
        refusal = nats.error();
    }
    next += count;
  };
  // The last token has none behind it that its logits could foretell.
  if (llvm::Error error = steps.prefill({middle, tokens.end() - 1}, score))
    return error;
  return refusal.empty() ? llvm::Error::success()
                         : llvm::createStringError(refusal);
}

llvm::Expected<text::Perplexity> flow::measurePerplexity(
    Steps &steps, const text::PerplexityWindows &windows, int64_t vocab,
    int threads,
    llvm::function_ref<void(int64_t, const text::Perplexity &)> progress) {
  runtime::ThreadPool pool(threads);
  text::Perplexity perplexity;
  for (int64_t i = 0; i != windows.count(); ++i) {
    if (llvm::Error error = scoreWindow(steps, pool, windows.window(i),
                                        windows.context(), vocab, perplexity))
      return std::move(error);
    progress(i + 1, perplexity);
  }
  return perplexity;
}
