// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A sequence of tokens through a model, compiled, emulated or interpreted.

#ifndef FLOW_TOOLS_FLOWRUN_STEPS_H
#define FLOW_TOOLS_FLOWRUN_STEPS_H

#include "flow/Compiler/ReferenceRun.h"
#include "flow/Runtime/DeviceModel.h"
#include "flow/Text/Sampler.h"

namespace flow {

/// A sequence of tokens, however it is computed.
class Steps {
public:
  virtual ~Steps() = default;
  /// Told the logits of `count` consecutive rows.
  using Sink = std::function<void(const float *rows, int64_t count)>;
  /// Appends a prompt; the sink, if not empty, gets the logits of every row.
  virtual llvm::Error prefill(const std::vector<int32_t> &tokens,
                              const Sink &sink) = 0;
  virtual llvm::Error decode(int32_t token) = 0;
  /// Forgets every token.
  virtual void clear() = 0;
  /// The logits of the last token, which a prefill with a sink has left.
  virtual const float *logits() const = 0;
  /// The next token, among those below `choices`.
  virtual Result<int32_t> sample(text::Sampler &sampler, size_t choices) const {
    return sampler.sample(logits(), choices);
  }
};

/// A sequence of the runtime, of any of its kinds. Its steps end in logits or
/// in candidates.
template <typename Sequence> class RuntimeSteps : public Steps {
public:
  explicit RuntimeSteps(Sequence &sequence) : sequence(sequence) {}

  llvm::Error prefill(const std::vector<int32_t> &tokens,
                      const Sink &sink) override {
    runtime::Sequence::LogitsSink rows;
    if (sink)
      rows = [&](const float *data, int64_t count) {
        sink(data, count);
        return Status();
      };
    Status status = sequence.prefill(tokens, rows);
    return status ? llvm::Error::success()
                  : llvm::createStringError(status.error());
  }
  llvm::Error decode(int32_t token) override {
    Status status = sequence.decode(token);
    return status ? llvm::Error::success()
                  : llvm::createStringError(status.error());
  }
  void clear() override { sequence.clear(); }
  const float *logits() const override { return sequence.logits(); }
  Result<int32_t> sample(text::Sampler &sampler,
                         size_t choices) const override {
    runtime::Candidates best = sequence.candidates();
    if (best.count == 0)
      return Steps::sample(sampler, choices);
    return sampler.sample(
        {best.logits, best.tokens, static_cast<size_t>(best.count), choices});
  }

protected:
  Sequence &sequence;
};

/// On a device.
using DeviceSteps = RuntimeSteps<runtime::DeviceSequence>;

/// On the CPU.
using CompiledSteps = RuntimeSteps<runtime::Sequence>;

class ReferenceSteps : public Steps {
public:
  explicit ReferenceSteps(ReferenceRun &run) : run(run) {}

  llvm::Error prefill(const std::vector<int32_t> &tokens,
                      const Sink &sink) override {
    return run.prefill(tokens, [&](llvm::ArrayRef<float> row) {
      if (sink)
        sink(row.data(), 1);
    });
  }
  llvm::Error decode(int32_t token) override { return run.decode(token); }
  void clear() override { run.clear(); }
  const float *logits() const override { return run.logits().data(); }

private:
  ReferenceRun &run;
};

} // namespace flow

#endif // FLOW_TOOLS_FLOWRUN_STEPS_H
