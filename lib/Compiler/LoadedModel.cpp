// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Brings file, code and runtime together.

#include "flow/Compiler/LoadedModel.h"

#include "flow/Compiler/CodeCache.h"
#include "flow/Import/GgufReader.h"
#include "flow/Import/HfModel.h"
#include "flow/Import/ModelBuilder.h"
#include "flow/Import/TokenizerData.h"
#include "flow/Support/Stopwatch.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/Path.h"

using namespace flow;

/// Positions to make room for when nobody says how many.
static constexpr int64_t kDefaultContext = 8192;

bool flow::isConfiguration(llvm::StringRef path) {
  return llvm::sys::path::extension(path) == ".json" &&
         !llvm::sys::fs::is_directory(path);
}

llvm::Expected<ImportedModel> flow::importConfiguration(llvm::StringRef path) {
  llvm::Expected<std::unique_ptr<HfModel>> model =
      HfModel::openConfiguration(path);
  if (!model)
    return model.takeError();
  GemmaConfig config = (*model)->config();
  return ImportedModel{std::move(*model), std::move(config)};
}

llvm::Expected<ImportedModel> flow::importModel(llvm::StringRef path) {
  if (isConfiguration(path))
    return llvm::createStringError(
        path + ": is a configuration without weights, which can be compiled "
               "but not run");
  if (llvm::sys::fs::is_directory(path)) {
    llvm::Expected<std::unique_ptr<HfModel>> folder = HfModel::open(path);
    if (!folder)
      return folder.takeError();
    GemmaConfig config = (*folder)->config();
    return ImportedModel{std::move(*folder), std::move(config)};
  }
  llvm::Expected<std::unique_ptr<GgufReader>> file = GgufReader::open(path);
  if (!file)
    return file.takeError();
  llvm::Expected<GemmaConfig> config = readGemmaConfig(**file);
  if (!config)
    return config.takeError();
  return ImportedModel{std::move(*file), std::move(*config)};
}

llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>>
flow::buildRecipe(mlir::MLIRContext &context, const ImportedModel &model) {
  return buildRecipe(context, model.config, *model.file);
}

llvm::Expected<text::Vocabulary>
flow::loadVocabulary(const ImportedModel &model) {
  llvm::Expected<TokenizerData> data =
      model.file->readTokenizer(model.config.vocab);
  if (!data)
    return data.takeError();
  text::VocabularyData vocabulary;
  if (data->model == "gemma4")
    vocabulary.algorithm = text::Algorithm::Bpe;
  vocabulary.pieces.assign(data->tokens.begin(), data->tokens.end());
  vocabulary.merges.assign(data->merges.begin(), data->merges.end());
  vocabulary.scores = std::move(data->scores);
  vocabulary.types = std::move(data->types);
  vocabulary.bos = data->bos;
  vocabulary.eos = data->eos;
  vocabulary.ends = std::move(data->ends);
  vocabulary.unk = data->unknown;
  vocabulary.pad = data->padding;
  vocabulary.addBos = data->addBos;
  vocabulary.addSpacePrefix = data->addSpacePrefix;
  flow::Result<text::Vocabulary> result =
      text::Vocabulary::create(std::move(vocabulary));
  if (!result)
    return llvm::createStringError(model.file->path() + ": " + result.error());
  return std::move(*result);
}

runtime::TensorSource flow::tensorsOf(const ModelFile &file) {
  runtime::TensorSource source;
  source.find =
      [&file](const std::string &name) -> std::optional<runtime::TensorView> {
    const ModelTensor *tensor = file.findTensor(name);
    if (!tensor)
      return std::nullopt;
    runtime::TensorView view;
    view.type = tensor->type;
    // Of more dimensions, all but the last one count rows.
    view.rows = 1;
    for (int64_t dim : llvm::ArrayRef<int64_t>(tensor->dims).drop_back())
      view.rows *= dim;
    view.cols = tensor->dims.back();
    view.data = tensor->data;
    return view;
  };
  source.release = [](const std::byte *data, size_t size) {
    ModelFile::releasePages(data, size);
  };
  return source;
}

int64_t flow::resolveContext(int64_t asked, int64_t positions) {
  // A model's own context may be far larger than anyone wants room for.
  return asked != 0 ? asked : std::min(positions, kDefaultContext);
}

/// Compiles the recipe of `model` through the cache.
static llvm::Expected<CachedCompilation>
compile(const ImportedModel &model, const CompileOptions &compileOptions,
        const LoadOptions &options) {
  llvm::Expected<CpuTarget> target = resolveCpuTarget(options.cpu);
  if (!target)
    return target.takeError();
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  mlir::MLIRContext context(registry);
  llvm::Expected<mlir::OwningOpRef<mlir::ModuleOp>> recipe =
      buildRecipe(context, model);
  if (!recipe)
    return recipe.takeError();
  return compileCached(**recipe, *target, compileOptions, options.cacheFolder);
}

llvm::Expected<std::unique_ptr<LoadedModel>>
LoadedModel::load(llvm::StringRef path, const LoadOptions &options) {
  auto progress = [&](llvm::StringRef what) {
    if (options.progress)
      options.progress(what);
  };
  std::unique_ptr<LoadedModel> loaded(new LoadedModel);
  LoadTimes &times = loaded->loadTimes;

  progress("reading");
  Stopwatch reading;
  Artifact artifact;
  bool compiled = isArtifact(path);
  std::string weights = path.str();
  if (compiled) {
    llvm::Expected<Artifact> read = readArtifact(path);
    if (!read)
      return read.takeError();
    artifact = std::move(*read);
    weights =
        options.weightsPath.empty() ? artifact.modelPath : options.weightsPath;
    if (weights.empty())
      return llvm::createStringError(
          path + ": was compiled from a recipe, which remembers no weights");
  }
  llvm::Expected<ImportedModel> imported = importModel(weights);
  if (!imported)
    return imported.takeError();
  loaded->source = std::move(*imported);
  if (compiled && loaded->source.file->headerDigest() != artifact.modelDigest)
    return llvm::createStringError(weights +
                                   ": is another model than the one " + path +
                                   " was compiled for");
  times.load = reading.seconds();
  CompileOptions compileOptions = options.compile;
  if (options.onImport)
    if (llvm::Error error = options.onImport(loaded->source, compileOptions))
      return std::move(error);

  Stopwatch compiling;
  if (!compiled) {
    progress("compiling");
    llvm::Expected<CachedCompilation> compilation =
        compile(loaded->source, compileOptions, options);
    if (!compilation)
      return compilation.takeError();
    artifact = std::move(compilation->artifact);
    times.wasCached = compilation->wasCached;
  } else {
    times.wasCached = true;
  }
  CpuTarget target;
  target.triple = artifact.triple;
  target.cpu = artifact.cpu;
  target.features = artifact.features;
  if (llvm::Error error = checkRunsHere(target))
    return llvm::createStringError(path + ": " +
                                   llvm::toString(std::move(error)));
  loaded->codeCpu = target.cpu;
  llvm::Expected<std::unique_ptr<LoadedCode>> code =
      LoadedCode::load(artifact.objects);
  if (!code)
    return code.takeError();
  loaded->code = std::move(*code);
  // The first look-up links the objects.
  for (const runtime::Schedule &schedule : artifact.plan.schedules)
    for (const runtime::Step &step : schedule.steps)
      if (step.kind == runtime::StepKind::Call)
        loaded->code->lookupEntry(step.function);
  times.compile = compiling.seconds();

  progress("packing weights");
  Stopwatch packing;
  runtime::EngineOptions engineOptions;
  engineOptions.threads = options.threads;
  engineOptions.context =
      resolveContext(options.context, artifact.plan.context);
  engineOptions.prefillChunk = options.prefillChunk;
  flow::Result<std::unique_ptr<runtime::Model>> engine = runtime::Model::create(
      std::move(artifact.plan),
      [&](const std::string &name) { return loaded->code->lookupEntry(name); },
      tensorsOf(*loaded->source.file), engineOptions);
  if (!engine)
    return llvm::createStringError(engine.error());
  loaded->engine = std::move(*engine);
  times.pack = packing.seconds();
  progress("");
  return loaded;
}
