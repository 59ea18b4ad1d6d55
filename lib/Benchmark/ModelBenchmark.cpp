// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs tests of a model one after the other.

#include "flow/Benchmark/ModelBenchmark.h"

#include "flow/Benchmark/Statistics.h"
#include "flow/Runtime/Batch.h"
#include "flow/Support/Stopwatch.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/LineIterator.h"
#include "llvm/Support/MemoryBuffer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

using namespace flow;

std::string Measurement::name() const {
  std::string text =
      prompt ? "pp" + std::to_string(prompt) : "tg" + std::to_string(generate);
  if (parallel != 1)
    text += " x" + std::to_string(parallel);
  if (depth)
    text += " @ d" + std::to_string(depth);
  return text;
}

std::vector<double> Measurement::rates() const {
  std::vector<double> rates;
  for (double each : seconds)
    rates.push_back(static_cast<double>(prompt + generate * parallel) / each);
  return rates;
}

std::optional<double> Measurement::shareOfPeak() const {
  std::optional<double> atPeak = secondsAtPeak(work.operations, speed);
  if (!atPeak)
    return std::nullopt;
  return *atPeak / mean(seconds);
}

double Measurement::shareOfReading() const {
  return work.readBytes / speed.readBytes / mean(seconds);
}

/// What the system calls its processor.
static std::string processorName() {
  auto buffer = llvm::MemoryBuffer::getFileAsStream("/proc/cpuinfo");
  if (buffer)
    for (llvm::line_iterator line(**buffer), end; line != end; ++line)
      if (line->starts_with("model name"))
        return line->split(':').second.trim().str();
  return "unknown";
}

/// Parameters in words: 268M, 4.30B.
static std::string describeCount(int64_t count) {
  double number = static_cast<double>(count);
  return number < 999.5e6 ? llvm::formatv("{0:f0}M", number / 1e6).str()
                          : llvm::formatv("{0:f2}B", number / 1e9).str();
}

static BenchmarkFacts describe(llvm::StringRef path, const LoadOptions &options,
                               const LoadedModel &loaded) {
  const ImportedModel &model = loaded.imported();
  BenchmarkFacts facts;
  facts.path = path.str();
  facts.processor = processorName();
  facts.cpu = loaded.cpu();
  if (!isArtifact(path)) {
    facts.numerics = options.compile.numerics;
    facts.topK = options.compile.topK;
  }
  if (const auto &caches = loaded.model().plan().caches; !caches.empty())
    facts.cacheType = runtime::elementName(caches.front().element);
  facts.chunk = options.prefillChunk;
  std::map<ggml::Type, uint64_t> bytesOfType;
  for (const ModelTensor &tensor : model.file->tensors()) {
    int64_t elements = 1;
    for (int64_t dim : tensor.dims)
      elements *= dim;
    facts.parameters += elements;
    facts.bytes += static_cast<int64_t>(tensor.bytes);
    bytesOfType[tensor.type] += tensor.bytes;
  }
  auto most = std::max_element(
      bytesOfType.begin(), bytesOfType.end(),
      [](const auto &a, const auto &b) { return a.second < b.second; });
  facts.type = model.config.architecture + " " +
               describeCount(facts.parameters) + " " +
               std::string(ggml::typeName(most->first));
  return facts;
}

namespace {

/// One model with its threads.
class Bench {
public:
  static llvm::Expected<Bench> create(llvm::StringRef path,
                                      const BenchmarkOptions &options,
                                      int64_t threads);

  /// Measures `test`, of which is known what it is to be.
  llvm::Expected<Measurement> measure(Measurement test);
  const LoadedModel &model() const { return *loaded; }

private:
  explicit Bench(const BenchmarkOptions &options) : options(options) {}

  /// Seconds of one run from an empty sequence, without the tokens in front.
  /// It is told to `profile`, if there is one.
  llvm::Expected<double> time(const Measurement &test,
                              runtime::Profile *profile = nullptr);
  /// Empties what runs `test`, and appends what is there before it.
  llvm::Error prepare(const Measurement &test);
  llvm::Error run(const Measurement &test);
  /// Appends the tokens that have their place behind those that are there, to
  /// the first `sequences` of the batch.
  llvm::Error appendToBatch(int64_t sequences, int64_t count);
  /// An error if a logit of the last tokens of `test` is not finite.
  llvm::Error checkLogits(const Measurement &test) const;
  /// What a run of `test` costs, by function.
  std::vector<FunctionWork> workOf(const Measurement &test) const;
  llvm::Error awaitTurn(const Measurement &test) const {
    return options.beforeRun ? options.beforeRun(test) : llvm::Error::success();
  }
  void say(const llvm::Twine &what) const {
    if (options.progress)
      options.progress(what.str());
  }

  const BenchmarkOptions &options;
  std::unique_ptr<LoadedModel> loaded;
  std::unique_ptr<runtime::Sequence> sequence;
  /// Null where no test has several sequences.
  std::unique_ptr<runtime::Batch> batch;
  std::unique_ptr<MachineProbe> probe;
  std::optional<ModelWork> work;
  int64_t threads = 1;
  /// As many as the longest test takes.
  std::vector<int32_t> tokens;
};

} // namespace

static llvm::Error toError(const Status &status) {
  return status ? llvm::Error::success()
                : llvm::createStringError(status.error());
}

llvm::Expected<Bench> Bench::create(llvm::StringRef path,
                                    const BenchmarkOptions &options,
                                    int64_t threads) {
  Bench bench(options);
  bench.threads = threads;
  LoadOptions load = options.load;
  load.threads = static_cast<int>(threads);
  load.progress = options.progress;
  // Room for the longest test; a sum that overflows is far too long anyway.
  int64_t most = 1;
  for (int64_t count :
       llvm::concat<const int64_t>(options.prompts, options.generations))
    most = std::max(most, count);
  if (__builtin_add_overflow(most, *llvm::max_element(options.depths),
                             &load.context))
    return llvm::createStringError("a test is longer than any context");
  int64_t sequences = *llvm::max_element(options.parallels);
  load.compile.batch = sequences > 1;
  llvm::Expected<std::unique_ptr<LoadedModel>> loaded =
      LoadedModel::load(path, load);
  if (!loaded)
    return loaded.takeError();
  bench.loaded = std::move(*loaded);
  Result<std::unique_ptr<runtime::Sequence>> sequence =
      runtime::Sequence::create(bench.loaded->model());
  if (!sequence)
    return llvm::createStringError(sequence.error());
  bench.sequence = std::move(*sequence);
  if (sequences > 1) {
    Result<std::unique_ptr<runtime::Batch>> batch =
        runtime::Batch::create(bench.loaded->model(), sequences);
    if (!batch)
      return llvm::createStringError(batch.error());
    bench.batch = std::move(*batch);
  }
  llvm::Expected<std::unique_ptr<MachineProbe>> probe =
      MachineProbe::create(static_cast<int>(threads));
  if (!probe)
    return probe.takeError();
  bench.probe = std::move(*probe);
  const runtime::Plan &plan = bench.loaded->model().plan();
  bench.work.emplace(plan, bench.loaded->imported());
  // Which tokens does not matter, as long as it is the same ones each time.
  std::mt19937_64 random(1);
  for (int64_t i = 0; i != load.context; ++i)
    bench.tokens.push_back(static_cast<int32_t>(random() % plan.vocab));
  return std::move(bench);
}

llvm::Error Bench::appendToBatch(int64_t sequences, int64_t count) {
  std::vector<runtime::Batch::Part> parts;
  for (int64_t slot = 0; slot != sequences; ++slot) {
    auto first = tokens.begin() + batch->position(slot);
    parts.push_back({slot, {first, first + count}});
  }
  return toError(batch->append(parts));
}

llvm::Error Bench::prepare(const Measurement &test) {
  if (test.parallel != 1) {
    for (int64_t slot = 0; slot != test.parallel; ++slot)
      batch->clear(slot);
    return test.depth ? appendToBatch(test.parallel, test.depth)
                      : llvm::Error::success();
  }
  sequence->clear();
  return test.depth ? toError(sequence->prefill(
                          {tokens.begin(), tokens.begin() + test.depth}))
                    : llvm::Error::success();
}

llvm::Error Bench::run(const Measurement &test) {
  auto first = tokens.begin() + test.depth;
  if (test.prompt)
    return toError(sequence->prefill({first, first + test.prompt}));
  for (int64_t i = 0; i != test.generate; ++i)
    if (llvm::Error error = test.parallel != 1
                                ? appendToBatch(test.parallel, 1)
                                : toError(sequence->decode(first[i])))
      return error;
  return llvm::Error::success();
}

llvm::Error Bench::checkLogits(const Measurement &test) const {
  int64_t count = loaded->model().plan().vocab, strange = 0;
  auto look = [&](const float *logits) {
    strange += std::count_if(logits, logits + count,
                             [](float logit) { return !std::isfinite(logit); });
  };
  if (test.parallel != 1) {
    for (int64_t slot = 0; slot != test.parallel; ++slot)
      look(batch->logits(slot));
  } else if (runtime::Candidates best = sequence->candidates(); best.count) {
    count = best.count;
    look(best.logits);
  } else {
    look(sequence->logits());
  }
  if (strange == 0)
    return llvm::Error::success();
  return llvm::createStringError(
      test.name() + ": expected finite logits, found " +
      std::to_string(strange) + " of " + std::to_string(count * test.parallel) +
      " that are not");
}

llvm::Expected<double> Bench::time(const Measurement &test,
                                   runtime::Profile *profile) {
  if (llvm::Error error = prepare(test))
    return error;
  loaded->model().setProfile(profile);
  Stopwatch watch;
  llvm::Error error = run(test);
  double seconds = watch.seconds();
  loaded->model().setProfile(nullptr);
  if (error)
    return error;
  if (llvm::Error strange = checkLogits(test))
    return strange;
  return seconds;
}

std::vector<FunctionWork> Bench::workOf(const Measurement &test) const {
  if (test.prompt)
    return work->prefill(test.depth, test.prompt, options.load.prefillChunk);
  std::vector<FunctionWork> functions;
  for (int64_t i = 0; i != test.generate; ++i)
    for (FunctionWork &each : work->decode(test.depth + i, test.parallel))
      functions.push_back(std::move(each));
  return functions;
}

llvm::Expected<Measurement> Bench::measure(Measurement test) {
  test.threads = threads;
  std::vector<FunctionWork> functions = workOf(test);
  test.work = total(functions);
  std::string what =
      test.name() + " with " + std::to_string(threads) + " threads: ";
  say(what + "warming up");
  if (llvm::Error error = awaitTurn(test))
    return error;
  if (llvm::Expected<double> untimed = time(test); !untimed)
    return untimed.takeError();
  test.began = std::time(nullptr);
  for (int64_t i = 1; i <= options.repetitions; ++i) {
    say(what + std::to_string(i) + " of " +
        std::to_string(options.repetitions));
    if (llvm::Error error = awaitTurn(test))
      return error;
    MachineSpeed speed = probe->measure();
    double part = 1.0 / static_cast<double>(options.repetitions);
    test.speed.f32 += part * speed.f32;
    test.speed.bf16 += part * speed.bf16;
    test.speed.int8 += part * speed.int8;
    test.speed.readBytes += part * speed.readBytes;
    llvm::Expected<double> seconds = time(test);
    if (!seconds)
      return seconds.takeError();
    test.seconds.push_back(*seconds);
  }
  if (options.stages) {
    say(what + "where the time goes");
    if (llvm::Error error = awaitTurn(test))
      return error;
    runtime::Profile profile;
    if (llvm::Expected<double> untimed = time(test, &profile); !untimed)
      return untimed.takeError();
    test.stages = collectStages(profile, functions, [&](const void *address) {
      return loaded->nameOf(address);
    });
  }
  say("");
  return std::move(test);
}

llvm::Expected<BenchmarkResult>
flow::runBenchmark(llvm::StringRef path, const BenchmarkOptions &options) {
  BenchmarkResult result;
  for (int64_t threads : options.threads) {
    llvm::Expected<Bench> bench = Bench::create(path, options, threads);
    if (!bench)
      return bench.takeError();
    result.facts = describe(path, options.load, bench->model());
    auto add = [&](const Measurement &asked) -> llvm::Error {
      if (asked.prompt + asked.generate == 0)
        return llvm::Error::success();
      llvm::Expected<Measurement> test = bench->measure(asked);
      if (!test)
        return test.takeError();
      result.measurements.push_back(std::move(*test));
      return llvm::Error::success();
    };
    for (int64_t depth : options.depths) {
      Measurement asked;
      asked.depth = depth;
      for (int64_t prompt : options.prompts) {
        asked.prompt = prompt;
        if (llvm::Error error = add(asked))
          return error;
      }
      asked.prompt = 0;
      for (int64_t generate : options.generations)
        for (int64_t parallel : options.parallels) {
          asked.generate = generate;
          asked.parallel = parallel;
          if (llvm::Error error = add(asked))
            return error;
        }
    }
  }
  return std::move(result);
}
