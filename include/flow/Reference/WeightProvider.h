// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where the reference interpreter gets its weights from.

#ifndef FLOW_REFERENCE_WEIGHTPROVIDER_H
#define FLOW_REFERENCE_WEIGHTPROVIDER_H

#include "flow/Ggml/Types.h"
#include "flow/IR/FlowOps.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <optional>

namespace flow {

/// Gives the values of `flow.weight` ops as their source holds them:
/// `unit_offset` and `flow.derived_weight` are the interpreter's matter.
class WeightProvider {
public:
  virtual ~WeightProvider() = default;

  /// Writes rows `[first, first + rows)` of `weight` to `out`, `rows` times the
  /// last extent of its type; a vector is one row. The rows are within the
  /// weight's shape; a request for none only checks that the weight is there as
  /// its type says, and comes before memory is spent on it. An error says which
  /// weight, what was expected and found.
  virtual llvm::Error loadRows(WeightOp weight, int64_t first, int64_t rows,
                               llvm::MutableArrayRef<float> out) = 0;
};

/// The bytes of a tensor and how they encode its values, row after row.
struct EncodedTensor {
  ggml::Type type;
  /// May be unaligned.
  const std::byte *data;
  uint64_t bytes;
  /// Elements of a row where a weight is only a part of it; 0 = as many as the
  /// weight has.
  uint64_t rowLength = 0;
};

/// Weights encoded in memory, such as those of a mapped file. They are decoded
/// when asked for and not kept.
class EncodedWeights : public WeightProvider {
public:
  /// The tensor called `name`, or nothing. What it points to must outlive the
  /// provider.
  using Lookup =
      std::function<std::optional<EncodedTensor>(llvm::StringRef name)>;

  explicit EncodedWeights(Lookup lookup) : lookup(std::move(lookup)) {}

  llvm::Error loadRows(WeightOp weight, int64_t first, int64_t rows,
                       llvm::MutableArrayRef<float> out) override;

  /// The name under which `weight` is looked up: its `from`, or the path of its
  /// symbol in the model, as in "layer0.q".
  static std::string tensorName(WeightOp weight);

private:
  Lookup lookup;
};

} // namespace flow

#endif // FLOW_REFERENCE_WEIGHTPROVIDER_H
