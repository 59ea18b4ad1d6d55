// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks the tensors of a model against its configuration.

#include "ConfigChecks.h"

#include "Quote.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

using namespace flow;

int64_t flow::shareKeysAndValues(GemmaConfig &config, int64_t shared) {
  auto layers = static_cast<int64_t>(config.layers.size());
  for (int64_t i = layers - shared; i != layers; ++i) {
    int64_t source = layers - shared - 1;
    while (source >= 0 &&
           config.layers[source].sliding != config.layers[i].sliding)
      --source;
    if (source < 0)
      return i;
    config.layers[i].source = source;
  }
  return -1;
}

std::vector<ExpectedTensor> flow::expectedTensors(const GemmaConfig &c) {
  std::vector<ExpectedTensor> tensors;
  auto expect = [&](const llvm::Twine &ggufName, llvm::ArrayRef<int64_t> dims) {
    tensors.push_back({ggufName.str(), llvm::SmallVector<int64_t, 4>(dims)});
  };
  expect("token_embd.weight", {c.vocab, c.hidden});
  expect("output_norm.weight", {c.hidden});
  if (!c.tiedHead)
    expect("output.weight", {c.vocab, c.hidden});
  if (c.perLayer != 0) {
    int64_t width = c.perLayer * static_cast<int64_t>(c.layers.size());
    expect("per_layer_token_embd.weight", {c.vocab, width});
    expect("per_layer_model_proj.weight", {width, c.hidden});
    expect("per_layer_proj_norm.weight", {c.perLayer});
  }
  for (size_t i = 0; i != c.layers.size(); ++i) {
    const GemmaLayer &numbers = c.layers[i];
    std::string layer = "blk." + std::to_string(i) + ".";
    int64_t q = c.heads * numbers.headDim;
    int64_t kv = numbers.kvHeads * numbers.headDim;
    expect(layer + "attn_norm.weight", {c.hidden});
    expect(layer + "attn_q.weight", {q, c.hidden});
    // Layers that read others' keys and values may have tensors of their own
    // in the file, which nobody reads.
    auto expectKeys = [&](const char *name, llvm::ArrayRef<int64_t> dims) {
      expect(layer + name, dims);
      tensors.back().isDead = numbers.source >= 0;
    };
    expectKeys("attn_k.weight", {kv, c.hidden});
    if (!numbers.kEqV)
      expectKeys("attn_v.weight", {kv, c.hidden});
    if (c.qkNorm) {
      expect(layer + "attn_q_norm.weight", {numbers.headDim});
      expectKeys("attn_k_norm.weight", {numbers.headDim});
    }
    expect(layer + "attn_output.weight", {c.hidden, q});
    if (c.postNorms)
      expect(layer + "post_attention_norm.weight", {c.hidden});
    expect(layer + "ffn_norm.weight", {c.hidden});
    expect(layer + "ffn_gate.weight", {numbers.ffn, c.hidden});
    expect(layer + "ffn_up.weight", {numbers.ffn, c.hidden});
    expect(layer + "ffn_down.weight", {c.hidden, numbers.ffn});
    if (c.postNorms)
      expect(layer + "post_ffw_norm.weight", {c.hidden});
    if (c.experts.count != 0) {
      auto [count, used, width] = c.experts;
      expect(layer + "ffn_gate_inp.weight", {count, c.hidden});
      expect(layer + "ffn_gate_inp.scale", {c.hidden});
      expect(layer + "ffn_down_exps.scale", {count});
      // Gates and the rest are one tensor or two.
      if (numbers.splitExperts) {
        expect(layer + "ffn_gate_exps.weight", {count, width, c.hidden});
        expect(layer + "ffn_up_exps.weight", {count, width, c.hidden});
      } else {
        expect(layer + "ffn_gate_up_exps.weight", {count, 2 * width, c.hidden});
      }
      expect(layer + "ffn_down_exps.weight", {count, c.hidden, width});
      expect(layer + "pre_ffw_norm_2.weight", {c.hidden});
      expect(layer + "post_ffw_norm_1.weight", {c.hidden});
      expect(layer + "post_ffw_norm_2.weight", {c.hidden});
    }
    if (c.perLayer != 0) {
      expect(layer + "inp_gate.weight", {c.perLayer, c.hidden});
      expect(layer + "proj.weight", {c.hidden, c.perLayer});
      expect(layer + "post_norm.weight", {c.hidden});
    }
    if (numbers.scalar)
      expect(layer + "layer_output_scale.weight", {1});
  }
  return tensors;
}

/// Takes from the tensors of a GGUF file what no key of it says.
static void decideByTensors(GemmaConfig &c, const ModelFile &file,
                            const ModelTensor &embedding) {
  c.vocab = embedding.dims[0];
  c.tiedHead = !file.findTensor("output.weight");
  if (!c.vNorm)
    return;
  for (auto [i, numbers] : llvm::enumerate(c.layers)) {
    std::string layer = "blk." + std::to_string(i) + ".";
    numbers.kEqV = !numbers.sliding && numbers.source < 0 &&
                   !file.findTensor(layer + "attn_v.weight");
    numbers.scalar = file.findTensor(layer + "layer_output_scale.weight");
    numbers.splitExperts = file.findTensor(layer + "ffn_gate_exps.weight");
  }
}

static std::string shapeText(llvm::ArrayRef<int64_t> dims) {
  std::string text;
  for (int64_t dim : dims)
    text += (text.empty() ? "" : "x") + std::to_string(dim);
  return text;
}

/// What is wrong with the tensor called `name`, null where there is none, of
/// which `dims` are expected; empty for nothing.
static std::string problemOf(llvm::StringRef name, const ModelTensor *tensor,
                             llvm::ArrayRef<int64_t> dims) {
  if (!tensor)
    return ("tensor '" + name + "' is missing, expected shape " +
            shapeText(dims))
        .str();
  std::string stored(ggml::typeName(tensor->type));
  if (llvm::ArrayRef<int64_t>(tensor->dims) != dims)
    return ("tensor '" + name + "' has shape " + shapeText(tensor->dims) +
            ", expected " + shapeText(dims))
        .str();
  if (!ggml::isDecodable(tensor->type))
    return ("tensor '" + name + "' is stored as " + stored +
            ", which cannot be computed with")
        .str();
  if (dims.size() == 1 && tensor->type != ggml::Type::F32 &&
      tensor->type != ggml::Type::F16 && tensor->type != ggml::Type::BF16)
    return ("tensor '" + name + "' is a norm stored as " + stored +
            ", expected F32, F16 or BF16")
        .str();
  return {};
}

/// One problem alone, or how many there are and the first of them, a line each.
static llvm::Error listProblems(const llvm::Twine &path,
                                llvm::ArrayRef<std::string> problems) {
  constexpr size_t kMostListed = 20;
  if (problems.size() == 1)
    return llvm::createStringError(path + ": " + problems.front());
  std::string text;
  llvm::raw_string_ostream out(text);
  out << path << ": " << problems.size()
      << " tensors are not those of the configuration:";
  for (const std::string &problem : problems.take_front(kMostListed))
    out << "\n  " << problem;
  if (problems.size() > kMostListed)
    out << "\n  and " << problems.size() - kMostListed << " more";
  return llvm::createStringError(text);
}

llvm::Error flow::checkTensors(GemmaConfig &c, const ModelFile &file,
                               bool tensorsDecide) {
  std::string embeddingName = file.nameOf("token_embd.weight");
  const ModelTensor *embedding = file.findTensor(embeddingName);
  if (tensorsDecide) {
    // Everything else is measured by the number of its rows.
    if (!embedding)
      return llvm::createStringError(file.path() + ": tensor '" +
                                     embeddingName + "' is missing");
    if (embedding->dims.size() != 2 || embedding->dims[0] > kMaxVocab)
      return llvm::createStringError(
          file.path() + ": tensor '" + embeddingName +
          "' must be a matrix with a row for each token, found shape " +
          shapeText(embedding->dims));
    decideByTensors(c, file, *embedding);
  }
  llvm::StringSet<> expected;
  std::vector<std::string> problems;
  for (const ExpectedTensor &tensor : expectedTensors(c)) {
    std::string name = file.nameOf(tensor.ggufName);
    expected.insert(name);
    if (tensor.isDead)
      continue;
    std::string problem = problemOf(name, file.findTensor(name), tensor.dims);
    if (!problem.empty())
      problems.push_back(std::move(problem));
  }
  if (tensorsDecide && c.vNorm && file.findTensor("rope_freqs.weight"))
    expected.insert("rope_freqs.weight"); // read already
  for (const ModelTensor &tensor : file.tensors())
    if (!expected.count(tensor.name))
      problems.push_back("tensor " + quoted(tensor.name) +
                         " has no place in a " + c.architecture + " model");
  return problems.empty() ? llvm::Error::success()
                          : listProblems(file.path(), problems);
}
