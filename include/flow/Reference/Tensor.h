// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The values that the reference interpreter computes with.

#ifndef FLOW_REFERENCE_TENSOR_H
#define FLOW_REFERENCE_TENSOR_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace flow {

/// A dense row-major tensor: `values` has as many elements as `shape` says.
template <typename Element> struct DenseTensor {
  llvm::SmallVector<int64_t, 4> shape;
  std::vector<Element> values;

  DenseTensor() = default;
  /// All zeros. The element count must fit the address space.
  explicit DenseTensor(llvm::ArrayRef<int64_t> shape)
      : shape(shape), values(elementCount(shape)) {}
  DenseTensor(llvm::ArrayRef<int64_t> shape, std::vector<Element> values)
      : shape(shape), values(std::move(values)) {}

  /// The product of `shape`; 1 for a scalar.
  static int64_t elementCount(llvm::ArrayRef<int64_t> shape) {
    int64_t count = 1;
    for (int64_t extent : shape)
      count *= extent;
    return count;
  }

  /// The last extent: the length of a row.
  int64_t rowLength() const { return shape.empty() ? 1 : shape.back(); }
};

/// Numbers. Tensors of bf16 and f16 hold values that those types have; a tensor
/// of quantised rows or packed panels holds what its elements mean.
using Tensor = DenseTensor<float>;
/// Token ids.
using TokenTensor = DenseTensor<int32_t>;

/// Tensors never change once made, so that values can share them.
using TensorRef = std::shared_ptr<const Tensor>;
using TokenTensorRef = std::shared_ptr<const TokenTensor>;

} // namespace flow

#endif // FLOW_REFERENCE_TENSOR_H
