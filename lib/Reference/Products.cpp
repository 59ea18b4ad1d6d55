// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The stages made of inner products: matrix products and attention.

#include "InnerLoops.h"
#include "Stages.h"

#include "mlir/IR/Threading.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace flow;
using namespace flow::reference;

/// Weight rows that one task computes.
constexpr int64_t kTaskRows = 64;

Tensor reference::linear(mlir::MLIRContext &context, const Tensor &input,
                         const Tensor &weight, std::optional<double> softcap,
                         Element element) {
  int64_t rows = input.shape[0], depth = input.shape[1];
  int64_t columns = weight.shape[0];
  Tensor result({rows, columns});
  std::vector<double> wide(input.values.begin(), input.values.end());

  auto computeColumns = [&](int64_t task) {
    std::vector<double> weightRow(depth);
    int64_t end = std::min(columns, (task + 1) * kTaskRows);
    for (int64_t n = task * kTaskRows; n < end; ++n) {
      std::copy_n(weight.values.begin() + n * depth, depth, weightRow.begin());
      for (int64_t t = 0; t < rows; ++t) {
        double sum = dot(wide.data() + t * depth, weightRow.data(), depth);
        result.values[t * columns + n] = roundTo(element, capped(sum, softcap));
      }
    }
  };
  int64_t tasks = (columns + kTaskRows - 1) / kTaskRows;
  mlir::parallelFor(&context, 0, tasks, computeColumns);
  return result;
}

namespace {
/// The keys and values of one attention in f64, and what a row needs of them.
class RowAttention {
public:
  RowAttention(const Tensor &query, const Tensor &key, const Tensor &value,
               const AttentionParameters &parameters, Element element)
      : query(query), capacity(key.shape[0]), groups(key.shape[1]),
        keys(presentRows(key, parameters.total)),
        values(presentRows(value, parameters.total)), parameters(parameters),
        element(element) {}

  /// Computes all heads of row `t` into `result`.
  void compute(int64_t t, Tensor &result) const;

private:
  /// The rows that a position below `total` can be in.
  static std::vector<double> presentRows(const Tensor &cache, int64_t total) {
    int64_t rows = std::min(cache.shape[0], total);
    auto begin = cache.values.begin();
    return {begin, begin + rows * cache.shape[1] * cache.shape[2]};
  }
  int64_t cacheRow(int64_t position, int64_t group) const {
    return (position % capacity * groups + group) * query.shape[2];
  }

  const Tensor &query;
  int64_t capacity, groups;
  std::vector<double> keys, values;
  AttentionParameters parameters;
  Element element;
};
} // namespace

void RowAttention::compute(int64_t t, Tensor &result) const {
  int64_t heads = query.shape[1], dim = query.shape[2];
  int64_t firstPresent = std::max<int64_t>(0, parameters.total - capacity);
  std::vector<int64_t> visible;
  for (int64_t j = firstPresent; j < parameters.total; ++j)
    if (parameters.mask.isVisible(parameters.start + t, j, parameters.spans))
      visible.push_back(j);
  if (visible.empty())
    return; // zeros

  std::vector<double> row(dim), sum(dim), weights(visible.size());
  for (int64_t h = 0; h < heads; ++h) {
    int64_t group = h / (heads / groups), at = (t * heads + h) * dim;
    std::copy_n(query.values.begin() + at, dim, row.begin());
    double largest = -std::numeric_limits<double>::infinity();
    for (auto [j, weight] : llvm::zip_equal(visible, weights)) {
      double product = dot(row.data(), &keys[cacheRow(j, group)], dim);
      weight = capped(parameters.scale * product, parameters.softcap);
      largest = std::max(largest, weight);
    }
    double total = 0;
    std::fill(sum.begin(), sum.end(), 0.0);
    for (auto [j, weight] : llvm::zip_equal(visible, weights)) {
      weight = std::exp(weight - largest);
      total += weight;
      addScaled(sum.data(), weight, &values[cacheRow(j, group)], dim);
    }
    for (int64_t i = 0; i < dim; ++i)
      result.values[at + i] = roundTo(element, sum[i] / total);
  }
}

Tensor reference::attention(mlir::MLIRContext &context, const Tensor &query,
                            const Tensor &key, const Tensor &value,
                            const AttentionParameters &parameters,
                            Element element) {
  Tensor result(query.shape);
  RowAttention rows(query, key, value, parameters, element);
  mlir::parallelFor(&context, 0, query.shape[0],
                    [&](int64_t t) { rows.compute(t, result); });
  return result;
}
