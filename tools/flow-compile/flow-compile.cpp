// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Compiles a model to an artefact, or shows any phase of its compilation.

#include "Common/CommandLine.h"
#include "flow/Compiler/GpuCompiler.h"
#include "flow/Compiler/LoadedModel.h"
#include "flow/Compiler/ModelSummary.h"
#include "flow/Compiler/OutputFile.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/SourceMgr.h"

using namespace flow;
namespace cl = llvm::cl;

static const TakenOptionNames taken({"o", "emit", "phase", "target", "mcpu",
                                     "context", "save-temps"});

static cl::OptionCategory category("flow-compile options");

static cl::opt<std::string>
    modelPath(cl::Positional, cl::Required,
              cl::desc("<model.gguf | folder | config.json | recipe.mlir>"),
              cl::cat(category));
static cl::opt<std::string> outputPath("o", cl::Required,
                                       cl::desc("output; - is stdout"),
                                       cl::value_desc("path"),
                                       cl::cat(category));
static cl::opt<std::string> emit(
    "emit",
    cl::desc("summary, recipe, flow, linalg, llvm, asm, obj, gpu, nvvm, ptx, "
             "cubin or fatbin, the last five for a GPU; without it an "
             "artefact"),
    cl::cat(category));
static cl::opt<std::string> phase("phase",
                                  cl::desc("prefill, decode, verify or all"),
                                  cl::init("all"), cl::cat(category));
static cl::opt<std::string> target("target", cl::desc("cpu or nvvm"),
                                   cl::init("cpu"), cl::cat(category));
static cl::opt<std::string>
    gpuArch("gpu-arch",
            cl::desc("GPU architecture to compile for; for a fatbin several"),
            cl::value_desc("sm_80,sm_90"), cl::init("sm_80"),
            cl::cat(category));
static cl::opt<std::string> cpu("mcpu", cl::desc("CPU to compile for"),
                                cl::init("native"), cl::cat(category));
static cl::opt<std::string> numerics("numerics",
                                     cl::desc("auto, f32, bf16 or int8"),
                                     cl::init("auto"), cl::cat(category));
static cl::opt<std::string>
    cacheType("cache-type",
              cl::desc("keys and values: f32, bf16, f16 or auto, which is "
                       "f32 with --numerics f32, else f16"),
              cl::init("auto"), cl::cat(category));
static cl::opt<int64_t>
    contextSize("context", cl::desc("positions at most; 0 = the model's"),
                cl::init(0), cl::cat(category));
static cl::opt<int64_t>
    topK("top-k",
         cl::desc("end a step with so many of the largest logits and their "
                  "tokens; 0 = with all logits"),
         cl::init(0), cl::cat(category));
static cl::opt<bool>
    verify("verify",
           cl::desc("code that verifies drafts too, for flow-run --draft"),
           cl::cat(category));
static cl::opt<std::string>
    saveTemps("save-temps", cl::desc("folder for the text of every phase"),
              cl::value_desc("folder"), cl::cat(category));

namespace {

/// Numbers rather than a phase of compilation.
constexpr llvm::StringLiteral kSummary = "summary";

/// Of several architectures.
constexpr llvm::StringLiteral kFatbin = "fatbin";

struct Kind {
  EmitKind kind;
  llvm::StringRef extension;
};

std::optional<Kind> parseKind(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Kind>>(name)
      .Case("recipe", Kind{EmitKind::Recipe, "mlir"})
      .Case("flow", Kind{EmitKind::Flow, "mlir"})
      .Case("linalg", Kind{EmitKind::Linalg, "mlir"})
      .Case("llvm", Kind{EmitKind::Llvm, "mlir"})
      .Case("asm", Kind{EmitKind::Assembly, "s"})
      .Case("obj", Kind{EmitKind::Object, "o"})
      .Default(std::nullopt);
}

std::optional<GpuEmitKind> parseGpuKind(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<GpuEmitKind>>(name)
      .Case("flow", GpuEmitKind::Flow)
      .Case("gpu", GpuEmitKind::Gpu)
      .Case("nvvm", GpuEmitKind::Nvvm)
      .Case("ptx", GpuEmitKind::Ptx)
      .Case("cubin", GpuEmitKind::Cubin)
      .Default(std::nullopt);
}

/// What is wrong with --emit for --target=nvvm, if anything.
std::string checkGpuUsage() {
  if (emit.empty())
    return "--target nvvm is available with --emit=flow, gpu, nvvm, ptx, cubin "
           "or fatbin only";
  if ((emit == "cubin" || emit == kFatbin) && phase == "all")
    return "--emit=" + emit + " needs --phase=prefill or --phase=decode";
  if (emit != kFatbin && llvm::StringRef(gpuArch).contains(','))
    return "--emit=" + emit + " is for one architecture, got --gpu-arch " +
           gpuArch;
  if (emit == kFatbin || parseGpuKind(emit))
    return phase == "verify" ? "--phase=verify is of a CPU" : "";
  return "--emit=" + emit + " is of a CPU, not of --target nvvm";
}

std::string checkUsage() {
  if (std::string problem = checkChoice("--target", target, {"cpu", "nvvm"});
      !problem.empty())
    return problem;
  if (emit == "so")
    return "--emit=so is not available yet";
  if (!emit.empty())
    if (std::string problem =
            checkChoice("--emit", emit,
                        {"summary", "recipe", "flow", "linalg", "llvm", "asm",
                         "obj", "so", "gpu", "nvvm", "ptx", "cubin", "fatbin"});
        !problem.empty())
      return problem;
  if (target == "nvvm") {
    if (std::string problem = checkGpuUsage(); !problem.empty())
      return problem;
  } else if (!emit.empty() && emit != kSummary && !parseKind(emit)) {
    return "--emit=" + emit + " needs --target nvvm";
  }
  if (std::string problem =
          checkChoice("--phase", phase, {"prefill", "decode", "verify", "all"});
      !problem.empty())
    return problem;
  if (emit.empty() && phase != "all")
    return "an artefact holds all phases: --phase needs --emit";
  if (emit == kSummary && phase != "all")
    return "--emit=summary is of all phases";
  if (emit == "obj" && phase == "all")
    return "--emit=obj needs --phase=prefill, --phase=decode or "
           "--phase=verify";
  if (std::string problem = checkArithmetic(numerics, cacheType);
      !problem.empty())
    return problem;
  for (auto [name, value] :
       {std::pair<const char *, int64_t>{"--context", contextSize},
        {"--top-k", topK}})
    if (value < 0)
      return std::string(name) + " must not be negative, got " +
             std::to_string(value);
  return {};
}

/// A recipe and the file that it stands for.
struct Input {
  mlir::OwningOpRef<mlir::ModuleOp> recipe;
  std::string path;
  uint64_t digest = 0;
};

llvm::Expected<Input> readRecipe(mlir::MLIRContext &context) {
  // The first problem becomes the error; nothing else is printed.
  std::string problem;
  mlir::ScopedDiagnosticHandler handler(
      &context, [&](mlir::Diagnostic &diagnostic) {
        if (problem.empty() &&
            diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error)
          llvm::raw_string_ostream(problem)
              << diagnostic.getLocation() << ": " << diagnostic;
        return mlir::success();
      });
  Input input;
  input.recipe = mlir::parseSourceFile<mlir::ModuleOp>(modelPath, &context);
  if (!input.recipe)
    return llvm::createStringError(
        problem.empty() ? modelPath + ": cannot be read as a recipe" : problem);
  return input;
}

llvm::Expected<Input> readInput(mlir::MLIRContext &context) {
  llvm::StringRef extension = llvm::sys::fs::is_directory(modelPath)
                                  ? ""
                                  : llvm::sys::path::extension(modelPath);
  if (extension == ".mlir" || extension == ".mlirbc")
    return readRecipe(context);
  llvm::Expected<ImportedModel> model = isConfiguration(modelPath)
                                            ? importConfiguration(modelPath)
                                            : importModel(modelPath);
  if (!model)
    return model.takeError();
  auto recipe = buildRecipe(context, *model);
  if (!recipe)
    return recipe.takeError();
  llvm::SmallString<256> absolute(modelPath.getValue());
  if (std::error_code code = llvm::sys::fs::make_absolute(absolute))
    return llvm::createStringError(modelPath + ": " + code.message());
  return Input{std::move(*recipe), absolute.str().str(),
               model->file->headerDigest()};
}

llvm::Error writeText(llvm::StringRef path, llvm::StringRef text) {
  return writeOutputFile(path, [&](llvm::raw_ostream &out) {
    out << text;
    return llvm::Error::success();
  });
}

llvm::SmallVector<llvm::StringRef> steps() {
  if (phase != "all")
    return {phase.getValue()};
  if (verify)
    return {"prefill", "decode", "verify"};
  return {"prefill", "decode"};
}

llvm::Error emitPhase(mlir::ModuleOp recipe, Kind kind,
                      const CpuTarget &cpuTarget,
                      const CompileOptions &options) {
  std::string text;
  for (llvm::StringRef step :
       kind.kind == EmitKind::Recipe
           ? llvm::SmallVector<llvm::StringRef>{"prefill"}
           : steps()) {
    llvm::Expected<std::string> part =
        emitStep(recipe, step, kind.kind, cpuTarget, options);
    if (!part)
      return part.takeError();
    text += *part;
  }
  return writeText(outputPath, text);
}

/// What --emit says of a compilation for GPUs, of all `steps()`.
llvm::Error emitGpuPhase(mlir::ModuleOp recipe, llvm::ArrayRef<NvvmTarget> gpus,
                         const CompileOptions &options) {
  std::string text;
  for (llvm::StringRef step : steps()) {
    llvm::Expected<std::string> part =
        emit == kFatbin ? emitGpuFatbin(recipe, step, gpus, options)
                        : emitGpuStep(recipe, step, *parseGpuKind(emit),
                                      gpus.front(), options);
    if (!part)
      return part.takeError();
    text += *part;
  }
  return writeText(outputPath, text);
}

/// Writes `text` as the phase `name` of `step` to the folder of --save-temps.
llvm::Error saveText(llvm::StringRef step, llvm::StringRef name,
                     llvm::StringRef extension, llvm::StringRef text) {
  llvm::SmallString<256> path(saveTemps.getValue());
  llvm::sys::path::append(path, step + "." + name + "." + extension);
  return writeText(path, text);
}

llvm::Error makeFolder() {
  if (std::error_code code = llvm::sys::fs::create_directories(saveTemps))
    return llvm::createStringError(saveTemps +
                                   ": cannot be made: " + code.message());
  return llvm::Error::success();
}

llvm::Error saveAllPhases(mlir::ModuleOp recipe, const CpuTarget &cpuTarget,
                          const CompileOptions &options) {
  if (llvm::Error error = makeFolder())
    return error;
  for (llvm::StringRef step : steps())
    for (llvm::StringRef name : {"recipe", "flow", "linalg", "llvm", "asm"}) {
      Kind kind = *parseKind(name);
      llvm::Expected<std::string> text =
          emitStep(recipe, step, kind.kind, cpuTarget, options);
      if (!text)
        return text.takeError();
      if (llvm::Error error = saveText(step, name, kind.extension, *text))
        return error;
    }
  return llvm::Error::success();
}

/// With `prefix` in front of the phases' names.
llvm::Error saveGpuPhases(mlir::ModuleOp recipe, const NvvmTarget &gpu,
                          llvm::StringRef prefix,
                          const CompileOptions &options) {
  if (llvm::Error error = makeFolder())
    return error;
  for (llvm::StringRef step : steps())
    for (llvm::StringRef name : {"flow", "gpu", "nvvm", "ptx"}) {
      llvm::Expected<std::string> text =
          emitGpuStep(recipe, step, *parseGpuKind(name), gpu, options);
      if (!text)
        return text.takeError();
      if (llvm::Error error = saveText(step, (prefix + name).str(),
                                       name == "ptx" ? "ptx" : "mlir", *text))
        return error;
    }
  return llvm::Error::success();
}

/// Does what was asked for with --target nvvm.
llvm::Error runForGpu(mlir::ModuleOp recipe, const CompileOptions &options) {
  llvm::Expected<std::vector<NvvmTarget>> gpus = resolveNvvmTargets(gpuArch);
  if (!gpus)
    return gpus.takeError();
  for (const NvvmTarget &gpu : *gpus) {
    std::string prefix = gpus->size() == 1 ? "" : gpu.chip + ".";
    if (!saveTemps.empty())
      if (llvm::Error error = saveGpuPhases(recipe, gpu, prefix, options))
        return error;
  }
  return emitGpuPhase(recipe, *gpus, options);
}

llvm::Error run() {
  llvm::Expected<CpuTarget> cpuTarget = resolveCpuTarget(cpu);
  if (!cpuTarget)
    return cpuTarget.takeError();
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  llvm::Expected<Input> input = readInput(context);
  if (!input)
    return input.takeError();
  CompileOptions options;
  options.numerics = numerics;
  options.cacheType = cacheType;
  options.context = contextSize;
  options.topK = topK;
  options.verify = verify;
  options.configurePasses = [](mlir::PassManager &passes) -> llvm::Error {
    if (failed(mlir::applyPassManagerCLOptions(passes)))
      return llvm::createStringError("the pass debugging options do not agree");
    mlir::applyDefaultTimingPassManagerCLOptions(passes);
    return llvm::Error::success();
  };
  if (target == "nvvm")
    return runForGpu(*input->recipe, options);
  if (!saveTemps.empty())
    if (llvm::Error error = saveAllPhases(*input->recipe, *cpuTarget, options))
      return error;
  if (emit == kSummary) {
    llvm::Expected<ModelSummary> summary =
        summarizeModel(*input->recipe, *cpuTarget, options);
    if (!summary)
      return summary.takeError();
    return writeText(outputPath, toJson(*summary));
  }
  if (!emit.empty())
    return emitPhase(*input->recipe, *parseKind(emit), *cpuTarget, options);
  llvm::Expected<Artifact> artifact =
      compileModel(*input->recipe, *cpuTarget, options);
  if (!artifact)
    return artifact.takeError();
  artifact->modelPath = input->path;
  artifact->modelDigest = input->digest;
  return writeArtifact(*artifact, outputPath);
}

} // namespace

int main(int argc, char **argv) {
  mlir::registerMLIRContextCLOptions();
  mlir::registerPassManagerCLOptions();
  mlir::registerDefaultTimingManagerCLOptions();
  if (!parseCommandLine(argc, argv, category, "Compiles a Gemma model\n"))
    return kExitUsage;
  if (std::string problem = checkUsage(); !problem.empty())
    return reportUsage(problem);
  if (llvm::Error error = run())
    return reportFailure(std::move(error));
  return 0;
}
