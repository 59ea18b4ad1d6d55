// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A head that is screened by leading bits: the candidates of the plain one, bit
// for bit.

#include "StageTest.h"

#include <random>

using namespace flow;

namespace {

using ScreenedHead = StageTest;
INSTANTIATE_TEST_SUITE_P(Targets, ScreenedHead, testing::ValuesIn(kByteTargets),
                         targetName);

constexpr int64_t kRows = 2048, kPanels = kRows / 32, kCols = 96;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Form {
  int64_t count, leading;
  const char *cap;
};
constexpr Form kForms[] = {{1, 5, ""},       {1, 5, " softcap 3.0e+01"},
                           {3, 6, ""},       {33, 6, " softcap 3.0e+01"},
                           {kPanels, 6, ""}, {17, 5, ""}};

/// Both heads, of the same row.
std::string textOf(const Form &form) {
  return substitute(
      R"(
func.func @f(%r: $R, %w: $W, %p: $P) -> ($V, $I, $V, $I) {
  %v, %i = flow.lm_head_top_k %r, %w$C : $R, $W -> $V
  %a, %b = flow.lm_head_top_k %r, %p$C : $R, $P -> $V
  return %v, %i, %a, %b : $V, $I, $V, $I
})",
      {{"$R", "tensor<1x96xf32, #flow.quantized_rows<block = 16>>"},
       {"$W", "tensor<2048x96xf32, #flow.panels<i8, block = 32>>"},
       {"$P",
        "tensor<2048x96xf32, #flow.panels<i8, block = 32, leading = $L>>"},
       {"$V", "tensor<1x$Kxf32>"},
       {"$I", "tensor<1x$Kxi32>"},
       {"$C", form.cap},
       {"$K", std::to_string(form.count)},
       {"$L", std::to_string(form.leading)}});
}

/// A row and a weight, of whose scales some may be negative.
struct Operands {
  explicit Operands(uint32_t seed)
      : row(1, kCols, 16, seed), weight(kRows, kCols, 32, false, seed + 1) {
    std::mt19937 generator(seed + 2);
    for (int8_t &quant : row.quants)
      quant = int8_t(int64_t(generator() % 255) - 127);
    // Logits of some tens.
    for (float &scale : row.scales)
      scale /= 64;
    for (float &scale : weight.scales)
      scale = scale / 16 * (generator() % 16 ? 1 : -1);
  }

  /// The quants of row `n`, made of a number of each column.
  void setRow(int64_t n, llvm::function_ref<int(int64_t)> quant) {
    for (int64_t k = 0; k != kCols; ++k)
      weight.quants[n * kCols + k] = int8_t(quant(k));
  }
  /// Equal scales, so that quants decide.
  void flatten() {
    llvm::fill(row.scales, 1.0f / 1024);
    llvm::fill(weight.scales, 1.0f / 64);
  }

  ByteRows row;
  ByteWeight weight;
};

struct Content {
  const char *name;
  void (*change)(Operands &, const Form &);
};

const Content kContents[] = {
    {"random", [](Operands &, const Form &) {}},
    {"all rows equal",
     [](Operands &o, const Form &) {
       o.flatten();
       for (int64_t n = 0; n != kRows; ++n)
         o.setRow(n, [](int64_t k) { return int(k) - 40; });
     }},
    {"ties in all panels",
     [](Operands &o, const Form &) {
       o.flatten();
       for (int64_t n = 64; n != kRows; ++n)
         o.setRow(
             n, [&](int64_t k) { return o.weight.quants[n % 64 * kCols + k]; });
     }},
    // Nothing but low bits tells the rows apart.
    {"equal leading bits",
     [](Operands &o, const Form &form) {
       o.flatten();
       int low = (1 << (8 - form.leading)) - 1;
       for (int64_t n = 0; n != kRows; ++n)
         o.setRow(n, [&](int64_t k) {
           return (int(k) - 48) * 2 & ~low |
                  (o.weight.quants[n * kCols + k] & low);
         });
     }},
    // The best row has the largest low bits, and one whose leading bits are
    // much better the least: bounds that are less than what they must be rule
    // it out.
    {"at the bounds",
     [](Operands &o, const Form &form) {
       o.flatten();
       int low = (1 << (8 - form.leading)) - 1, unit = low + 1;
       for (int64_t k = 0; k != kCols; ++k)
         o.row.quants[k] = k % 2 ? 64 : -64;
       auto sign = [](int64_t k) { return k % 2 ? 1 : -1; };
       for (int64_t n = 0; n != kRows; ++n)
         o.setRow(n, [&](int64_t k) { return -64 * sign(k); });
       o.setRow(700, [&](int64_t k) { return sign(k) > 0 ? low : 0; });
       // 1.8 times the reach, of two that the other's worst is below.
       o.setRow(900, [&](int64_t k) {
         int better =
             k * unit < int64_t(0.9 * low * kCols) ? unit * sign(k) : 0;
         return better + (sign(k) > 0 ? 0 : low);
       });
     }},
    {"one row above all",
     [](Operands &o, const Form &) {
       o.flatten();
       o.setRow(1234, [&](int64_t k) { return o.row.quants[k]; });
     }},
    {"no number at all",
     [](Operands &o, const Form &) { o.row.scales[3] = kNan; }},
    {"an infinite row",
     [](Operands &o, const Form &) { o.row.scales[3] = kInfinity; }},
    {"zeros", [](Operands &o, const Form &) { llvm::fill(o.row.quants, 0); }},
    {"scales that are none",
     [](Operands &o, const Form &) {
       o.weight.scales[500] = kNan;
       o.weight.scales[900] = kInfinity;
       o.weight.scales[1300] = -kInfinity;
     }},
    {"sums that overflow",
     [](Operands &o, const Form &) { llvm::fill(o.row.scales, 3e35f); }},
    {"tiny numbers",
     [](Operands &o, const Form &) { llvm::fill(o.row.scales, 3e-42f); }},
};

std::vector<uint32_t> bitsOf(const Tensor &tensor) {
  std::vector<uint32_t> bits;
  for (float value : tensor.values)
    bits.push_back(llvm::bit_cast<uint32_t>(value));
  return bits;
}

std::vector<Tensor> call(CompiledFunction &function, const Operands &o,
                         const Form &form, const CodeArgument &screened) {
  llvm::SmallVector<int64_t, 4> shape{1, form.count};
  return function.run(
      {o.row.argument(), o.weight.argument(/*halfScales=*/true), screened},
      {shape, shape, shape, shape});
}

TEST_P(ScreenedHead, HasTheCandidatesOfThePlainOne) {
  for (const Form &form : kForms) {
    CompiledFunction function(textOf(form), GetParam(), "decode");
    for (const Content &content : kContents) {
      SCOPED_TRACE(testing::Message() << content.name << ", best " << form.count
                                      << " by " << form.leading << form.cap);
      Operands o(61);
      content.change(o, form);
      std::vector<Tensor> r =
          call(function, o, form, o.weight.argument(true, form.leading));
      ASSERT_EQ(r.size(), 4u);
      EXPECT_EQ(bitsOf(r[2]), bitsOf(r[0]));
      EXPECT_EQ(r[3].values, r[1].values);
    }
  }
}

// Rows that are far below the best are ruled out without their low bits.
TEST_P(ScreenedHead, DoesNotReadTheLowBitsOfOthers) {
  for (const Form &form : {kForms[0], kForms[1]}) {
    CompiledFunction function(textOf(form), GetParam(), "decode");
    Operands o(62);
    o.flatten();
    constexpr int64_t kBest = 1234;
    o.setRow(kBest, [&](int64_t k) { return o.row.quants[k]; });
    CodeArgument screened = o.weight.argument(true, form.leading);
    std::vector<std::byte> &low = screened.buffers[2].bytes;
    size_t panel = low.size() / kPanels;
    for (size_t i = 0; i != low.size(); ++i)
      if (i / panel != kBest / 32)
        low[i] = ~low[i];
    std::vector<Tensor> r = call(function, o, form, screened);
    ASSERT_EQ(r.size(), 4u);
    EXPECT_EQ(r[3].values[0], kBest);
    EXPECT_EQ(bitsOf(r[2]), bitsOf(r[0]));
  }
}

// Any product can read such a weight; that of several rows makes bytes of it.
TEST_P(ScreenedHead, IsAWeightLikeOthers) {
  for (int64_t leading : {5, 6})
    for (const StepForm &form : flow::kForms) {
      CompiledFunction function(
          substitute(
              R"(
func.func @f(%x: $X, %w: $W, %p: $P) -> ($Y, $Y) {
  %y = flow.linear %x, %w : $X, $W -> $Y
  %z = flow.linear %x, %p : $X, $P -> $Y
  return %y, %z : $Y, $Y
})",
              {{"$X", "tensor<$Tx96xf32, #flow.quantized_rows<block = 16>>"},
               {"$W", "tensor<64x96xf32, #flow.panels<i8, block = 32>>"},
               {"$P", "tensor<64x96xf32, #flow.panels<i8, block = 32, "
                      "leading = $L>>"},
               {"$Y", "tensor<$Tx64xf32>"},
               {"$T", form.extent},
               {"$L", std::to_string(leading)}}),
          GetParam());
      ByteWeight weight(64, kCols, 32, /*hasMinima=*/false, 63);
      for (StepRows rows : form.steps) {
        ByteRows x(rows.padded, kCols, 16, 64);
        llvm::SmallVector<int64_t, 4> shape{rows.padded, 64};
        std::vector<Tensor> r =
            function.run({x.argument(), weight.argument(true),
                          weight.argument(true, leading)},
                         {shape, shape});
        ASSERT_EQ(r.size(), 2u);
        EXPECT_EQ(bitsOf(r[1]), bitsOf(r[0]))
            << rows.padded << " rows, " << leading << " leading bits";
      }
    }
}

} // namespace
