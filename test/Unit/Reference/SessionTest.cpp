// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A small model, one windowed and one full layer, through whole sequences.

#include "TestModule.h"

#include "flow/Reference/Session.h"

using namespace flow;

namespace {

constexpr int64_t kVocabulary = 24, kPositions = 20;

std::string layerWeights(int layer) {
  return "flow.kv_cache @kv" + std::to_string(layer) +
         " kv_heads 1 head_dim 8\nflow.layer @layer" + std::to_string(layer) +
         R"( norms pre attention <heads = 2, kv_heads = 1, head_dim = 8, qk_norm = true> mask )" +
         (layer ? "<causal>" : "<causal, window = 4>") +
         R"( rope @rope cache @kv)" + std::to_string(layer) +
         R"( feed_forward <width = 32> {
    flow.weight @attention_norm : tensor<16xf32> unit_offset
    flow.weight @q : tensor<16x16xf32>
    flow.weight @k : tensor<8x16xf32>
    flow.weight @v : tensor<8x16xf32>
    flow.weight @q_norm : tensor<8xf32> unit_offset
    flow.weight @k_norm : tensor<8xf32> unit_offset
    flow.weight @o : tensor<16x16xf32>
    flow.weight @ffn_norm : tensor<16xf32> unit_offset
    flow.weight @gate : tensor<32x16xf32>
    flow.weight @up : tensor<32x16xf32>
    flow.weight @down : tensor<16x32xf32>
    flow.derived_weight @qkv : tensor<32x16xf32> = concat [@q, @k, @v]
    flow.derived_weight @gate_up : tensor<64x16xf32> = interleave [@gate, @up]
  }
)";
}

/// The stages of one layer, from %x<n> to %x<n + 1>, `rows` rows at a time.
std::string layerStages(int layer, const std::string &rows) {
  std::string text = R"(
  %WN = flow.weight_ref @m::@layerN::@attention_norm : tensor<16xf32>
  %nN = flow.rms_norm %xN scale %WN : tensor<RxDxf32>, tensor<16xf32>
  %wqN = flow.weight_ref @m::@layerN::@qkv : tensor<32x16xf32>
  %qnN = flow.weight_ref @m::@layerN::@q_norm : tensor<8xf32>
  %knN = flow.weight_ref @m::@layerN::@k_norm : tensor<8xf32>
  %kcN, %vcN = flow.cache_ref @m::@kvN : tensor<?x1x8xf32>
  %qN, %k1N, %v1N = flow.qkv_rope_append %nN, %wqN norms %qnN, %knN rope %angles into %kcN, %vcN at %start count %count : tensor<RxDxf32>, tensor<32x16xf32>, tensor<8xf32>, tensor<Rx4x2xf32>, tensor<?x1x8xf32> -> tensor<Rx2x8xf32>
  %oN = flow.attention %qN at %start, %k1N, %v1N total %total mask MASK scale 0.35 : tensor<Rx2x8xf32>, tensor<?x1x8xf32>
  %ocN = tensor.collapse_shape %oN [[0], [1, 2]] : tensor<Rx2x8xf32> into tensor<RxDxf32>
  %woN = flow.weight_ref @m::@layerN::@o : tensor<16x16xf32>
  %aN = flow.linear %ocN, %woN : tensor<RxDxf32>, tensor<16x16xf32> -> tensor<RxDxf32>
  %wfN = flow.weight_ref @m::@layerN::@ffn_norm : tensor<16xf32>
  %sN, %fN = flow.add_rms_norm %xN, %aN scale %wfN : tensor<RxDxf32>, tensor<16xf32>
  %guN = flow.weight_ref @m::@layerN::@gate_up : tensor<64x16xf32>
  %dN = flow.weight_ref @m::@layerN::@down : tensor<16x32xf32>
  %mN = flow.gated_mlp %fN, %guN, %dN : tensor<RxDxf32>, tensor<64x16xf32>, tensor<16x32xf32> -> tensor<RxDxf32>
  %xM = arith.addf %sN, %mN : tensor<RxDxf32>
)";
  auto replace = [&](const std::string &from, const std::string &to) {
    for (size_t at; (at = text.find(from)) != std::string::npos;)
      text.replace(at, from.size(), to);
  };
  replace("MASK", layer ? "<causal>" : "<causal, window = 4>");
  replace("%xM", "%x" + std::to_string(layer + 1));
  replace("N", std::to_string(layer));
  replace("RxD", rows + "x16");
  replace("<Rx", "<" + rows + "x");
  return text;
}

std::string function(const std::string &name, const std::string &rows) {
  std::string text = "func.func @" + name + "(%tokens: tensor<" + rows +
                     "xi32>, %start: index, %count: index) -> tensor<" + rows +
                     R"(x24xf32> {
  %c0 = arith.constant 0 : index
  %rows = tensor.dim %tokens, %c0 : tensor<)" +
                     rows + R"(xi32>
  %total = arith.addi %start, %count : index
  %table = flow.weight_ref @m::@embedding : tensor<24x16xf32>
  %x0 = flow.embed %tokens, %table scale 4.0 : tensor<)" +
                     rows + "xi32>, tensor<24x16xf32> -> tensor<" + rows +
                     "x16xf32>\n  %angles = flow.rope_angles @m::@rope at "
                     "%start rows %rows : tensor<" +
                     rows + "x4x2xf32>\n";
  text += layerStages(0, rows) + layerStages(1, rows);
  return text +
         "  %w = flow.weight_ref @m::@final_norm : tensor<16xf32>\n"
         "  %n = flow.rms_norm %x2 scale %w : tensor<" +
         rows + "x16xf32>, tensor<16xf32>\n" +
         "  %l = flow.lm_head %n, %table softcap 30.0 : tensor<" + rows +
         "x16xf32>, tensor<24x16xf32> -> tensor<" + rows +
         "x24xf32>\n  return %l : tensor<" + rows + "x24xf32>\n}\n";
}

std::string modelText() {
  return R"(
flow.model @m <hidden = 16, vocab = 24, positions = 64> {
  flow.weight @embedding : tensor<24x16xf32>
  flow.weight @final_norm : tensor<16xf32> unit_offset
  flow.rope_table @rope theta 1.0e+04 head_dim 8
)" + layerWeights(0) +
         layerWeights(1) + "}\n" + function("prefill", "?") +
         function("decode", "1");
}

/// The model with weights, and one sequence of it.
class Sequence {
public:
  explicit Sequence(int64_t capacity = kPositions, bool threads = true)
      : module(modelText(), 1, threads),
        session(*module.interpreter, capacity) {
    uint32_t seed = 71;
    module.module->walk([&](WeightOp weight) {
      llvm::ArrayRef<int64_t> shape = weight.getTensorType().getShape();
      module.weights.values[EncodedWeights::tensorName(weight)] =
          randomTensor(shape, seed++).values;
    });
  }

  /// Appends the logits of a piece of the prompt, which must succeed.
  void prefill(llvm::ArrayRef<int32_t> piece) {
    append(session.prefill(piece));
  }
  void decode(int32_t token) { append(session.decode(token)); }

  std::vector<float> logits;

private:
  void append(llvm::Expected<TensorRef> rows) {
    if (rows)
      logits.insert(logits.end(), (*rows)->values.begin(),
                    (*rows)->values.end());
    else
      ADD_FAILURE() << llvm::toString(rows.takeError());
  }

  TestModule module;

public:
  ReferenceSession session;
};

/// A prompt that leaves the window of the first layer far behind.
std::vector<int32_t> prompt() {
  std::vector<int32_t> ids;
  for (int64_t i = 0; i < kPositions; ++i)
    ids.push_back((i * 7 + 3) % kVocabulary);
  return ids;
}

std::vector<float> wholePrompt() {
  Sequence sequence;
  sequence.prefill(prompt());
  return sequence.logits;
}

} // namespace

TEST(Session, LogitsAreThere) {
  std::vector<float> logits = wholePrompt();
  ASSERT_EQ(logits.size(), size_t(kPositions * kVocabulary));
  // Not a constant, and within the cap.
  EXPECT_NE(logits[0], logits[1]);
  for (float logit : logits)
    ASSERT_LT(std::abs(logit), 30);
}

// T17
TEST(Session, PiecesOfAPromptEqualTheWhole) {
  std::vector<int32_t> ids = prompt();
  std::vector<float> whole = wholePrompt();
  for (size_t chunk : {1, 3, 4, 5, 19}) {
    SCOPED_TRACE(chunk);
    Sequence sequence;
    for (size_t first = 0; first < ids.size(); first += chunk)
      sequence.prefill(llvm::ArrayRef(ids).slice(
          first, std::min(chunk, ids.size() - first)));
    EXPECT_EQ(sequence.logits, whole);
  }
}

// T17
TEST(Session, DecodingEqualsPrefilling) {
  std::vector<int32_t> ids = prompt();
  Sequence sequence;
  sequence.prefill(llvm::ArrayRef(ids).take_front(6));
  for (int32_t id : llvm::ArrayRef(ids).drop_front(6))
    sequence.decode(id);
  EXPECT_EQ(sequence.session.getPosition(), kPositions);
  EXPECT_EQ(sequence.logits, wholePrompt());
}

TEST(Session, ThreadsChangeNothing) {
  Sequence sequence(kPositions, /*threads=*/false);
  sequence.prefill(prompt());
  EXPECT_EQ(sequence.logits, wholePrompt());
}

// T18
TEST(Session, CapacityChangesNothing) {
  Sequence sequence(50);
  sequence.prefill(prompt());
  EXPECT_EQ(sequence.logits, wholePrompt());
}

TEST(Session, PositionsRunOut) {
  Sequence sequence(4);
  sequence.prefill({1, 2, 3});
  llvm::Expected<TensorRef> rows = sequence.session.prefill({4, 5});
  EXPECT_EQ(llvm::toString(rows.takeError()),
            "the sequence has 3 + 2 tokens, more than its 4 positions");
  sequence.decode(4);
  EXPECT_EQ(sequence.session.getPosition(), 4);
}

TEST(Session, FailedStepLeavesTheSequence) {
  std::vector<int32_t> ids = prompt();
  Sequence sequence;
  sequence.prefill(llvm::ArrayRef(ids).take_front(6));
  llvm::Expected<TensorRef> bad = sequence.session.prefill({1, 99});
  EXPECT_THAT(llvm::toString(bad.takeError()),
              testing::HasSubstr("tokens from 0 to 23, got 99"));
  llvm::Expected<TensorRef> none = sequence.session.prefill({});
  EXPECT_EQ(llvm::toString(none.takeError()), "@prefill got no tokens");
  EXPECT_EQ(sequence.session.getPosition(), 6);
  sequence.prefill(llvm::ArrayRef(ids).drop_front(6));
  EXPECT_EQ(sequence.logits, wholePrompt());
}

TEST(Session, NeedsOneTensorOfNumbers) {
  TestModule module(R"(
func.func @prefill(%tokens: tensor<?xi32>, %start: index, %count: index) -> index {
  return %count : index
})");
  ReferenceSession session(*module.interpreter, 4);
  EXPECT_EQ(llvm::toString(session.prefill({1}).takeError()),
            "@prefill must return one tensor of numbers");
  EXPECT_EQ(session.getPosition(), 0);
  EXPECT_EQ(llvm::toString(session.decode(1).takeError()),
            "the module has no function @decode");
}
