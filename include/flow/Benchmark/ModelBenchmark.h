// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures how fast a model reads prompts and generates tokens.

#ifndef FLOW_BENCHMARK_MODELBENCHMARK_H
#define FLOW_BENCHMARK_MODELBENCHMARK_H

#include "flow/Benchmark/MachineProbe.h"
#include "flow/Benchmark/ModelWork.h"
#include "flow/Benchmark/StageTimes.h"

#include <ctime>
#include <functional>
#include <string>
#include <vector>

namespace flow {

struct Measurement;

/// What is to be measured. For each number of threads the model is loaded once,
/// and for each depth there is a test of each prompt and then of each
/// generation, by each number of sequences.
struct BenchmarkOptions {
  /// Tokens of prompts and tokens to generate; 0 is no test.
  std::vector<int64_t> prompts = {512}, generations = {128};
  /// Sequences that generate together, each as many tokens; at least 1.
  std::vector<int64_t> parallels = {1};
  /// Tokens that are there before what is measured, at least 0.
  std::vector<int64_t> depths = {0};
  /// At least 1.
  std::vector<int64_t> threads = {1};
  /// Timed runs of a test, at least 1; one that is not timed comes first.
  int64_t repetitions = 5;
  /// Run each test once more, to see where its time goes.
  bool stages = false;
  /// How the model is loaded, but for its threads and its context.
  LoadOptions load;
  /// Called before each run, timed or not, and before the machine is measured
  /// for it; may be empty. It may wait, so that others who are measured on this
  /// machine have their turn; what it fails with ends the benchmark.
  std::function<llvm::Error(const Measurement &test)> beforeRun;
  /// Told, in a few words, what happens now; may be empty.
  std::function<void(llvm::StringRef)> progress;
};

/// A test and what was measured. One of `prompt` and `generate` is 0.
/// `generate` and `depth` are those of each of `parallel` sequences, of which a
/// prompt has one.
struct Measurement {
  int64_t prompt = 0, generate = 0, parallel = 1, depth = 0, threads = 1;
  /// When the first timed run began.
  std::time_t began = 0;
  /// Of each timed run.
  std::vector<double> seconds;
  /// Of one run.
  Work work;
  /// Measured before each timed run: the mean.
  MachineSpeed speed;

  /// Of a run that is none of those above, if it was asked for.
  std::optional<StageTimes> stages;

  /// `pp512`, `tg128`, `tg128 x8`, `pp512 @ d1024`.
  std::string name() const;
  /// Tokens a second of each timed run, of all sequences together.
  std::vector<double> rates() const;
  /// The part of the time that the operations would take at the machine's peaks
  /// of their kinds; nothing where it has no such instruction.
  std::optional<double> shareOfPeak() const;
  /// The part of the time that reading the bytes would take.
  double shareOfReading() const;
};

/// What is measured, and on what.
struct BenchmarkFacts {
  std::string path;
  /// Architecture, parameters, and the type that holds most of the bytes:
  /// `gemma3 268M Q8_0`.
  std::string type;
  /// Bytes and elements of all tensors in the file.
  int64_t bytes = 0, parameters = 0;
  /// What the system calls the processor, and what LLVM calls the one that the
  /// code is for.
  std::string processor, cpu;
  /// As they were asked for; empty for an artefact, which was compiled before.
  std::string numerics;
  /// What keys and values are kept as: `f32`, `bf16` or `f16`.
  std::string cacheType;
  /// The best logits that a step gives, as they were asked for; 0 is all.
  /// Nothing for an artefact.
  std::optional<int64_t> topK;
  /// Tokens of a prefill step at most.
  int64_t chunk = 0;
};

/// Everything that was measured.
struct BenchmarkResult {
  BenchmarkFacts facts;
  std::vector<Measurement> measurements;
};

/// Loads the model at `path` and measures it. Fails where the model cannot be
/// loaded, has no room for a test, or gives logits that are not finite, and as
/// `beforeRun` does.
llvm::Expected<BenchmarkResult> runBenchmark(llvm::StringRef path,
                                             const BenchmarkOptions &options);

} // namespace flow

#endif // FLOW_BENCHMARK_MODELBENCHMARK_H
