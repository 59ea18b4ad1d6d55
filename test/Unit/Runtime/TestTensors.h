// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensors in memory for packing and for running.

#ifndef FLOW_TEST_RUNTIME_TESTTENSORS_H
#define FLOW_TEST_RUNTIME_TESTTENSORS_H

#include "../Ggml/TestBlocks.h"
#include "flow/Runtime/Weights.h"

#include <cstring>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace flow::runtime {

/// Tensors by name, and what was released of them.
class TestTensors {
public:
  /// A tensor of `values`, stored as f32.
  void add(const std::string &name, int64_t rows, int64_t cols,
           const std::vector<float> &values) {
    std::vector<std::byte> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    put(name, ggml::Type::F32, rows, cols, std::move(bytes));
  }

  /// A tensor of any decodable type with random finite contents.
  void addRandom(const std::string &name, ggml::Type type, int64_t rows,
                 int64_t cols, unsigned seed) {
    ggml::TypeInfo info = *ggml::typeInfo(static_cast<uint32_t>(type));
    if (info.blockElements > 1) {
      size_t blocks = static_cast<size_t>(rows * cols / info.blockElements);
      put(name, type, rows, cols, ggml::randomBlocks(type, blocks, seed));
      return;
    }
    std::mt19937 random(seed);
    std::vector<std::byte> bytes(rows * cols * info.blockBytes);
    for (int64_t i = 0; i != rows * cols; ++i) {
      float value = static_cast<float>(random()) * 0x1p-32f - 0.5f;
      uint16_t half = type == ggml::Type::F16 ? ggml::f32ToF16(value)
                                              : ggml::f32ToBf16(value);
      if (info.blockBytes == 4)
        std::memcpy(bytes.data() + 4 * i, &value, 4);
      else
        std::memcpy(bytes.data() + 2 * i, &half, 2);
    }
    put(name, type, rows, cols, std::move(bytes));
  }

  /// A tensor with these bytes, whatever they are.
  void put(const std::string &name, ggml::Type type, int64_t rows, int64_t cols,
           std::vector<std::byte> bytes) {
    Held &held = tensors[name];
    held.bytes = std::move(bytes);
    held.view = {type, rows, cols, held.bytes.data()};
  }

  /// The decoded rows of a tensor.
  std::vector<float> decoded(const std::string &name) const {
    const TensorView &view = tensors.at(name).view;
    std::vector<float> out(view.rows * view.cols);
    ggml::decodeRow(view.type, view.data, out.data(), view.rows * view.cols);
    return out;
  }

  const TensorView &view(const std::string &name) const {
    return tensors.at(name).view;
  }

  /// Valid as long as this object.
  TensorSource source() {
    return {[this](const std::string &name) -> std::optional<TensorView> {
              auto found = tensors.find(name);
              if (found == tensors.end())
                return std::nullopt;
              return found->second.view;
            },
            [this](const std::byte *data, size_t size) {
              released.emplace_back(data, size);
            }};
  }

  std::vector<std::pair<const std::byte *, size_t>> released;

private:
  struct Held {
    std::vector<std::byte> bytes;
    TensorView view;
  };
  std::map<std::string, Held> tensors;
};

} // namespace flow::runtime

#endif // FLOW_TEST_RUNTIME_TESTTENSORS_H
