// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads Gemma configurations from config.json.

#include "flow/Import/HfConfig.h"

#include "ConfigChecks.h"
#include "HfKeys.h"
#include "Quote.h"

#include "llvm/ADT/STLExtras.h"

#include <cmath>

using namespace flow;

namespace {

/// A model class and what it assumes where a file says nothing.
struct Family {
  /// `model_type` alone, and of a multimodal model around `textType`.
  llvm::StringRef textType, wholeType, architecture, name;
  /// Before the names of tensors in a multimodal model.
  llvm::StringRef prefix;
  int64_t hidden, layers, ffn, heads, kvHeads, headDim, vocab, context, window;
  /// Layers slide but for every `period`-th; 0 = none slides.
  int64_t period;
  float thetaFull, thetaSliding;
  /// 0 = no cap.
  float attentionSoftcap, finalSoftcap;
  bool postNorms, qkNorm, vNorm, unitOffset;
};

constexpr Family kFamilies[] = {
    {"gemma", "", "gemma", "Gemma 1", "",    3072,  28,  24576,
     16,      16, 256,     256000,    8192,  0,     0,   1e4f,
     1e4f,    0,  0,       false,     false, false, true},
    {"gemma2", "", "gemma2", "Gemma 2", "",    2304,  26,  9216,
     8,        4,  256,      256000,    8192,  4096,  2,   1e4f,
     1e4f,     50, 30,       true,      false, false, true},
    {"gemma3_text", "gemma3", "gemma3", "Gemma 3", "language_model.model.",
     2304,          26,       9216,     8,         4,
     256,           262208,   131072,   4096,      6,
     1e6f,          1e4f,     0,        0,         true,
     true,          false,    true},
    {"gemma4_text", "gemma4", "gemma4", "Gemma 4", "model.language_model.",
     2304,          30,       9216,     8,         4,
     256,           262144,   131072,   512,       6,
     1e6f,          1e4f,     0,        0,         true,
     true,          true,     false},
    {"gemma4_unified_text",
     "gemma4_unified",
     "gemma4",
     "Gemma 4",
     "model.language_model.",
     2304,
     30,
     9216,
     8,
     4,
     256,
     262144,
     131072,
     512,
     6,
     1e6f,
     1e4f,
     0,
     0,
     true,
     true,
     true,
     false},
};

constexpr llvm::StringLiteral kOverrides = "per_layer_config";

class HfConfigReader {
public:
  HfConfigReader(const llvm::json::Object &root, const Family &family,
                 const llvm::json::Object &text, bool isNested,
                 std::string &problem)
      : family(family), root(root, "", problem),
        keys(text, isNested ? "text_config." : "", problem), problem(problem) {}

  HfConfig read();

private:
  void note(const llvm::Twine &what) {
    if (problem.empty())
      problem = what.str();
  }
  bool isFourth() const { return family.vNorm; }
  void readNumbers();
  void readLayers();
  void readPattern();
  /// What `per_layer_config` says of layer `index` of a Gemma 4.
  void readOverrides(size_t index, GemmaLayer &layer);
  /// Layers of one kind have one shape, and no others are named.
  void checkOverrides();
  /// What the layers of a Gemma 4 have from others, and from tokens.
  void readSharing();
  void readExperts();
  void readScale();
  void readRope();
  void readRopeOf(llvm::StringRef kind, const HfKeys &from, int64_t headDim,
                  GemmaRope &rope);
  float softcap(llvm::StringRef name, float otherwise);
  void refuseWhatHasNoRecipe();
  /// Keys of other generations, which would be ignored.
  void refuseKeysOfOthers();
  void readActivation();
  void readTokens();
  void readStorage();

  const Family &family;
  HfKeys root, keys;
  std::string &problem;
  HfConfig config;
};

float HfConfigReader::softcap(llvm::StringRef name, float otherwise) {
  // Null says that there is none, a missing key that the class decides.
  if (keys.has(name) && !keys.isSet(name))
    return 0;
  return static_cast<float>(keys.number(name, otherwise));
}

void HfConfigReader::readNumbers() {
  GemmaConfig &c = config.gemma;
  c.architecture = family.architecture.str();
  c.hidden = keys.integer("hidden_size", kMaxWidth, family.hidden);
  c.heads = keys.integer("num_attention_heads", kMaxWidth, family.heads);
  c.vocab = keys.integer("vocab_size", kMaxVocab, family.vocab);
  c.context =
      keys.integer("max_position_embeddings", kMaxContext, family.context);
  c.eps = static_cast<float>(keys.number("rms_norm_eps", 1e-6));
  c.attentionSoftcap =
      softcap("attn_logit_softcapping", family.attentionSoftcap);
  c.finalSoftcap = softcap("final_logit_softcapping", family.finalSoftcap);
  // Only Gemma 2 has both in its equations, and Gemma 3 both in its code.
  if (!family.postNorms && (c.attentionSoftcap != 0 || c.finalSoftcap != 0))
    keys.refuse(c.finalSoftcap != 0 ? "final_logit_softcapping"
                                    : "attn_logit_softcapping",
                "null in a Gemma 1");
  if (isFourth() && c.attentionSoftcap != 0)
    keys.refuse("attn_logit_softcapping", "null in a Gemma 4");
  c.postNorms = family.postNorms;
  c.qkNorm = family.qkNorm;
  c.vNorm = family.vNorm;
  config.unitOffset = family.unitOffset;
  // A multimodal model says of itself what its text decoder inherits.
  const HfKeys &tied = keys.isSet("tie_word_embeddings") ? keys : root;
  c.tiedHead = tied.boolean("tie_word_embeddings", true);
}

void HfConfigReader::refuseWhatHasNoRecipe() {
  keys.refuseSet("attention_bias", "biases of projections");
  keys.refuseSet("mlp_bias", "biases of projections");
  root.refuseSet("quantization_config", "quantised checkpoints");
  keys.refuseSet("quantization_config", "quantised checkpoints");
  if (!isFourth()) {
    keys.refuseSet("enable_moe_block", "experts");
    keys.refuseSet("num_experts", "experts");
    keys.refuseSet("num_kv_shared_layers", "layers that share keys and values");
    keys.refuseSet("hidden_size_per_layer_input", "embeddings of layers");
    keys.refuseSet(kOverrides, "layers of sizes of their own");
  }
  refuseKeysOfOthers();
  // "vision" makes tokens of an image see each other, and there are no images.
  constexpr llvm::StringLiteral kBothWays = "use_bidirectional_attention";
  bool isOff = keys.isFalse(kBothWays);
  if (!isOff && keys.string(kBothWays, "vision") != "vision")
    keys.refuse(kBothWays, "null, false or 'vision'");
}

void HfConfigReader::refuseKeysOfOthers() {
  // `name`, unless it says that there is none of it.
  auto refuse = [&](llvm::StringRef name) {
    if (keys.isSet(name) && !keys.isFalse(name))
      keys.refuse(name, "absent in a " + family.name);
  };
  if (!isFourth())
    for (llvm::StringRef name :
         {"global_head_dim", "num_global_key_value_heads", "attention_k_eq_v",
          "use_double_wide_mlp", "vocab_size_per_layer_input", "top_k_experts",
          "moe_intermediate_size"})
      refuse(name);
  // One base for all layers.
  if (family.thetaFull == family.thetaSliding)
    refuse("rope_local_base_freq");
  if (family.period == 0)
    for (llvm::StringRef name : {"sliding_window", "sliding_window_pattern",
                                 "_sliding_window_pattern"})
      refuse(name);
  // What a converter that took one model for another would write.
  constexpr llvm::StringLiteral kClasses = "architectures";
  if (!root.isSet(kClasses))
    return;
  for (llvm::StringRef name : root.strings(kClasses))
    if (!name.starts_with("Gemma"))
      root.refuse(kClasses, "classes of Gemma and not hold " + quoted(name));
}

void HfConfigReader::readActivation() {
  llvm::StringRef name =
      keys.isSet("hidden_activation") ? "hidden_activation" : "hidden_act";
  llvm::StringRef value = keys.string(name, "gelu_pytorch_tanh");
  // Early files of Gemma 1 say gelu and were trained with the tanh form.
  bool isEarly = !family.postNorms && name == "hidden_act" && value == "gelu";
  if (value != "gelu_pytorch_tanh" && !isEarly)
    keys.refuse(name, "'gelu_pytorch_tanh'");
}

void HfConfigReader::readLayers() {
  GemmaConfig &c = config.gemma;
  int64_t count = keys.integer("num_hidden_layers", kMaxLayers, family.layers);
  int64_t ffn = keys.integer("intermediate_size", kMaxWidth, family.ffn);
  int64_t kvHeads =
      keys.integer("num_key_value_heads", kMaxWidth, family.kvHeads);
  int64_t headDim = keys.integer("head_dim", kMaxWidth, family.headDim);
  int64_t fullHeads = kvHeads, fullDim = headDim;
  bool kEqV = false;
  if (isFourth()) {
    kEqV = keys.boolean("attention_k_eq_v", false);
    // Newer files list what full layers have of their own, and then nothing
    // else says it.
    if (!keys.isSet(kOverrides)) {
      fullDim = keys.integer("global_head_dim", kMaxWidth, 512);
      if (kEqV)
        fullHeads =
            keys.integer("num_global_key_value_heads", kMaxWidth, kvHeads);
    }
  }
  c.layers.resize(count);
  readPattern();
  if (isFourth()) {
    readSharing();
    readExperts();
  }
  bool isDouble = isFourth() && keys.boolean("use_double_wide_mlp", false);
  for (auto [index, layer] : llvm::enumerate(c.layers)) {
    layer.ffn = isDouble && layer.source >= 0 ? 2 * ffn : ffn;
    layer.kvHeads = layer.sliding ? kvHeads : fullHeads;
    layer.headDim = layer.sliding ? headDim : fullDim;
    layer.kEqV = kEqV && !layer.sliding && layer.source < 0;
    layer.scalar = isFourth();
    if (isFourth())
      readOverrides(index, layer);
    if (c.heads % layer.kvHeads != 0)
      note("key 'num_attention_heads' is " + llvm::Twine(c.heads) +
           ", and so many heads cannot share " + llvm::Twine(layer.kvHeads) +
           " key/value heads");
    if (layer.headDim % 2 != 0)
      note("a head of " + llvm::Twine(layer.headDim) +
           " cannot be rotated in pairs");
  }
  if (isFourth())
    checkOverrides();
}

void HfConfigReader::readOverrides(size_t index, GemmaLayer &layer) {
  const llvm::json::Object *all = keys.child(kOverrides);
  std::string name = std::to_string(index);
  const llvm::json::Value *value = all ? all->get(name) : nullptr;
  if (!value)
    return;
  HfKeys layers(*all, (kOverrides + ".").str(), problem);
  const llvm::json::Object *own = value->getAsObject();
  if (!own)
    return layers.refuse(name, "an object");
  HfKeys one(*own, (kOverrides + "." + name + ".").str(), problem);
  for (const auto &[key, ignored] : *own)
    if (llvm::StringRef(key) != "head_dim" &&
        llvm::StringRef(key) != "num_key_value_heads")
      note("key '" + kOverrides + "." + name + "' has " + quoted(key) +
           ": expected head_dim and num_key_value_heads only");
  layer.headDim = one.integer("head_dim", kMaxWidth, layer.headDim);
  layer.kvHeads = one.integer("num_key_value_heads", kMaxWidth, layer.kvHeads);
}

void HfConfigReader::checkOverrides() {
  const llvm::json::Object *all = keys.child(kOverrides);
  if (!all)
    return;
  const GemmaConfig &c = config.gemma;
  for (const auto &[key, ignored] : *all) {
    size_t index;
    llvm::StringRef name = key;
    if (name.getAsInteger(10, index) || index >= c.layers.size() ||
        name != std::to_string(index))
      note("key '" + kOverrides + "' has " + quoted(name) +
           ", which is none of the " + llvm::Twine(c.layers.size()) +
           " layers");
  }
  for (const GemmaLayer &layer : c.layers) {
    const GemmaLayer &first =
        *llvm::find_if(c.layers, [&](const GemmaLayer &one) {
          return one.sliding == layer.sliding;
        });
    if (layer.headDim != first.headDim || layer.kvHeads != first.kvHeads)
      note("key '" + kOverrides + "' must give all " +
           (layer.sliding ? "sliding_attention" : "full_attention") +
           " layers the same head_dim and num_key_value_heads");
  }
}

void HfConfigReader::readSharing() {
  GemmaConfig &c = config.gemma;
  constexpr llvm::StringLiteral kShared = "num_kv_shared_layers";
  int64_t shared = keys.count(kShared, c.layers.size(), 0);
  int64_t alone = shareKeysAndValues(c, shared);
  if (alone >= 0)
    note("key '" + kShared + "' is " + llvm::Twine(shared) +
         ", but no layer before has keys and values for layer " +
         llvm::Twine(alone));
  c.perLayer = keys.count("hidden_size_per_layer_input", kMaxWidth, 256);
  constexpr llvm::StringLiteral kRows = "vocab_size_per_layer_input";
  if (c.perLayer != 0 && keys.integer(kRows, kMaxVocab, c.vocab) != c.vocab)
    keys.refuse(kRows, llvm::Twine(c.vocab) + ", the vocab_size");
}

void HfConfigReader::readExperts() {
  if (!keys.boolean("enable_moe_block", false))
    return;
  GemmaExperts &experts = config.gemma.experts;
  // No number has a default that a mixture could have.
  auto number = [&](llvm::StringRef name, int64_t high) {
    if (!keys.isSet(name))
      keys.refuse(name, "there, as there are experts");
    return keys.integer(name, high, 1);
  };
  experts.count = number("num_experts", kMaxExperts);
  experts.used = number("top_k_experts", experts.count);
  experts.width = number("moe_intermediate_size", kMaxWidth);
}

void HfConfigReader::readPattern() {
  GemmaConfig &c = config.gemma;
  size_t count = c.layers.size();
  if (keys.isSet("layer_types")) {
    // A list of another length leaves the layers as they are and a problem.
    std::vector<llvm::StringRef> types = keys.strings("layer_types", count);
    for (auto [layer, type] : llvm::zip(c.layers, types)) {
      layer.sliding = type == "sliding_attention";
      if (!layer.sliding && type != "full_attention")
        note("key 'layer_types' must hold sliding_attention and "
             "full_attention, found " +
             quoted(type));
    }
  } else if (family.period != 0) {
    llvm::StringRef name = keys.isSet("sliding_window_pattern")
                               ? "sliding_window_pattern"
                               : "_sliding_window_pattern";
    int64_t period = keys.integer(name, kMaxLayers, family.period);
    for (auto [i, layer] : llvm::enumerate(c.layers))
      layer.sliding = (static_cast<int64_t>(i) + 1) % period != 0;
  }
  // Whatever a file says.
  if (isFourth())
    c.layers.back().sliding = false;
  bool slides = llvm::any_of(
      c.layers, [](const GemmaLayer &layer) { return layer.sliding; });
  if (slides && family.period == 0)
    keys.refuse("layer_types", "full_attention throughout in a Gemma 1");
  if (slides && keys.has("sliding_window") && !keys.isSet("sliding_window"))
    keys.refuse("sliding_window", "a number, as there are sliding layers");
  int64_t window = keys.integer("sliding_window", kMaxContext, family.window);
  c.window = slides ? window : 0;
}

void HfConfigReader::readScale() {
  if (isFourth()) {
    // Norms of queries and keys bear the scale.
    config.gemma.attentionScale = 1;
    if (keys.isSet("query_pre_attn_scalar"))
      keys.refuse("query_pre_attn_scalar", "absent in a Gemma 4");
    return;
  }
  int64_t headDim = config.gemma.layers.front().headDim;
  double scalar = static_cast<double>(headDim);
  if (family.postNorms)
    scalar = keys.number("query_pre_attn_scalar", 256);
  else if (keys.isSet("query_pre_attn_scalar"))
    keys.refuse("query_pre_attn_scalar", "absent in a Gemma 1");
  if (scalar != static_cast<double>(headDim))
    config.gemma.attentionScale = static_cast<float>(1.0 / std::sqrt(scalar));
}

void HfConfigReader::readRopeOf(llvm::StringRef kind, const HfKeys &from,
                                int64_t headDim, GemmaRope &rope) {
  rope.theta = static_cast<float>(from.number("rope_theta", rope.theta));
  llvm::StringRef name = from.isSet("rope_type") ? "rope_type" : "type";
  llvm::StringRef type = from.string(name, "default");
  bool isProportional = type == "proportional";
  if (type != "default" && type != "linear" && !isProportional)
    from.refuse(name, "'default', 'linear' or 'proportional'");
  rope.factor = 1;
  if (type == "linear" && !from.isSet("factor"))
    from.refuse("factor", "there for 'linear'");
  if (type != "default")
    rope.factor = static_cast<float>(from.number("factor", 1));
  double part = from.number("partial_rotary_factor", 1);
  if (part > 1)
    from.refuse("partial_rotary_factor", "at most 1");
  if (part != 1 && !isProportional)
    from.refuse("partial_rotary_factor", "1 for the rope_type " + quoted(type));
  auto pairs = static_cast<int64_t>(part * static_cast<double>(headDim) / 2);
  if (isProportional && pairs == 0)
    from.refuse("partial_rotary_factor", "enough for one pair of the " +
                                             llvm::Twine(headDim / 2) + " of " +
                                             kind);
  rope.pairs = pairs == headDim / 2 ? 0 : pairs;
}

void HfConfigReader::readRope() {
  GemmaConfig &c = config.gemma;
  GemmaRope &full = c.ropeFull, &sliding = c.ropeSliding;
  full.theta = static_cast<float>(keys.number("rope_theta", family.thetaFull));
  bool hasTwo = family.thetaFull != family.thetaSliding;
  sliding.theta = hasTwo ? static_cast<float>(keys.number(
                               "rope_local_base_freq", family.thetaSliding))
                         : full.theta;
  auto dimOf = [&](bool isSliding) {
    for (const GemmaLayer &layer : c.layers)
      if (layer.sliding == isSliding)
        return layer.headDim;
    return c.layers.front().headDim;
  };
  const llvm::json::Object *parameters = keys.child("rope_parameters");
  const llvm::json::Object *scaling = keys.child("rope_scaling");
  if (parameters && scaling)
    keys.refuse("rope_scaling", "null beside rope_parameters");
  if (parameters && parameters->get("full_attention")) {
    HfKeys both(*parameters, "rope_parameters.", problem);
    for (auto [kind, isSliding] :
         {std::pair("full_attention", false), {"sliding_attention", true}})
      if (const llvm::json::Object *one = both.child(kind))
        readRopeOf(
            kind,
            HfKeys(*one, std::string("rope_parameters.") + kind + ".", problem),
            dimOf(isSliding), isSliding ? sliding : full);
    return;
  }
  if (isFourth()) {
    if (parameters || scaling)
      keys.refuse(parameters ? "rope_parameters" : "rope_scaling",
                  "an object with full_attention and sliding_attention, or "
                  "absent");
    full.pairs = dimOf(false) / 2 / 4; // a quarter turns
    return;
  }
  // One object for all layers, except that Gemma 3 scales only full ones.
  if (const llvm::json::Object *one = parameters ? parameters : scaling) {
    readRopeOf("a head",
               HfKeys(*one, parameters ? "rope_parameters." : "rope_scaling.",
                      problem),
               dimOf(false), full);
    if (!hasTwo)
      sliding = full;
  }
}

void HfConfigReader::readTokens() {
  auto single = [&](llvm::StringRef name) {
    const HfKeys &from = keys.isSet(name) ? keys : root;
    std::vector<int32_t> ids = from.tokenIds(name);
    if (ids.size() > 1)
      from.refuse(name, "the id of one token");
    return ids.empty() ? -1 : ids.front();
  };
  // A multimodal model knows the ends of a turn that its text part does not.
  config.eos =
      (root.isSet("eos_token_id") ? root : keys).tokenIds("eos_token_id");
  if (!keys.has("eos_token_id") && !root.has("eos_token_id"))
    config.eos = {1};
  bool namesBos = keys.has("bos_token_id") || root.has("bos_token_id");
  config.bos = namesBos ? single("bos_token_id") : 2;
  config.pad = single("pad_token_id");
}

void HfConfigReader::readStorage() {
  for (const HfKeys *from : {&keys, &root})
    for (llvm::StringRef known : {"dtype", "torch_dtype"})
      if (from->isSet(known)) {
        llvm::StringRef type = from->string(known, "");
        if (type == "float32")
          config.storage = ggml::Type::F32;
        else if (type == "float16")
          config.storage = ggml::Type::F16;
        else if (type != "bfloat16")
          from->refuse(known, "'bfloat16', 'float16' or 'float32'");
        return;
      }
}

HfConfig HfConfigReader::read() {
  readStorage();
  readNumbers();
  refuseWhatHasNoRecipe();
  readActivation();
  readLayers();
  if (config.gemma.layers.empty() || !problem.empty())
    return std::move(config);
  readScale();
  readRope();
  readTokens();
  return std::move(config);
}

} // namespace

llvm::Expected<HfConfig> flow::parseHfConfig(llvm::StringRef text,
                                             llvm::StringRef path) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(path + ": " + what);
  };
  llvm::Expected<llvm::json::Object> root = parseJsonObject(text, path + ":");
  if (!root)
    return root.takeError();
  std::string problem;
  HfKeys keys(*root, "", problem);
  llvm::StringRef type = keys.string("model_type", "");
  const llvm::json::Object *inner = keys.child("text_config");
  if (!problem.empty())
    return fail(problem);
  if (type.empty())
    return fail("key 'model_type' is missing");
  const Family *family = llvm::find_if(kFamilies, [&](const Family &known) {
    return type == known.textType || type == known.wholeType;
  });
  if (family == std::end(kFamilies))
    return fail("key 'model_type' is " + quoted(type) +
                ", which is not supported, expected 'gemma', 'gemma2', "
                "'gemma3', 'gemma3_text', 'gemma4', 'gemma4_text' or "
                "'gemma4_unified'");
  bool isNested = type == family->wholeType;
  if (isNested && !inner)
    return fail("key 'text_config' is missing in a " + quoted(type));
  if (inner && !isNested)
    return fail("key 'text_config' must be absent in a " + quoted(type) +
                ", found an object");
  if (isNested) {
    HfKeys innerKeys(*inner, "text_config.", problem);
    if (innerKeys.string("model_type", family->textType) != family->textType)
      innerKeys.refuse("model_type", quoted(family->textType));
  }
  HfConfig config = HfConfigReader(*root, *family, isNested ? *inner : *root,
                                   isNested, problem)
                        .read();
  if (!problem.empty())
    return fail(problem);
  if (isNested)
    config.prefix = family->prefix.str();
  return config;
}
