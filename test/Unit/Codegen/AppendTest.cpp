// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Caches as compiled code writes them, against the interpreter.

#include "StageTest.h"

using namespace flow;

namespace {

class Append : public StageTest {};
class QkvOfBytes : public StageTest {};
INSTANTIATE_TEST_SUITE_P(Cpus, Append, testing::ValuesIn(kFloatTargets),
                         targetName);
INSTANTIATE_TEST_SUITE_P(Targets, QkvOfBytes, testing::ValuesIn(kByteTargets),
                         targetName);

/// Positions in every cache of these tests: two panels.
constexpr int64_t kCapacity = 64;

/// First positions: at the edges of a panel, and where the ring comes round
/// within the step, with it and long before it.
constexpr int64_t kStarts[] = {0, 31, 32, 52, 53, 63, 64, 1023};

/// Heads of queries and of keys, and their size.
struct HeadShape {
  int64_t heads, kvHeads, dim;
  /// The values are the keys as they were projected.
  bool kEqV = false;
  /// What keys and values are kept as.
  runtime::ElementType element = runtime::ElementType::F32;

  int64_t weightRows() const {
    return (heads + (kEqV ? 1 : 2) * kvHeads) * dim;
  }

  std::string text(const std::string &extent, std::string text) const {
    return substitute(std::move(text), {{"$Y", "tensor<$Tx$Hx$Dxf32>"},
                                        {"$R", "tensor<$Tx$Kx$Dxf32>"},
                                        {"$C", "tensor<?x$Kx$Dx$E>"},
                                        {"$E", runtime::elementName(element)},
                                        {"$A", "tensor<$Tx$Px2xf32>"},
                                        {"$N", std::to_string(weightRows())},
                                        {"$T", extent},
                                        {"$H", std::to_string(heads)},
                                        {"$K", std::to_string(kvHeads)},
                                        {"$D", std::to_string(dim)},
                                        {"$P", std::to_string(dim / 2)}});
  }
};

TEST_P(Append, CopiesRows) {
  using runtime::ElementType;
  for (HeadShape shape : {HeadShape{0, 1, 256}, HeadShape{0, 2, 64},
                          HeadShape{0, 2, 64, false, ElementType::BF16},
                          HeadShape{0, 1, 32, false, ElementType::F16}})
    for (const StepForm &form : kForms) {
      CompiledFunction function(shape.text(form.extent, R"(
func.func @f(%k: $R, %v: $R, %kc: $C, %vc: $C, %start: index, %count: index) -> ($C, $C) {
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : $R, $C
  return %k1, %v1 : $C, $C
})"),
                                GetParam());
      auto kept = [&](uint32_t seed) {
        return roundedTo(
            shape.element,
            randomTensor({kCapacity, shape.kvHeads, shape.dim}, seed));
      };
      Tensor keys = kept(71), values = kept(72);
      for (StepRows rows : form.steps)
        for (int64_t start : kStarts) {
          SCOPED_TRACE(testing::Message()
                       << rows.count << " rows at " << start);
          auto argument = [&](uint32_t seed) {
            return plainArgument(withPadding(
                randomTensor({rows.padded, shape.kvHeads, shape.dim}, seed),
                rows.count));
          };
          CallResults r =
              function.call({argument(73), argument(74),
                             keyCacheArgument(keys, shape.element),
                             valueCacheArgument(values, shape.element),
                             indexArgument(start), indexArgument(rows.count)});
          ASSERT_EQ(r.computed.size(), 2u);
          for (int i : {0, 1})
            EXPECT_TRUE(sameValues(r.computed[i], r.expected[i], kCapacity));
        }
    }
}

/// One product with what follows it: the queries, keys and values that
/// flow.qkv_rope_append makes of it.
struct QkvBounds {
  Inexact query, key, value;

  /// `norms` are null or of the queries and the keys.
  QkvBounds(const Inexact &product, const HeadShape &shape,
            const Tensor *queryNorm, const Tensor *keyNorm, bool normsValues,
            const Tensor &angles)
      : query(columns(product, 0, shape.heads * shape.dim)),
        key(columns(product, query.length, shape.kvHeads * shape.dim)),
        value(columns(product, query.length + (shape.kEqV ? 0 : key.length),
                      key.length)) {
    if (queryNorm) {
      query = rmsNorm(query, shape.dim, queryNorm, 1e-6);
      key = rmsNorm(key, shape.dim, keyNorm, 1e-6);
    }
    if (normsValues)
      value = rmsNorm(value, shape.dim, nullptr, 1e-6);
    query = rope(query, shape.dim, angles);
    key = rope(key, shape.dim, angles);
  }

  static Inexact columns(const Inexact &rows, int64_t first, int64_t count) {
    Inexact result(count);
    for (size_t row = first; row < rows.values.size(); row += rows.length)
      for (int64_t i = 0; i != count; ++i) {
        result.values.push_back(rows.values[row + i]);
        result.errors.push_back(rows.errors[row + i]);
      }
    return result;
  }
};

/// The bound of a cache that rows with `errors` were written to at `start`;
/// all else must be as it was, for which the smallest bound is enough.
std::vector<double> cacheBounds(const Tensor &cache, const Inexact &rows,
                                int64_t start, int64_t count) {
  std::vector<double> bounds(cache.values.size(), 0x1p-149);
  for (int64_t t = 0; t != count; ++t)
    for (int64_t i = 0; i != rows.length; ++i)
      bounds[(start + t) % kCapacity * rows.length + i] =
          rows.errors[t * rows.length + i];
  return bounds;
}

void expectQkv(const CallResults &r, const QkvBounds &bounds, int64_t start,
               int64_t count) {
  ASSERT_EQ(r.computed.size(), 3u);
  EXPECT_LE(
      worstRatio(r.computed[0], r.expected[0], count, bounds.query.errors), 1);
  for (int i : {1, 2}) {
    std::vector<double> cache = cacheBounds(
        r.expected[i], i == 1 ? bounds.key : bounds.value, start, count);
    EXPECT_LE(worstRatio(r.computed[i], r.expected[i], kCapacity, cache), 1);
  }
}

constexpr int64_t kDepth = 64;

// T21, T24
TEST_P(Append, QkvWithNorms) {
  HeadShape shape{4, 2, 64};
  Tensor weight = randomTensor({shape.weightRows(), kDepth}, 75);
  Tensor queryNorm = randomTensor({64}, 76), keyNorm = randomTensor({64}, 77);
  Tensor keys = randomTensor({kCapacity, 2, 64}, 78);
  Tensor values = randomTensor({kCapacity, 2, 64}, 79);
  for (const StepForm &form : kForms) {
    CompiledFunction function(shape.text(form.extent, R"(
func.func @f(%x: tensor<$Tx64xf32>, %w: tensor<$Nx64xf32, #flow.panels<f32>>, %qn: tensor<$Dxf32>, %kn: tensor<$Dxf32>, %a: $A, %kc: $C, %vc: $C, %start: index, %count: index) -> ($Y, $C, $C) {
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn v_norm rope %a into %kc, %vc at %start count %count : tensor<$Tx64xf32>, tensor<$Nx64xf32, #flow.panels<f32>>, tensor<$Dxf32>, $A, $C -> $Y
  return %q, %k1, %v1 : $Y, $C, $C
})"),
                              GetParam());
    for (StepRows rows : form.steps)
      for (int64_t start : {0, 53, 63}) {
        SCOPED_TRACE(testing::Message() << rows.count << " rows at " << start);
        Tensor x = randomTensor({rows.padded, kDepth}, 80);
        Tensor angles = randomTensor({rows.padded, 32, 2}, 81);
        QkvBounds bounds(linear(Inexact(x), weight), shape, &queryNorm,
                         &keyNorm, /*normsValues=*/true, angles);
        CallResults r =
            function.call({plainArgument(withPadding(x, rows.count)),
                           f32PanelsArgument(weight), plainArgument(queryNorm),
                           plainArgument(keyNorm),
                           plainArgument(withPadding(angles, rows.count)),
                           keyCacheArgument(keys), valueCacheArgument(values),
                           indexArgument(start), indexArgument(rows.count)});
        expectQkv(r, bounds, start, rows.count);
      }
  }
}

TEST_P(Append, QkvWithoutNorms) {
  HeadShape shape{2, 1, 256};
  Tensor weight = randomTensor({shape.weightRows(), kDepth}, 82);
  Tensor keys = randomTensor({kCapacity, 1, 256}, 83);
  Tensor values = randomTensor({kCapacity, 1, 256}, 84);
  for (const StepForm &form : kForms) {
    CompiledFunction function(shape.text(form.extent, R"(
func.func @f(%x: tensor<$Tx64xf32>, %w: tensor<$Nx64xf32, #flow.panels<f32>>, %a: $A, %kc: $C, %vc: $C, %start: index, %count: index) -> ($Y, $C, $C) {
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w rope %a into %kc, %vc at %start count %count : tensor<$Tx64xf32>, tensor<$Nx64xf32, #flow.panels<f32>>, $A, $C -> $Y
  return %q, %k1, %v1 : $Y, $C, $C
})"),
                              GetParam());
    for (StepRows rows : form.steps)
      for (int64_t start : {0, 53, 63}) {
        SCOPED_TRACE(testing::Message() << rows.count << " rows at " << start);
        Tensor x = randomTensor({rows.padded, kDepth}, 85);
        Tensor angles = randomTensor({rows.padded, 128, 2}, 86);
        QkvBounds bounds(linear(Inexact(x), weight), shape, nullptr, nullptr,
                         /*normsValues=*/false, angles);
        CallResults r =
            function.call({plainArgument(withPadding(x, rows.count)),
                           f32PanelsArgument(weight),
                           plainArgument(withPadding(angles, rows.count)),
                           keyCacheArgument(keys), valueCacheArgument(values),
                           indexArgument(start), indexArgument(rows.count)});
        expectQkv(r, bounds, start, rows.count);
      }
  }
}

// T21
TEST_P(Append, QkvOfRawKeys) {
  HeadShape shape{2, 1, 64, /*kEqV=*/true};
  Tensor weight = randomTensor({shape.weightRows(), kDepth}, 94);
  Tensor queryNorm = randomTensor({64}, 95), keyNorm = randomTensor({64}, 96);
  Tensor keys = randomTensor({kCapacity, 1, 64}, 97);
  Tensor values = randomTensor({kCapacity, 1, 64}, 98);
  for (const StepForm &form : kForms) {
    CompiledFunction function(shape.text(form.extent, R"(
func.func @f(%x: tensor<$Tx64xf32>, %w: tensor<$Nx64xf32, #flow.panels<f32>>, %qn: tensor<$Dxf32>, %kn: tensor<$Dxf32>, %a: $A, %kc: $C, %vc: $C, %start: index, %count: index) -> ($Y, $C, $C) {
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w k_eq_v norms %qn, %kn v_norm rope %a into %kc, %vc at %start count %count : tensor<$Tx64xf32>, tensor<$Nx64xf32, #flow.panels<f32>>, tensor<$Dxf32>, $A, $C -> $Y
  return %q, %k1, %v1 : $Y, $C, $C
})"),
                              GetParam());
    for (StepRows rows : form.steps) {
      int64_t start = 53;
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      Tensor x = randomTensor({rows.padded, kDepth}, 99);
      Tensor angles = randomTensor({rows.padded, 32, 2}, 100);
      QkvBounds bounds(linear(Inexact(x), weight), shape, &queryNorm, &keyNorm,
                       /*normsValues=*/true, angles);
      CallResults r = function.call(
          {plainArgument(withPadding(x, rows.count)), f32PanelsArgument(weight),
           plainArgument(queryNorm), plainArgument(keyNorm),
           plainArgument(withPadding(angles, rows.count)),
           keyCacheArgument(keys), valueCacheArgument(values),
           indexArgument(start), indexArgument(rows.count)});
      expectQkv(r, bounds, start, rows.count);
    }
  }
}

TEST_P(QkvOfBytes, WithNorms) {
  HeadShape shape{4, 1, 64};
  ByteWeight weight(shape.weightRows(), kDepth, 32, /*hasMinima=*/false, 87);
  Tensor queryNorm = randomTensor({64}, 88), keyNorm = randomTensor({64}, 89);
  Tensor keys = randomTensor({kCapacity, 1, 64}, 90);
  Tensor values = randomTensor({kCapacity, 1, 64}, 91);
  for (const StepForm &form : kForms) {
    CompiledFunction function(
        shape.text(form.extent,
                   substitute(R"(
func.func @f(%x: $X, %w: $W, %qn: tensor<$Dxf32>, %kn: tensor<$Dxf32>, %a: $A, %kc: $C, %vc: $C, %start: index, %count: index) -> ($Y, $C, $C) {
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %a into %kc, %vc at %start count %count : $X, $W, tensor<$Dxf32>, $A, $C -> $Y
  return %q, %k1, %v1 : $Y, $C, $C
})",
                              {{"$X", "tensor<$Tx64xf32, "
                                      "#flow.quantized_rows<block = 32>>"},
                               {"$W", "tensor<$Nx64xf32, #flow.panels<i8, "
                                      "block = 32>>"}})),
        GetParam());
    for (StepRows rows : form.steps) {
      int64_t start = 53;
      SCOPED_TRACE(testing::Message() << rows.count << " rows");
      ByteRows x(rows.padded, kDepth, 32, 92);
      Tensor angles = randomTensor({rows.padded, 32, 2}, 93);
      // Two blocks, the product of their scales, the interpreter.
      QkvBounds bounds(linear(Inexact(x.values()), weight.values(),
                              weight.magnitudes(), 2 + 2),
                       shape, &queryNorm, &keyNorm, /*normsValues=*/false,
                       angles);
      CallResults r =
          function.call({x.argument(), weight.argument(true),
                         plainArgument(queryNorm), plainArgument(keyNorm),
                         plainArgument(withPadding(angles, rows.count)),
                         keyCacheArgument(keys), valueCacheArgument(values),
                         indexArgument(start), indexArgument(rows.count)});
      expectQkv(r, bounds, start, rows.count);
    }
  }
}

} // namespace
