// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads Gemma configurations from GGUF metadata.

#include "flow/Import/GemmaConfig.h"

#include "ConfigChecks.h"
#include "Quote.h"

#include "llvm/ADT/Twine.h"

#include <cmath>
#include <cstring>

using namespace flow;

namespace {

/// What a generation has that its files do not say.
struct Generation {
  llvm::StringRef architecture, name;
  /// Norms after both branches, on query and key heads, and on value heads.
  bool postNorms, qkNorm, vNorm;
  /// Layers are windowed but for every `period`-th, unless the file says
  /// otherwise; 0 = no windows at all.
  int64_t period;
  /// Rotary base of full and of windowed layers, where not given.
  float thetaFull, thetaSliding;
  /// Caps that a file may leave out.
  float attentionSoftcap, finalSoftcap;
  /// Layers of the one size whose scale is `(hidden / heads)^-1/2`; 0 = no such
  /// size.
  int64_t layersOf27B;
  /// Layers differ in heads and widths, and the file lists which slide.
  bool variesByLayer;
};

constexpr Generation kGenerations[] = {
    {"gemma", "Gemma 1", false, false, false, 0, 1e4f, 1e4f, 0, 0, 0, false},
    {"gemma2", "Gemma 2", true, false, false, 2, 1e4f, 1e4f, 50, 30, 46, false},
    {"gemma3", "Gemma 3", true, true, false, 6, 1e6f, 1e4f, 0, 0, 62, false},
    {"gemma4", "Gemma 4", true, true, true, 6, 1e6f, 1e4f, 0, 0, 0, true},
};

class ConfigReader {
public:
  explicit ConfigReader(const GgufReader &file) : file(file) {}
  llvm::Expected<GemmaConfig> read();

private:
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError(file.path() + ": " + what);
  }
  std::string key(llvm::StringRef name) const {
    return (config.architecture + "." + name).str();
  }
  /// A number that must be there.
  llvm::Error integer(llvm::StringRef name, int64_t &out, int64_t high,
                      std::optional<int64_t> otherwise = std::nullopt);
  /// As `integer`, of a key that may also give one number for each layer: a
  /// number for each layer. None differs from the others before Gemma 4.
  llvm::Expected<std::vector<int64_t>> numberOfEachLayer(llvm::StringRef name,
                                                         int64_t high);
  llvm::Error number(llvm::StringRef name, float &out,
                     std::optional<float> otherwise);
  /// The array `name`, which must have an entry for each layer.
  llvm::Expected<std::vector<int64_t>> layerIntegers(llvm::StringRef name);
  /// A number that a file may state again must be `expected`.
  llvm::Error agree(llvm::StringRef name, int64_t expected);
  llvm::Error readNumbers();
  llvm::Error readLayers();
  llvm::Error readHeads();
  llvm::Error readRope();
  llvm::Error readRopePairs();
  llvm::Error readPattern();
  llvm::Error readFourthParts();
  llvm::Error readExperts(int64_t count);

  const GgufReader &file;
  const Generation *generation = nullptr;
  GemmaConfig config;
};

llvm::Error ConfigReader::integer(llvm::StringRef name, int64_t &out,
                                  int64_t high,
                                  std::optional<int64_t> otherwise) {
  llvm::Expected<std::optional<int64_t>> value = file.getInteger(key(name));
  if (!value)
    return value.takeError();
  if (!*value && !otherwise)
    return fail("key '" + key(name) + "' is missing");
  out = *value ? **value : *otherwise;
  if (out < 1 || out > high)
    return fail("key '" + key(name) + "' must lie in 1 to " +
                llvm::Twine(high) + ", found " + llvm::Twine(out));
  return llvm::Error::success();
}

llvm::Expected<std::vector<int64_t>>
ConfigReader::layerIntegers(llvm::StringRef name) {
  llvm::Expected<std::optional<std::vector<int64_t>>> values =
      file.getIntegers(key(name));
  if (!values)
    return values.takeError();
  if ((*values)->size() != config.layers.size())
    return fail("key '" + key(name) + "' has " +
                llvm::Twine((*values)->size()) + " entries, expected " +
                llvm::Twine(config.layers.size()) + ", one for each layer");
  return std::move(**values);
}

llvm::Expected<std::vector<int64_t>>
ConfigReader::numberOfEachLayer(llvm::StringRef name, int64_t high) {
  if (!file.isArray(key(name))) {
    int64_t value;
    if (llvm::Error error = integer(name, value, high))
      return std::move(error);
    return std::vector<int64_t>(config.layers.size(), value);
  }
  llvm::Expected<std::vector<int64_t>> values = layerIntegers(name);
  if (!values)
    return values.takeError();
  for (int64_t value : *values) {
    if (value < 1 || value > high)
      return fail("key '" + key(name) + "' must hold numbers in 1 to " +
                  llvm::Twine(high) + ", found " + llvm::Twine(value));
    if (value != values->front() && !generation->variesByLayer)
      return fail("key '" + key(name) +
                  "' must hold the same number for each layer of a " +
                  generation->name + ", found " + llvm::Twine(values->front()) +
                  " and " + llvm::Twine(value));
  }
  return values;
}

llvm::Error ConfigReader::agree(llvm::StringRef name, int64_t expected) {
  llvm::Expected<std::optional<int64_t>> value = file.getInteger(key(name));
  if (!value)
    return value.takeError();
  if (*value && **value != expected)
    return fail("key '" + key(name) + "' is " + llvm::Twine(**value) +
                ", expected " + llvm::Twine(expected));
  return llvm::Error::success();
}

llvm::Error ConfigReader::number(llvm::StringRef name, float &out,
                                 std::optional<float> otherwise) {
  llvm::Expected<std::optional<double>> value = file.getFloat(key(name));
  if (!value)
    return value.takeError();
  if (!*value && !otherwise)
    return fail("key '" + key(name) + "' is missing");
  out = *value ? static_cast<float>(**value) : *otherwise;
  bool given = value->has_value();
  if (given && (!std::isfinite(out) || out <= 0))
    return fail("key '" + key(name) + "' must be finite and positive, found " +
                std::to_string(out));
  return llvm::Error::success();
}

llvm::Error ConfigReader::readNumbers() {
  auto &c = config;
  llvm::Error failed = llvm::Error::success();
  // Stops at the first error, in the order in which a file is written.
  auto step = [&](llvm::Error error) {
    if (failed)
      llvm::consumeError(std::move(error));
    else
      failed = std::move(error);
    return !failed;
  };
  int64_t layers = 0;
  (void)(step(integer("block_count", layers, kMaxLayers)) &&
         step(integer("embedding_length", c.hidden, kMaxWidth)) &&
         step(integer("attention.head_count", c.heads, kMaxWidth)) &&
         step(integer("context_length", c.context, kMaxContext)) &&
         step(number("attention.layer_norm_rms_epsilon", c.eps, {})) &&
         step(number("final_logit_softcapping", c.finalSoftcap,
                     generation->finalSoftcap)) &&
         step(number("attn_logit_softcapping", c.attentionSoftcap,
                     generation->attentionSoftcap)));
  if (failed)
    return failed;
  c.layers.resize(layers);
  c.qkNorm = generation->qkNorm;
  c.vNorm = generation->vNorm;
  c.postNorms = generation->postNorms;
  (void)(step(readPattern()) && step(readFourthParts()) && step(readLayers()) &&
         step(readHeads()) && step(readRope()));
  if (failed)
    return failed;
  // Norms of queries and keys bear the scale in Gemma 4.
  if (generation->variesByLayer)
    c.attentionScale = 1;
  else if (layers == generation->layersOf27B)
    c.attentionScale =
        static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.hidden) /
                                           static_cast<double>(c.heads)));
  return llvm::Error::success();
}

llvm::Error ConfigReader::readFourthParts() {
  constexpr llvm::StringLiteral kExperts = "expert_count",
                                kShared = "attention.shared_kv_layers",
                                kPerLayer = "embedding_length_per_layer_input";
  // A number that only Gemma 4 has, 0 where it is not given.
  auto count = [&](llvm::StringRef name,
                   int64_t high) -> llvm::Expected<int64_t> {
    llvm::Expected<std::optional<int64_t>> value = file.getInteger(key(name));
    if (!value)
      return value.takeError();
    int64_t number = value->value_or(0);
    if (number < 0 || number > high)
      return fail("key '" + key(name) + "' must lie in 0 to " +
                  llvm::Twine(high) + ", found " + llvm::Twine(number));
    if (number != 0 && !generation->variesByLayer)
      return fail("key '" + key(name) + "' is " + llvm::Twine(number) +
                  ", which no " + generation->name + " has");
    return number;
  };
  llvm::Expected<int64_t> experts = count(kExperts, kMaxExperts);
  if (!experts)
    return experts.takeError();
  if (*experts != 0)
    if (llvm::Error error = readExperts(*experts))
      return error;
  llvm::Expected<int64_t> perLayer = count(kPerLayer, kMaxWidth);
  if (!perLayer)
    return perLayer.takeError();
  config.perLayer = *perLayer;
  auto layers = static_cast<int64_t>(config.layers.size());
  llvm::Expected<int64_t> shared = count(kShared, layers);
  if (!shared)
    return shared.takeError();
  int64_t alone = shareKeysAndValues(config, *shared);
  if (alone >= 0)
    return fail("key '" + key(kShared) + "' is " + llvm::Twine(*shared) +
                ", but no layer before has keys and values for layer " +
                llvm::Twine(alone));
  return llvm::Error::success();
}

llvm::Error ConfigReader::readExperts(int64_t count) {
  GemmaExperts &experts = config.experts;
  experts.count = count;
  if (llvm::Error error = integer("expert_used_count", experts.used, count))
    return error;
  return integer("expert_feed_forward_length", experts.width, kMaxWidth);
}

llvm::Error ConfigReader::readLayers() {
  llvm::Expected<std::vector<int64_t>> widths =
      numberOfEachLayer("feed_forward_length", kMaxWidth);
  if (!widths)
    return widths.takeError();
  llvm::Expected<std::vector<int64_t>> kvHeads =
      numberOfEachLayer("attention.head_count_kv", kMaxWidth);
  if (!kvHeads)
    return kvHeads.takeError();
  for (auto [layer, width, heads] :
       llvm::zip_equal(config.layers, *widths, *kvHeads)) {
    layer.ffn = width;
    layer.kvHeads = heads;
    if (config.heads % heads != 0)
      return fail(llvm::Twine(config.heads) + " query heads cannot share " +
                  llvm::Twine(heads) + " key/value heads");
  }
  return llvm::Error::success();
}

llvm::Error ConfigReader::readHeads() {
  // Of full layers and, where they may differ, of sliding ones.
  int64_t full = 0, sliding = 0;
  if (llvm::Error error = integer("attention.key_length", full, kMaxWidth))
    return error;
  sliding = full;
  if (generation->variesByLayer)
    if (llvm::Error error =
            integer("attention.key_length_swa", sliding, kMaxWidth, full))
      return error;
  for (auto [suffix, headDim] : {std::pair("", full), {"_swa", sliding}}) {
    if (*suffix && !generation->variesByLayer)
      break;
    std::string values = std::string("attention.value_length") + suffix;
    int64_t valueLength;
    if (llvm::Error error = integer(values, valueLength, kMaxWidth, headDim))
      return error;
    if (valueLength != headDim)
      return fail("keys of " + llvm::Twine(headDim) + " and values of " +
                  llvm::Twine(valueLength) + " differ, which no " +
                  generation->name + " has");
    // A head of which only a part is rotated would be another model: where
    // Gemma 4 rotates a part, a tensor says so.
    if (llvm::Error error =
            agree(std::string("rope.dimension_count") + suffix, headDim))
      return error;
    if (headDim % 2 != 0)
      return fail("a head of " + llvm::Twine(headDim) +
                  " cannot be rotated in pairs");
  }
  for (GemmaLayer &layer : config.layers)
    layer.headDim = layer.sliding ? sliding : full;
  return llvm::Error::success();
}

llvm::Error ConfigReader::readRope() {
  GemmaRope &full = config.ropeFull, &sliding = config.ropeSliding;
  if (llvm::Error error =
          number("rope.freq_base", full.theta, generation->thetaFull))
    return error;
  // Where a generation has one base for all layers, so has the file.
  bool isOne = generation->thetaSliding == generation->thetaFull;
  if (llvm::Error error = number("rope.freq_base_swa", sliding.theta,
                                 isOne ? full.theta : generation->thetaSliding))
    return error;
  if (llvm::Error error = number("rope.scaling.factor", full.factor, 1.0f))
    return error;
  auto scaling = file.getString(key("rope.scaling.type"));
  if (!scaling)
    return scaling.takeError();
  if (*scaling && **scaling != "linear" && **scaling != "none")
    return fail("key '" + key("rope.scaling.type") +
                "' must be linear or none, found " + quoted(**scaling));
  if (*scaling && **scaling == "none")
    full.factor = 1;
  if (isOne && full.factor != 1)
    return fail("key '" + key("rope.scaling.factor") + "' scales angles by " +
                std::to_string(full.factor) + ", which no " + generation->name +
                " does");
  return readRopePairs();
}

llvm::Error ConfigReader::readRopePairs() {
  constexpr llvm::StringLiteral kName = "rope_freqs.weight";
  const GgufTensor *divisors = file.findTensor(kName);
  if (!divisors || !generation->variesByLayer)
    return llvm::Error::success(); // a tensor without place is found later
  auto full = llvm::find_if(
      config.layers, [](const GemmaLayer &layer) { return !layer.sliding; });
  if (full == config.layers.end())
    return fail("tensor '" + kName +
                "' is of full layers, of which there are "
                "none");
  if (divisors->type != ggml::Type::F32 || divisors->dims.size() != 1 ||
      divisors->dims[0] != full->headDim / 2)
    return fail("tensor '" + kName + "' must be a vector of " +
                llvm::Twine(full->headDim / 2) + " F32");
  // Divisors of 1 and then of 1e30, which stop the rest: the first turn.
  int64_t pairs = 0;
  for (int64_t i = 0; i != divisors->dims[0]; ++i) {
    float divisor;
    std::memcpy(&divisor, divisors->data + 4 * i, sizeof(divisor));
    if (divisor == 1 && pairs == i)
      ++pairs;
    else if (!(divisor >= 1e30f) || pairs == 0)
      return fail("tensor '" + kName + "' holds " + std::to_string(divisor) +
                  " at " + llvm::Twine(i) +
                  ", expected numbers of 1 and then of 1e30");
  }
  config.ropeFull.pairs = pairs == divisors->dims[0] ? 0 : pairs;
  return llvm::Error::success();
}

llvm::Error ConfigReader::readPattern() {
  constexpr llvm::StringLiteral kWindow = "attention.sliding_window",
                                kPattern = "attention.sliding_window_pattern";
  if (generation->period == 0) {
    if (file.hasKey(key(kWindow)))
      return fail("key '" + key(kWindow) + "' gives a window, which no " +
                  generation->name + " has");
    return llvm::Error::success();
  }
  if (llvm::Error error = integer(kWindow, config.window, kMaxContext))
    return error;
  if (file.isArray(key(kPattern))) {
    llvm::Expected<std::vector<int64_t>> pattern = layerIntegers(kPattern);
    if (!pattern)
      return pattern.takeError();
    for (auto [layer, sliding] : llvm::zip_equal(config.layers, *pattern))
      layer.sliding = sliding != 0;
    return llvm::Error::success();
  }
  if (generation->variesByLayer)
    return fail("key '" + key(kPattern) + "' must list the layers that slide");
  int64_t period;
  if (llvm::Error error =
          integer(kPattern, period, kMaxLayers, generation->period))
    return error;
  // Every period-th layer is full; a period of 1 makes all of them full.
  for (auto [i, layer] : llvm::enumerate(config.layers))
    layer.sliding = (static_cast<int64_t>(i) + 1) % period != 0;
  return llvm::Error::success();
}

llvm::Expected<GemmaConfig> ConfigReader::read() {
  llvm::Expected<std::optional<int64_t>> parts = file.getInteger("split.count");
  if (!parts)
    return parts.takeError();
  if (parts->value_or(1) > 1)
    return fail("is one of " + llvm::Twine(**parts) +
                " files of a split model, expected a model in one file");
  auto architecture = file.getString("general.architecture");
  if (!architecture)
    return architecture.takeError();
  if (!*architecture)
    return fail("key 'general.architecture' is missing");
  generation = llvm::find_if(kGenerations, [&](const Generation &known) {
    return known.architecture == **architecture;
  });
  if (generation == std::end(kGenerations))
    return fail("the architecture " + quoted(**architecture) +
                " is not supported, expected 'gemma', 'gemma2', 'gemma3' or "
                "'gemma4'");
  config.architecture = (*architecture)->str();
  if (llvm::Error error = readNumbers())
    return error;
  if (llvm::Error error = checkTensors(config, file, /*tensorsDecide=*/true))
    return error;
  if (llvm::Error error = agree("vocab_size", config.vocab))
    return error;
  return std::move(config);
}

} // namespace

llvm::Expected<GemmaConfig> flow::readGemmaConfig(const GgufReader &file) {
  return ConfigReader(file).read();
}
