// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Every key that the arithmetic depends on is honoured or refused by name, and
// what is wrong in a config.json is one error that names key and value.

#include "flow/Import/HfConfig.h"

#include <gmock/gmock.h>

using namespace flow;

namespace {

/// The message over `text`; "no error" if it is read.
std::string errorOf(llvm::StringRef text) {
  llvm::Expected<HfConfig> config = parseHfConfig(text, "c");
  return config ? "no error" : llvm::toString(config.takeError());
}

std::string with(llvm::StringRef type, llvm::StringRef keys) {
  return ("{\"model_type\":\"" + type + "\"," + keys + "}").str();
}

/// Everything that a configuration says, as text.
std::string describe(const HfConfig &config) {
  const GemmaConfig &c = config.gemma;
  std::string text;
  llvm::raw_string_ostream out(text);
  auto rope = [&](const GemmaRope &r) {
    out << r.theta << ' ' << r.factor << ' ' << r.pairs << '\n';
  };
  out << c.hidden << ' ' << c.heads << ' ' << c.vocab << ' ' << c.context << ' '
      << c.window << ' ' << c.perLayer << ' ' << c.attentionScale << ' '
      << c.attentionSoftcap << ' ' << c.finalSoftcap << ' ' << c.eps << ' '
      << c.tiedHead << ' ' << config.bos << ' ' << config.pad << ' '
      << ggml::typeName(config.storage).data() << '\n';
  rope(c.ropeFull);
  rope(c.ropeSliding);
  out << c.experts.count << ' ' << c.experts.used << ' ' << c.experts.width
      << '\n';
  for (int32_t id : config.eos)
    out << "eos " << id << '\n';
  for (const GemmaLayer &layer : c.layers)
    out << layer.sliding << ' ' << layer.kvHeads << ' ' << layer.headDim << ' '
        << layer.ffn << ' ' << layer.kEqV << ' ' << layer.source << '\n';
  return text;
}

/// A key with a value that is not its default, and the text keys that it needs
/// beside it to matter.
struct Key {
  const char *name, *value, *beside;
};

// The keys of released configurations that inference depends on.
const Key kKeys[] = {
    {"hidden_size", "64", ""},
    {"num_hidden_layers", "8", ""},
    {"intermediate_size", "96", ""},
    {"num_attention_heads", "32", ""},
    {"num_key_value_heads", "2", ""},
    {"head_dim", "64", ""},
    {"vocab_size", "512", ""},
    {"rms_norm_eps", "1e-5", ""},
    {"max_position_embeddings", "77", ""},
    {"rope_theta", "5e5", ""},
    {"rope_local_base_freq", "5e3", ""},
    {"rope_scaling", R"({"rope_type":"linear","factor":4.0})", ""},
    {"rope_parameters",
     R"({"full_attention":{"rope_type":"linear","factor":2,"rope_theta":3e5}})",
     ""},
    {"query_pre_attn_scalar", "144", ""},
    {"attn_logit_softcapping", "7", ""},
    {"final_logit_softcapping", "9", ""},
    {"sliding_window", "33", ""},
    {"sliding_window_pattern", "3", ""},
    {"_sliding_window_pattern", "3", ""},
    {"layer_types",
     R"(["full_attention","sliding_attention","full_attention"])",
     "\"num_hidden_layers\":3"},
    {"global_head_dim", "128", ""},
    {"num_global_key_value_heads", "1", "\"attention_k_eq_v\":true"},
    {"attention_k_eq_v", "true", ""},
    {"num_kv_shared_layers", "2", "\"num_hidden_layers\":12"},
    {"hidden_size_per_layer_input", "128", ""},
    {"vocab_size_per_layer_input", "512", ""},
    {"use_double_wide_mlp", "true",
     "\"num_hidden_layers\":12,\"num_kv_shared_layers\":2"},
    {"enable_moe_block", "true",
     R"("num_experts":16,"top_k_experts":2,"moe_intermediate_size":32)"},
    {"num_experts", "16",
     R"("enable_moe_block":true,"top_k_experts":2,"moe_intermediate_size":32)"},
    {"top_k_experts", "2",
     R"("enable_moe_block":true,"num_experts":16,"moe_intermediate_size":32)"},
    {"moe_intermediate_size", "32",
     R"("enable_moe_block":true,"num_experts":16,"top_k_experts":2)"},
    {"use_bidirectional_attention", "\"all\"", ""},
    {"tie_word_embeddings", "false", ""},
    {"bos_token_id", "5", ""},
    {"eos_token_id", "[1,106]", ""},
    {"pad_token_id", "6", ""},
    {"torch_dtype", "\"float16\"", ""},
    {"dtype", "\"float32\"", ""},
    {"hidden_activation", "\"silu\"", ""},
    {"attention_bias", "true", ""},
    {"quantization_config", "{\"bits\":4}", ""},
};

class EveryKey : public testing::TestWithParam<Key> {};

std::string keyName(const testing::TestParamInfo<Key> &info) {
  return info.param.name;
}

/// A file and what must be wrong with it.
struct Bad {
  const char *name, *text, *error;
};

const Bad kBad[] = {
    {"Huge", R"("hidden_size":1099511627776)",
     "key 'hidden_size' must be an integer in 1 to 1048576, found "
     "1099511627776"},
    {"HugerThan64Bits", R"("hidden_size":99999999999999999999999)",
     "key 'hidden_size' must be an integer in 1 to 1048576, found "
     "9.9999999999999992e+22"},
    {"HugerThanDoubles", R"("hidden_size":1e400)",
     "key 'hidden_size' must be an integer in 1 to 1048576, found inf"},
    {"ABillionLayers", R"("num_hidden_layers":1000000000)",
     "key 'num_hidden_layers' must be an integer in 1 to 512, found "
     "1000000000"},
    {"NegativeLayers", R"("num_hidden_layers":-1)",
     "key 'num_hidden_layers' must be an integer in 1 to 512, found -1"},
    {"NoHeads", R"("num_attention_heads":0)",
     "key 'num_attention_heads' must be an integer in 1 to 1048576, found 0"},
    {"HeadsThatDoNotDivide", R"("num_attention_heads":7)",
     "key 'num_attention_heads' is 7, and so many heads cannot share 4 "
     "key/value heads"},
    {"MoreKeysThanHeads", R"("num_key_value_heads":16)",
     "key 'num_attention_heads' is 8, and so many heads cannot share 16 "
     "key/value heads"},
    {"OddHead", R"("head_dim":255)",
     "a head of 255 cannot be rotated in pairs"},
    {"TooFewLayerTypes",
     R"("num_hidden_layers":2,"layer_types":["full_attention"])",
     "key 'layer_types' must be a list of 2 strings and not of 1, found an "
     "array"},
    {"LayerTypesThatAreNumbers",
     R"("num_hidden_layers":2,"layer_types":["full_attention",3])",
     "key 'layer_types' must be a list of 2 strings and not hold 3, found an "
     "array"},
    {"LayerTypesThatAreUnknown",
     R"("num_hidden_layers":1,"layer_types":["linear_attention"])",
     "key 'layer_types' must hold sliding_attention and full_attention, found "
     "'linear_attention'"},
    {"NaN", R"("rms_norm_eps":NaN)",
     "gives 'rms_norm_eps' the value NaN, which is no number"},
    {"Infinity", R"("rope_theta": Infinity)",
     "gives 'rope_theta' the value Infinity, which is no number"},
    {"MinusInfinity", R"("final_logit_softcapping":-Infinity)",
     "gives 'final_logit_softcapping' the value -Infinity, which is no number"},
    {"Text", R"("hidden_size":"2304")",
     "key 'hidden_size' must be an integer in 1 to 1048576, found '2304'"},
    {"Fraction", R"("hidden_size":2304.5)",
     "key 'hidden_size' must be an integer in 1 to 1048576, found 2304.5"},
    {"List", R"("head_dim":[256])",
     "key 'head_dim' must be an integer in 1 to 1048576, found an array"},
    {"NumberForBoolean", R"("tie_word_embeddings":1)",
     "key 'tie_word_embeddings' must be true or false, found 1"},
    {"Twice", R"("hidden_size":64,"hidden_size":128)",
     "gives 'hidden_size' twice"},
    {"TwiceInside", R"("rope_scaling":{"factor":8,"factor":4})",
     "gives 'factor' twice"},
    {"TextConfigBeside", R"("text_config":{"hidden_size":64})",
     "key 'text_config' must be absent in a 'gemma3_text', found an object"},
    {"ClassOfAnother", R"("architectures":["LlamaForCausalLM"])",
     "key 'architectures' must be classes of Gemma and not hold "
     "'LlamaForCausalLM', found an array"},
    {"ClassThatIsNone", R"("architectures":"Gemma3ForCausalLM")",
     "key 'architectures' must be a list of strings, found "
     "'Gemma3ForCausalLM'"},
};

class BadConfig : public testing::TestWithParam<Bad> {};

std::string badName(const testing::TestParamInfo<Bad> &info) {
  return info.param.name;
}

} // namespace

// T5: in no generation is a key read over. What it says is in the
// configuration, or the error names it.
TEST_P(EveryKey, IsHonouredOrRefusedByName) {
  const Key &key = GetParam();
  std::string name = std::string("'") + key.name;
  std::string said = std::string("\"") + key.name + "\":" + key.value;
  for (const char *type : {"gemma", "gemma2", "gemma3_text", "gemma4_text"}) {
    std::string beside = *key.beside ? std::string(key.beside) + "," : "";
    std::string base = beside + "\"vocab_size\":1024";
    if (key.name == std::string("vocab_size"))
      base = beside + "\"hidden_size_per_layer_input\":0";
    std::string changed = errorOf(with(type, base + "," + said));
    if (changed != "no error") {
      // The key itself, what lies in it, or one that has no recipe beside it.
      bool isNamed = llvm::StringRef(changed).contains(name);
      bool isBeside = *key.beside && errorOf(with(type, base)) == changed;
      EXPECT_TRUE(isNamed || isBeside) << type << ": " << changed;
      continue;
    }
    llvm::Expected<HfConfig> before = parseHfConfig(with(type, base), "c");
    if (!before) {
      // What needs the key says so.
      EXPECT_THAT(llvm::toString(before.takeError()), testing::HasSubstr(name));
      continue;
    }
    HfConfig after =
        llvm::cantFail(parseHfConfig(with(type, base + "," + said), "c"));
    EXPECT_NE(describe(*before), describe(after))
        << type << " reads over " << said;
  }
}

INSTANTIATE_TEST_SUITE_P(HfConfig, EveryKey, testing::ValuesIn(kKeys), keyName);

TEST_P(BadConfig, IsOneErrorThatNamesKeyAndValue) {
  const Bad &bad = GetParam();
  EXPECT_EQ(errorOf(with("gemma3_text", bad.text)),
            std::string("c: ") + bad.error);
}

INSTANTIATE_TEST_SUITE_P(HfConfig, BadConfig, testing::ValuesIn(kBad), badName);

TEST(BadConfig, WholeFiles) {
  using testing::StartsWith;
  EXPECT_THAT(errorOf(R"({"model_type":"llama","hidden_size":4096})"),
              StartsWith("c: key 'model_type' is 'llama', which is not "
                         "supported, expected 'gemma'"));
  EXPECT_EQ(errorOf(R"({"architectures":["LlamaForCausalLM"]})"),
            "c: key 'model_type' is missing");
  EXPECT_EQ(errorOf(R"({"model_type":"gemma3"})"),
            "c: key 'text_config' is missing in a 'gemma3'");
  EXPECT_EQ(errorOf("null"), "c: must hold a JSON object, found null");
  // Wherever a file is cut off, it is no JSON.
  std::string whole = with("gemma3_text", R"("rope_scaling":{"factor":8.0},
      "layer_types":["full_attention"],"hidden_activation":"gelu")");
  for (size_t size = 2; size != whole.size(); ++size)
    EXPECT_THAT(errorOf(llvm::StringRef(whole).take_front(size)),
                StartsWith("c: is no JSON: "))
        << size;
}
