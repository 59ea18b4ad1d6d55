// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Measures a model: tokens a second, and the share of the machine's best.

#include "Common/CommandLine.h"
#include "flow/Benchmark/BenchmarkReport.h"
#include "flow/Benchmark/GpuReport.h"
#include "flow/Benchmark/ModelBenchmark.h"
#include "flow/Compiler/CodeCache.h"
#include "llvm/ADT/StringSwitch.h"

#include <cstdio>
#include <malloc.h>

using namespace flow;
namespace cl = llvm::cl;

static const TakenOptionNames
    taken({"p", "n", "d", "r", "t", "o", "n-prompt", "n-gen", "n-depth",
           "repetitions", "threads", "output", "mcpu", "top-k", "target"});

static cl::OptionCategory category("flow-bench options");

static cl::opt<std::string>
    modelPath(cl::Positional, cl::Required,
              cl::desc("<model.gguf | folder | artefact | config.json>"),
              cl::cat(category));

// The names of llama-bench, short and long.
static cl::list<int64_t> prompts("p", cl::CommaSeparated,
                                 cl::desc("tokens of prompts; 0 = none (512)"),
                                 cl::value_desc("n,..."), cl::cat(category));
static cl::alias promptsLong("n-prompt", cl::aliasopt(prompts), cl::NotHidden,
                             cl::desc("-p"), cl::cat(category));
static cl::list<int64_t>
    generations("n", cl::CommaSeparated,
                cl::desc("tokens to generate; 0 = none (128)"),
                cl::value_desc("n,..."), cl::cat(category));
static cl::alias generationsLong("n-gen", cl::aliasopt(generations),
                                 cl::NotHidden, cl::desc("-n"),
                                 cl::cat(category));
static cl::list<int64_t>
    parallels("parallel", cl::CommaSeparated,
              cl::desc("sequences that generate together (1)"),
              cl::value_desc("n,..."), cl::cat(category));
static cl::list<int64_t> depths("d", cl::CommaSeparated,
                                cl::desc("tokens that are there before (0)"),
                                cl::value_desc("n,..."), cl::cat(category));
static cl::alias depthsLong("n-depth", cl::aliasopt(depths), cl::NotHidden,
                            cl::desc("-d"), cl::cat(category));
static cl::list<int64_t> threads("t", cl::CommaSeparated,
                                 cl::desc("threads (all processors)"),
                                 cl::value_desc("n,..."), cl::cat(category));
static cl::alias threadsLong("threads", cl::aliasopt(threads), cl::NotHidden,
                             cl::desc("-t"), cl::cat(category));
static cl::opt<int64_t> repetitions("r", cl::desc("timed runs of each test"),
                                    cl::init(5), cl::value_desc("n"),
                                    cl::cat(category));
static cl::alias repetitionsLong("repetitions", cl::aliasopt(repetitions),
                                 cl::NotHidden, cl::desc("-r"),
                                 cl::cat(category));
static cl::opt<std::string> output("o", cl::desc("md, json, jsonl or csv"),
                                   cl::init("md"), cl::value_desc("format"),
                                   cl::cat(category));
static cl::alias outputLong("output", cl::aliasopt(output), cl::NotHidden,
                            cl::desc("-o"), cl::cat(category));

static cl::opt<bool> stages("stages",
                            cl::desc("show where the time of a test goes"),
                            cl::cat(category));
static cl::opt<bool>
    turns("turns",
          cl::desc("before each run, say `turn TEST` on standard output and "
                   "wait for a line on standard input"),
          cl::cat(category));
static cl::opt<std::string> numerics("numerics",
                                     cl::desc("auto, f32, bf16 or int8"),
                                     cl::init("auto"), cl::cat(category));
static cl::opt<std::string>
    cacheType("cache-type",
              cl::desc("keys and values: f32, bf16, f16 or auto, which is "
                       "f32 with --numerics f32, else f16"),
              cl::init("auto"), cl::cat(category));
static cl::opt<std::string> cpu("mcpu", cl::desc("CPU to compile for"),
                                cl::init("native"), cl::cat(category));
static cl::opt<int64_t>
    topK("top-k",
         cl::desc("steps give the best logits, as a choice among so many asks "
                  "for; 0 = all"),
         cl::init(0), cl::value_desc("n"), cl::cat(category));
static cl::opt<int64_t> prefillChunk("prefill-chunk",
                                     cl::desc("tokens of a prefill step"),
                                     cl::init(512), cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("cpu or nvvm-emulated"),
                                   cl::init("cpu"), cl::cat(category));
static cl::opt<bool> performanceModel(
    "model",
    cl::desc("with --target nvvm-emulated: tell what a GPU takes at least, "
             "from what the emulator counts; a config.json is enough"),
    cl::cat(category));
static cl::list<std::string>
    gpus("gpu", cl::CommaSeparated,
         cl::desc("with --model: A100, H100, B200, RTX4090 or RTX5090 (all)"),
         cl::value_desc("name,..."), cl::cat(category));

namespace {

/// Threads that anybody may ask for.
constexpr int64_t kMostThreads = 1024;

/// The numbers of a list, or what it is without one.
std::vector<int64_t> numbersOf(const cl::list<int64_t> &list,
                               int64_t otherwise) {
  if (list.empty())
    return {otherwise};
  return {list.begin(), list.end()};
}

std::optional<ReportFormat> parseFormat(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<ReportFormat>>(name)
      .Case("md", ReportFormat::Markdown)
      .Case("json", ReportFormat::Json)
      .Case("jsonl", ReportFormat::JsonLines)
      .Case("csv", ReportFormat::Csv)
      .Default(std::nullopt);
}

/// Lets whoever drives several engines say when this one is to run.
llvm::Error awaitTurn(const Measurement &test) {
  llvm::outs() << "turn " << test.name() << '\n';
  llvm::outs().flush();
  for (int c; (c = std::getchar()) != '\n';)
    if (c == EOF)
      return llvm::createStringError(
          "--turns: expected a line on standard input before " + test.name() +
          ", found its end");
  return llvm::Error::success();
}

BenchmarkOptions readOptions() {
  BenchmarkOptions options;
  options.prompts = numbersOf(prompts, 512);
  options.generations = numbersOf(generations, 128);
  options.parallels = numbersOf(parallels, 1);
  options.depths = numbersOf(depths, 0);
  options.threads = numbersOf(threads, sysconf(_SC_NPROCESSORS_ONLN));
  options.repetitions = repetitions;
  options.stages = stages;
  options.load.cpu = cpu;
  options.load.compile.numerics = numerics;
  options.load.compile.cacheType = cacheType;
  options.load.compile.topK = topK;
  options.load.prefillChunk = prefillChunk;
  options.load.cacheFolder = getUserCacheFolder();
  if (turns)
    options.beforeRun = awaitTurn;
  if (isatty(STDERR_FILENO))
    options.progress = [](llvm::StringRef what) {
      llvm::errs() << "\r\033[K" << what;
    };
  return options;
}

/// What is wrong with the options, if anything.
std::string checkUsage(const BenchmarkOptions &options) {
  auto checkList = [](const char *name, llvm::ArrayRef<int64_t> list,
                      int64_t least) -> std::string {
    for (int64_t number : list)
      if (number < least)
        return std::string(name) + " must be at least " +
               std::to_string(least) + ", got " + std::to_string(number);
    return {};
  };
  for (const std::string &problem :
       {checkList("-p", options.prompts, 0),
        checkList("-n", options.generations, 0),
        checkList("--parallel", options.parallels, 1),
        checkList("-d", options.depths, 0), checkList("-t", options.threads, 1),
        checkList("-r", options.repetitions, 1),
        checkList("--top-k", options.load.compile.topK, 0),
        checkList("--prefill-chunk", options.load.prefillChunk, 1)})
    if (!problem.empty())
      return problem;
  for (int64_t number : options.threads)
    if (number > kMostThreads)
      return "-t must be at most " + std::to_string(kMostThreads) + ", got " +
             std::to_string(number);
  auto isZero = [](int64_t number) { return number == 0; };
  if (llvm::all_of(options.prompts, isZero) &&
      llvm::all_of(options.generations, isZero))
    return "there is nothing to measure: -p and -n are 0";
  if (std::string problem = checkArithmetic(numerics, cacheType);
      !problem.empty())
    return problem;
  if (!parseFormat(output))
    return "-o must be md, json, jsonl or csv, got '" + output + "'";
  if (stages && output == "csv")
    return "--stages are tables, which have no place in csv";
  return {};
}

/// What is wrong with the options of the performance model, if anything.
std::string checkModelUsage() {
  bool isEmulated = target == "nvvm-emulated";
  if (!isEmulated && target != "cpu")
    return "--target must be cpu or nvvm-emulated, got '" + target + "'";
  if (isEmulated && !performanceModel)
    return "an emulator's time says nothing of a GPU's: --target nvvm-emulated "
           "needs --model";
  if (!isEmulated && performanceModel)
    return "--model needs --target nvvm-emulated";
  if (!performanceModel && !gpus.empty())
    return "--gpu needs --model";
  if (performanceModel && output != "md" && output != "json")
    return "-o must be md or json with --model, got '" + output + "'";
  return {};
}

int runModel(const BenchmarkOptions &options) {
  GpuEstimateOptions estimate;
  for (const std::string &name : gpus) {
    llvm::Expected<const GpuDevice *> device = findGpuDevice(name);
    if (!device)
      return reportUsage("--gpu: " + llvm::toString(device.takeError()));
    estimate.devices.push_back(*device);
  }
  if (gpus.empty())
    for (const GpuDevice &device : gpuDevices())
      estimate.devices.push_back(&device);
  for (int64_t depth : options.depths) {
    for (int64_t prompt : options.prompts)
      if (prompt != 0)
        estimate.tests.push_back({prompt, 0, depth});
    if (options.generations.front() != 0)
      estimate.tests.push_back({0, 1, depth});
  }
  estimate.chunk = options.load.prefillChunk;
  estimate.threads = static_cast<int>(options.threads.front());
  estimate.compile = options.load.compile;
  estimate.compile.chunk = options.load.prefillChunk;
  estimate.progress = options.progress;
  llvm::Expected<std::vector<GpuDeviceEstimate>> estimates =
      estimateModel(modelPath, estimate);
  if (!estimates)
    return reportFailure(estimates.takeError());
  writeGpuReport(llvm::outs(), modelPath, *estimates, *parseFormat(output));
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  // As in flow-run: memory that a layer gives back, the next one takes.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (!parseCommandLine(
          argc, argv, category,
          "Measures a Gemma model in the manner of llama-bench\n"))
    return kExitUsage;
  BenchmarkOptions options = readOptions();
  if (std::string problem = checkUsage(options); !problem.empty())
    return reportUsage(problem);
  if (std::string problem = checkModelUsage(); !problem.empty())
    return reportUsage(problem);
  if (performanceModel)
    return runModel(options);
  llvm::Expected<BenchmarkResult> result = runBenchmark(modelPath, options);
  if (!result)
    return reportFailure(result.takeError());
  writeReport(llvm::outs(), *result, *parseFormat(output));
  return 0;
}
