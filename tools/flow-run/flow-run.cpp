// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs a model: prompt in, text or tokens out.

#include "Common/CommandLine.h"
#include "DraftedSteps.h"
#include "PerplexityRun.h"
#include "Steps.h"
#include "flow/Compiler/CodeCache.h"
#include "flow/Compiler/GpuModel.h"
#include "flow/Compiler/LoadedModel.h"
#include "flow/Compiler/OutputFile.h"
#include "flow/Support/Stopwatch.h"
#include "flow/Text/Chat.h"
#include "flow/Text/StreamingDecoder.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

using namespace flow;
namespace cl = llvm::cl;

static const TakenOptionNames taken({"threads", "seed", "context", "target",
                                     "stats", "mcpu"});

static cl::OptionCategory category("flow-run options");

static cl::opt<std::string>
    modelPath(cl::Positional, cl::Required,
              cl::desc("<model.gguf | folder | artefact>"), cl::cat(category));
static cl::opt<std::string> prompt("prompt", cl::desc("text to continue"),
                                   cl::value_desc("text"), cl::cat(category));
static cl::opt<std::string>
    promptFile("prompt-file", cl::desc("file with the text to continue"),
               cl::value_desc("path"), cl::cat(category));
static cl::opt<std::string>
    tokenList("tokens", cl::desc("token ids to continue, nothing added"),
              cl::value_desc("2,105,9731"), cl::cat(category));
static cl::opt<std::string>
    perplexityFile("perplexity",
                   cl::desc("file whose tokens are scored, in windows of "
                            "--context tokens (512)"),
                   cl::value_desc("path"), cl::cat(category));
static cl::opt<bool> chat("chat",
                          cl::desc("put the prompt into a turn of a chat"),
                          cl::cat(category));
static cl::opt<int64_t> maxTokens("max-tokens",
                                  cl::desc("tokens to generate at most"),
                                  cl::init(128), cl::cat(category));
static cl::opt<double> temperature("temperature",
                                   cl::desc("0 = the most probable token"),
                                   cl::init(0), cl::cat(category));
static cl::opt<int64_t> topK("top-k",
                             cl::desc("choose among the best; 0 = all"),
                             cl::init(0), cl::cat(category));
static cl::opt<double>
    topP("top-p", cl::desc("choose among the best with this probability"),
         cl::init(1), cl::cat(category));
static cl::opt<std::string>
    draftKind("draft",
              cl::desc("guess tokens and verify several in a step: none or "
                       "lookup, from what the text says before"),
              cl::init("none"), cl::cat(category));
static cl::opt<int64_t> draftTokens("draft-tokens",
                                    cl::desc("tokens of a guess at most"),
                                    cl::init(7), cl::cat(category));
static cl::opt<uint64_t> seed("seed", cl::desc("of the choice"), cl::init(0),
                              cl::cat(category));
static cl::opt<int> threads("threads", cl::desc("0 = all processors"),
                            cl::init(0), cl::cat(category));
static cl::opt<int64_t>
    contextSize("context",
                cl::desc("positions to make room for; 0 = the model's, at most "
                         "8192"),
                cl::init(0), cl::cat(category));
static cl::opt<int64_t> prefillChunk("prefill-chunk",
                                     cl::desc("tokens of a prefill step"),
                                     cl::init(512), cl::cat(category));
static cl::opt<std::string> numerics("numerics",
                                     cl::desc("auto, f32, bf16 or int8"),
                                     cl::init("auto"), cl::cat(category));
static cl::opt<std::string>
    cacheType("cache-type",
              cl::desc("keys and values: f32, bf16, f16 or auto, which is "
                       "f32 with --numerics f32, else f16"),
              cl::init("auto"), cl::cat(category));
static cl::opt<std::string>
    target("target", cl::desc("cpu, reference, nvvm or nvvm-emulated"),
           cl::init("cpu"), cl::cat(category));
static cl::opt<std::string> cpu("mcpu", cl::desc("CPU to compile for"),
                                cl::init("native"), cl::cat(category));
static cl::opt<std::string>
    gpuArch("gpu-arch",
            cl::desc("GPU architecture to compile for; without it the GPU's "
                     "own, and sm_80 for the emulator"),
            cl::cat(category));
static cl::opt<std::string> gpuDriver("gpu-driver",
                                      cl::desc("the CUDA driver's library"),
                                      cl::value_desc("path"),
                                      cl::init(runtime::CudaDevice::kDriver),
                                      cl::cat(category));
static cl::opt<std::string> weightsPath("weights",
                                        cl::desc("model file of an artefact"),
                                        cl::value_desc("path"),
                                        cl::cat(category));
static cl::opt<bool> printTokens("print-tokens",
                                 cl::desc("print generated ids, not text"),
                                 cl::cat(category));
static cl::opt<std::string>
    logitsOut("logits-out",
              cl::desc("write the logits of every position, raw f32"),
              cl::value_desc("path"), cl::cat(category));
static cl::opt<bool> stats("stats", cl::desc("print statistics as JSON"),
                           cl::cat(category));

namespace {

/// Tokens of a window of --perplexity when nobody says how many, as llama.cpp's
/// llama-perplexity has them.
constexpr int64_t kDefaultWindow = 512;

struct RunStatistics {
  double prefillSeconds = 0, decodeSeconds = 0;
  int64_t prefillTokens = 0, decodeTokens = 0;
  /// Of --draft.
  std::optional<int64_t> draftedTokens, acceptedTokens;
  /// Of --perplexity.
  std::optional<text::Perplexity> perplexity;
};

llvm::Error toError(const std::string &message) {
  return llvm::createStringError(message);
}

/// The ids after --tokens.
llvm::Expected<std::vector<int32_t>> parseTokens(llvm::StringRef list) {
  std::vector<int32_t> ids;
  llvm::SmallVector<llvm::StringRef> parts;
  list.split(parts, ',');
  for (llvm::StringRef part : parts) {
    int32_t id;
    if (part.trim().getAsInteger(10, id))
      return toError("'" + part.str() + "' in --tokens is no token id");
    ids.push_back(id);
  }
  return ids;
}

bool scoresText() { return perplexityFile.getNumOccurrences() != 0; }
bool makesDrafts() { return draftKind != "none"; }

llvm::Expected<std::string> readText(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return toError(path + ": cannot be read: " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

/// The text of --prompt or --prompt-file.
llvm::Expected<std::string> readPrompt() {
  if (promptFile.getNumOccurrences() == 0)
    return prompt.getValue();
  return readText(promptFile);
}

/// The tokens of a model.
struct ModelTokens {
  /// Rows of the embedding, and so logits of a position.
  int64_t rows;
  /// None is needed where ids go in and out; a model whose tokenizer is unknown
  /// or missing then has every row of the logits to choose from.
  std::optional<text::Vocabulary> vocabulary;
  /// Never to be generated.
  std::vector<int32_t> suppressed;

  /// Tokens to choose from. A model may have more rows than its vocabulary has
  /// tokens; what has no token is never chosen.
  size_t choices() const {
    return vocabulary ? std::min<size_t>(rows, vocabulary->size()) : rows;
  }
};

llvm::Expected<ModelTokens> findTokens(const ImportedModel &model) {
  ModelTokens tokens{model.config.vocab, std::nullopt, {}};
  llvm::Expected<std::vector<int32_t>> suppressed =
      model.file->readSuppressedTokens(tokens.rows);
  if (!suppressed)
    return suppressed.takeError();
  tokens.suppressed = std::move(*suppressed);
  if (tokenList.getNumOccurrences() && printTokens &&
      !model.file->hasTokenizer())
    return std::move(tokens);
  llvm::Expected<text::Vocabulary> vocabulary = loadVocabulary(model);
  if (!vocabulary)
    return vocabulary.takeError();
  tokens.vocabulary = std::move(*vocabulary);
  return std::move(tokens);
}

text::SamplerOptions samplerOptions(const ModelTokens &known) {
  return {temperature, topK, topP, seed, known.suppressed};
}

/// As many of the largest logits as the choice of a token needs, in a few sizes
/// so that code is there already; 0 where all of them are wanted.
int64_t candidatesFor(const ModelTokens &known) {
  constexpr uint64_t kFewest = 64, kMost = 512;
  std::optional<size_t> needed =
      text::Sampler::bestNeeded(samplerOptions(known));
  if (scoresText() || !logitsOut.empty() || makesDrafts() || !needed)
    return 0;
  uint64_t rows = known.rows;
  // What is not to be chosen may be among the best.
  uint64_t wanted =
      *needed + known.suppressed.size() + (rows - known.choices());
  if (wanted > kMost)
    return 0;
  uint64_t count = llvm::PowerOf2Ceil(wanted);
  // One piece of code for most choices; the best few cost less than more.
  if (*needed != 1)
    count = std::max(kFewest, count);
  return count > rows ? 0 : static_cast<int64_t>(count);
}

llvm::Expected<std::vector<int32_t>>
encodePrompt(const std::optional<text::Vocabulary> &vocabulary,
             llvm::StringRef architecture) {
  if (tokenList.getNumOccurrences())
    return parseTokens(tokenList);
  llvm::Expected<std::string> input = readPrompt();
  if (!input)
    return input.takeError();
  text::Tokenizer tokenizer(*vocabulary);
  if (!chat) {
    Result<std::vector<int32_t>> ids = tokenizer.encode(*input);
    if (!ids)
      return toError(ids.error());
    return std::move(*ids);
  }
  std::optional<text::ChatStyle> style = text::chatStyleFor(
      std::string_view(architecture.data(), architecture.size()));
  if (!style)
    return toError("there is no chat form for " + architecture.str());
  Result<std::vector<int32_t>> ids =
      text::encodeChat(tokenizer, *style, {{"user", *input}});
  if (!ids)
    return toError(ids.error());
  return std::move(*ids);
}

/// Streams generated tokens to stdout, as text or as ids.
class TokenPrinter {
public:
  explicit TokenPrinter(const std::optional<text::Vocabulary> &vocabulary) {
    if (vocabulary)
      decoder.emplace(*vocabulary);
  }

  void push(int32_t token) {
    if (printTokens)
      llvm::outs() << (first ? "" : ",") << token;
    else
      llvm::outs() << decoder->push(token);
    llvm::outs().flush();
    first = false;
  }
  void finish() {
    if (!printTokens)
      llvm::outs() << decoder->flush();
    llvm::outs() << '\n';
    llvm::outs().flush();
  }

private:
  /// None where ids are printed of a model without vocabulary.
  std::optional<text::StreamingDecoder> decoder;
  bool first = true;
};

/// Prefills `tokens` and generates from there. `logits`, if given, gets those
/// of every position.
llvm::Error generate(Steps &steps, const std::vector<int32_t> &tokens,
                     const ModelTokens &known, llvm::raw_ostream *logits,
                     RunStatistics &statistics) {
  const std::optional<text::Vocabulary> &vocabulary = known.vocabulary;
  Result<text::Sampler> sampler = text::Sampler::create(samplerOptions(known));
  if (!sampler)
    return toError(sampler.error());
  auto write = [&](const float *rows, int64_t count) {
    logits->write(reinterpret_cast<const char *>(rows),
                  count * known.rows * sizeof(float));
  };
  Stopwatch prefilling;
  if (llvm::Error error =
          steps.prefill(tokens, logits ? Steps::Sink(write) : Steps::Sink()))
    return error;
  statistics.prefillSeconds = prefilling.seconds();
  statistics.prefillTokens = tokens.size();

  TokenPrinter printer(vocabulary);
  Stopwatch decoding;
  for (int64_t i = 0; i < maxTokens; ++i) {
    Result<int32_t> token = steps.sample(*sampler, known.choices());
    if (!token)
      return toError(token.error());
    // Raw ids go on to the length that was asked for.
    if (!tokenList.getNumOccurrences() && vocabulary->isEndOfGeneration(*token))
      break;
    printer.push(*token);
    ++statistics.decodeTokens;
    // The last token's own logits are of use to nobody but a file.
    if (i + 1 == maxTokens && !logits)
      break;
    if (llvm::Error error = steps.decode(*token))
      return error;
    if (logits)
      write(steps.logits(), 1);
  }
  statistics.decodeSeconds = decoding.seconds();
  printer.finish();
  return llvm::Error::success();
}

/// Generates, writing logits to --logits-out if that was asked for.
llvm::Error generateTo(Steps &steps, const std::vector<int32_t> &tokens,
                       const ModelTokens &known, RunStatistics &statistics) {
  if (logitsOut.empty())
    return generate(steps, tokens, known, nullptr, statistics);
  return writeOutputFile(logitsOut, [&](llvm::raw_ostream &out) {
    return generate(steps, tokens, known, &out, statistics);
  });
}

int64_t windowLength() {
  return contextSize != 0 ? contextSize.getValue() : kDefaultWindow;
}

/// The windows of the text of --perplexity.
llvm::Expected<text::PerplexityWindows>
readWindows(const text::Vocabulary &vocabulary) {
  llvm::Expected<std::string> input = readText(perplexityFile);
  if (!input)
    return input.takeError();
  Result<std::vector<int32_t>> ids = text::Tokenizer(vocabulary).encode(*input);
  if (!ids)
    return toError(perplexityFile + ": " + ids.error());
  Result<text::PerplexityWindows> windows = text::PerplexityWindows::create(
      std::move(*ids), windowLength(),
      vocabulary.addBos() ? vocabulary.bos() : text::kNoToken);
  if (!windows)
    return toError(perplexityFile + ": " + windows.error());
  return std::move(*windows);
}

int threadCount() {
  return threads != 0 ? threads
                      : static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));
}

/// Scores the text of --perplexity.
llvm::Error score(Steps &steps, const ModelTokens &known,
                  RunStatistics &statistics) {
  llvm::Expected<text::PerplexityWindows> windows =
      readWindows(*known.vocabulary);
  if (!windows)
    return windows.takeError();
  bool isTerminal = isatty(STDERR_FILENO);
  auto progress = [&](int64_t done, const text::Perplexity &soFar) {
    if (isTerminal)
      llvm::errs() << llvm::formatv("\r\033[Kwindow {0} of {1}: {2:f4}", done,
                                    windows->count(), soFar.value());
  };
  Stopwatch watch;
  llvm::Expected<text::Perplexity> perplexity =
      measurePerplexity(steps, *windows, known.rows, threadCount(), progress);
  if (isTerminal)
    llvm::errs() << "\r\033[K";
  if (!perplexity)
    return perplexity.takeError();
  statistics.prefillSeconds = watch.seconds();
  statistics.prefillTokens = windows->count() * (windows->length() - 1);
  statistics.perplexity = *perplexity;
  llvm::outs() << llvm::formatv(
      "perplexity {0:f4} ± {1:f4} of {2} tokens\n", perplexity->value(),
      perplexity->standardError(), perplexity->tokens());
  return llvm::Error::success();
}

/// Does what was asked for: scores a text, or generates one.
llvm::Error runSteps(Steps &steps, const ModelTokens &known,
                     llvm::StringRef architecture, RunStatistics &statistics) {
  if (scoresText())
    return score(steps, known, statistics);
  llvm::Expected<std::vector<int32_t>> tokens =
      encodePrompt(known.vocabulary, architecture);
  if (!tokens)
    return tokens.takeError();
  return generateTo(steps, *tokens, known, statistics);
}

/// What a loaded model takes, and where if it is on a GPU.
struct MemoryUse {
  size_t weights = 0, caches = 0;
  /// Those on a GPU; a CPU's grow with the steps.
  std::optional<size_t> buffers;
  std::string gpu, gpuArch;
};

void printStatistics(const LoadTimes &times, const MemoryUse &memory,
                     const RunStatistics &statistics) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  auto rate = [](int64_t tokens, double seconds) {
    return seconds > 0 ? static_cast<double>(tokens) / seconds : 0.0;
  };
  llvm::json::Object object{
      {"load_s", times.load},
      {"compile_s", times.compile},
      {"compile_cached", times.wasCached},
      {"pack_s", times.pack},
      {"prefill_s", statistics.prefillSeconds},
      {"prefill_tokens", statistics.prefillTokens},
      {"prefill_tps",
       rate(statistics.prefillTokens, statistics.prefillSeconds)},
      {"decode_s", statistics.decodeSeconds},
      {"decode_tokens", statistics.decodeTokens},
      {"decode_tps", rate(statistics.decodeTokens, statistics.decodeSeconds)},
      {"peak_rss_bytes", static_cast<int64_t>(usage.ru_maxrss) * 1024},
      {"weight_bytes", static_cast<int64_t>(memory.weights)},
      {"cache_bytes", static_cast<int64_t>(memory.caches)},
      {"threads", threadCount()},
      {"numerics", numerics.getValue()}};
  if (memory.buffers) {
    object["buffer_bytes"] = static_cast<int64_t>(*memory.buffers);
    object["gpu"] = memory.gpu;
    object["gpu_arch"] = memory.gpuArch;
  }
  if (statistics.draftedTokens) {
    object["drafted_tokens"] = *statistics.draftedTokens;
    object["accepted_tokens"] = *statistics.acceptedTokens;
  }
  if (const std::optional<text::Perplexity> &found = statistics.perplexity) {
    object["perplexity"] = found->value();
    object["perplexity_tokens"] = found->tokens();
    // That of a single token is no number.
    object["perplexity_error"] = found->tokens() > 1
                                     ? llvm::json::Value(found->standardError())
                                     : llvm::json::Value(nullptr);
  }
  llvm::errs() << llvm::json::Value(std::move(object)) << '\n';
}

/// How the model is to be loaded, wherever it runs.
LoadOptions loadOptions() {
  LoadOptions options;
  options.cpu = cpu;
  options.threads = threadCount();
  options.compile.numerics = numerics;
  options.compile.cacheType = cacheType;
  options.compile.logitsAll = scoresText() || !logitsOut.empty();
  options.compile.verify = makesDrafts();
  options.context = scoresText() ? windowLength() : contextSize.getValue();
  options.prefillChunk = prefillChunk;
  options.weightsPath = weightsPath;
  options.cacheFolder = getUserCacheFolder();
  if (isatty(STDERR_FILENO))
    options.progress = [](llvm::StringRef what) {
      llvm::errs() << "\r\033[K" << what;
    };
  return options;
}

llvm::Error run() {
  LoadOptions options = loadOptions();
  std::optional<ModelTokens> known;
  options.onImport = [&](const ImportedModel &model,
                         CompileOptions &compile) -> llvm::Error {
    llvm::Expected<ModelTokens> tokens = findTokens(model);
    if (!tokens)
      return tokens.takeError();
    known = std::move(*tokens);
    compile.topK = candidatesFor(*known);
    return llvm::Error::success();
  };
  llvm::Expected<std::unique_ptr<LoadedModel>> loaded =
      LoadedModel::load(modelPath, options);
  if (!loaded)
    return loaded.takeError();
  runtime::Model &model = (*loaded)->model();
  // Of an artefact; said before anything is generated.
  if (makesDrafts() && !model.plan().findSchedule("verify"))
    return toError(modelPath + ": was compiled without the code that verifies "
                               "drafts, which --draft needs");
  Result<std::unique_ptr<runtime::Sequence>> sequence =
      runtime::Sequence::create(model);
  if (!sequence)
    return toError(sequence.error());

  RunStatistics statistics;
  CompiledSteps plain(**sequence);
  // The last token is decoded for the sake of its logits only.
  int64_t decoded = logitsOut.empty() ? maxTokens - 1 : maxTokens;
  DraftedSteps drafted(**sequence, {draftTokens, decoded, model.context()});
  Steps &steps = makesDrafts() ? static_cast<Steps &>(drafted) : plain;
  if (llvm::Error error = runSteps(
          steps, *known, (*loaded)->imported().config.architecture, statistics))
    return error;
  if (makesDrafts()) {
    statistics.draftedTokens = drafted.drafted();
    statistics.acceptedTokens = drafted.accepted();
  }
  if (stats)
    printStatistics(
        (*loaded)->times(),
        {model.weightBytes(), (*sequence)->cacheBytes(), {}, {}, {}},
        statistics);
  return llvm::Error::success();
}

llvm::Expected<std::unique_ptr<GpuModel>>
loadOnGpu(const LoadOptions &options) {
  if (target == "nvvm")
    return GpuModel::loadOnDevice(modelPath, gpuArch, options, gpuDriver);
  emulator::ProgramOptions emulation;
  emulation.count = false; // nobody asks
  llvm::StringRef chip = gpuArch;
  if (chip.empty())
    chip = "sm_80";
  return GpuModel::loadEmulated(modelPath, chip, options, emulation);
}

llvm::Error runOnGpu() {
  LoadOptions options = loadOptions();
  std::optional<ModelTokens> known;
  options.onImport = [&](const ImportedModel &model,
                         CompileOptions &compile) -> llvm::Error {
    llvm::Expected<ModelTokens> tokens = findTokens(model);
    if (!tokens)
      return tokens.takeError();
    known = std::move(*tokens);
    compile.topK = candidatesFor(*known);
    return llvm::Error::success();
  };
  llvm::Expected<std::unique_ptr<GpuModel>> loaded = loadOnGpu(options);
  if (!loaded)
    return loaded.takeError();
  runtime::DeviceModel &model = (*loaded)->model();
  Result<std::unique_ptr<runtime::DeviceSequence>> sequence =
      runtime::DeviceSequence::create(model);
  if (!sequence)
    return toError(sequence.error());
  RunStatistics statistics;
  DeviceSteps steps(**sequence);
  if (llvm::Error error = runSteps(
          steps, *known, (*loaded)->imported().config.architecture, statistics))
    return error;
  if (stats) {
    const runtime::DeviceMemoryPlan &memory = model.memoryPlan();
    printStatistics((*loaded)->times(),
                    {memory.weights, memory.caches, memory.buffers,
                     (*loaded)->deviceName(), (*loaded)->chip()},
                    statistics);
  }
  return llvm::Error::success();
}

llvm::Error runReference() {
  llvm::Expected<ImportedModel> model = importModel(modelPath);
  if (!model)
    return model.takeError();
  llvm::Expected<ModelTokens> known = findTokens(*model);
  if (!known)
    return known.takeError();
  int64_t capacity = scoresText() ? windowLength()
                     : contextSize != 0
                         ? contextSize.getValue()
                         : std::min<int64_t>(model->config.context, 8192);
  llvm::Expected<std::unique_ptr<ReferenceRun>> reference =
      ReferenceRun::create(*model, capacity);
  if (!reference)
    return reference.takeError();
  RunStatistics statistics;
  ReferenceSteps steps(**reference);
  return runSteps(steps, *known, model->config.architecture, statistics);
}

/// What is wrong with the options, if anything.
std::string checkUsage() {
  int prompts = prompt.getNumOccurrences() + promptFile.getNumOccurrences() +
                tokenList.getNumOccurrences() +
                perplexityFile.getNumOccurrences();
  if (prompts != 1)
    return "expected one of --prompt, --prompt-file, --tokens and "
           "--perplexity, got " +
           std::to_string(prompts);
  if (scoresText())
    for (const cl::Option *option : std::initializer_list<const cl::Option *>{
             &chat, &maxTokens, &temperature, &topK, &topP, &draftKind,
             &draftTokens, &seed, &printTokens, &logitsOut})
      if (option->getNumOccurrences())
        return "--perplexity generates nothing: --" + option->ArgStr.str() +
               " has no place beside it";
  if (scoresText() && contextSize > 0 &&
      contextSize < text::PerplexityWindows::kLeastLength)
    return "--context is the window of --perplexity, " +
           std::to_string(text::PerplexityWindows::kLeastLength) +
           " tokens at least, got " + std::to_string(contextSize);
  for (auto [name, value] :
       {std::pair<const char *, int64_t>{"--max-tokens", maxTokens},
        {"--threads", threads},
        {"--context", contextSize}})
    if (value < 0)
      return std::string(name) + " must not be negative, got " +
             std::to_string(value);
  if (std::string problem =
          checkChoice("--draft", draftKind, {"none", "lookup"});
      !problem.empty())
    return problem;
  if (draftTokens < 1)
    return "--draft-tokens must be positive, got " +
           std::to_string(draftTokens);
  if (prefillChunk < 1)
    return "--prefill-chunk must be positive, got " +
           std::to_string(prefillChunk);
  if (std::string problem = checkArithmetic(numerics, cacheType);
      !problem.empty())
    return problem;
  if (gpuDriver.getNumOccurrences() && target != "nvvm")
    return "--gpu-driver is for --target nvvm, not for " + target;
  if (target == "reference" && stats)
    return "--stats are those of compiled code: --target reference has none";
  if (target != "cpu" && makesDrafts())
    return "--draft is for code of a CPU: --target " + target +
           " verifies none";
  return checkChoice("--target", target,
                     {"cpu", "reference", "nvvm", "nvvm-emulated"});
}

} // namespace

int main(int argc, char **argv) {
  // Every layer takes and gives back the same few megabytes. Handing them to
  // the system and getting them back as fresh pages would cost a third of a
  // prefill, so this process keeps what it has freed.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  if (!parseCommandLine(argc, argv, category, "Runs a Gemma model\n"))
    return kExitUsage;
  if (std::string problem = checkUsage(); !problem.empty())
    return reportUsage(problem);
  if (llvm::Error error = target == "reference" ? runReference()
                          : target == "cpu"     ? run()
                                                : runOnGpu())
    return reportFailure(std::move(error));
  return 0;
}
