// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights in memory: taken from the model file and packed once.

#ifndef FLOW_RUNTIME_WEIGHTS_H
#define FLOW_RUNTIME_WEIGHTS_H

#include "flow/Ggml/Types.h"
#include "flow/Runtime/Plan.h"
#include "flow/Runtime/ThreadPool.h"

#include <functional>
#include <memory>
#include <vector>

namespace flow::runtime {

/// A tensor of the model file: `rows` rows of `cols` values. The data stays
/// where it is for as long as the weights are used.
struct TensorView {
  ggml::Type type = ggml::Type::F32;
  int64_t rows = 0, cols = 0;
  const std::byte *data = nullptr;
  /// Bytes from the beginning of one row to that of the next; 0 = the rows
  /// follow each other.
  int64_t stride = 0;
  /// Rows after which `groupStride - group` rows are left out; 0 = none are.
  int64_t group = 0, groupStride = 0;

  /// Bytes of one row.
  int64_t rowBytes() const;
  const std::byte *row(int64_t index) const {
    if (group)
      index = index / group * groupStride + index % group;
    return data + index * (stride ? stride : rowBytes());
  }
  /// The `cols` columns of the rows of `part`, which lie within the tensor, the
  /// columns in whole blocks.
  TensorView take(const WeightSource::Part &part, int64_t cols) const;
};

/// Where tensors come from.
struct TensorSource {
  /// The tensor called `name`, or nothing.
  std::function<std::optional<TensorView>(const std::string &name)> find;
  /// Told of a range of the file that will not be read again soon; may be
  /// empty.
  std::function<void(const std::byte *data, size_t size)> release;
};

/// A block of zeroed memory straight from the system, page-aligned.
class PageBlock {
public:
  PageBlock() = default;
  PageBlock(PageBlock &&other) noexcept;
  PageBlock &operator=(PageBlock &&other) noexcept;
  ~PageBlock();

  /// `size` bytes, or an error when there is no memory. `hugePages` asks for
  /// pages of 2 MiB, at one of which the block then begins; they are committed
  /// whole when touched.
  static Result<PageBlock> allocate(size_t size, bool hugePages);

  std::byte *data() const { return memory; }
  size_t size() const { return bytes; }

private:
  std::byte *memory = nullptr;
  size_t bytes = 0;
};

/// Some bytes of a block.
class BlockSlice {
public:
  BlockSlice(std::byte *memory, size_t bytes) : memory(memory), bytes(bytes) {}

  std::byte *data() const { return memory; }
  size_t size() const { return bytes; }

private:
  std::byte *memory;
  size_t bytes;
};

/// One weight as the code reads it.
struct LoadedWeight {
  /// One slice for each part; none for `Packing::Raw`.
  std::vector<BlockSlice> parts;
  /// The tensor itself, for `Packing::Raw`.
  TensorView raw;
};

/// All weights of a plan, in its order. Packed ones follow each other in one
/// block: a step reads it from end to end, and large pages hold the small ones
/// too, which halves what reading them costs.
struct LoadedWeights {
  std::vector<LoadedWeight> weights;
  PageBlock memory;
};

/// Packs every weight of `plan` from `source`, panels in parallel. The error
/// names the weight and what is wrong with its source.
Result<LoadedWeights> loadWeights(const Plan &plan, const TensorSource &source,
                                  ThreadPool &pool);

} // namespace flow::runtime

#endif // FLOW_RUNTIME_WEIGHTS_H
