// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Packs weights into the layouts that kernels stream.

#include "flow/Runtime/Weights.h"

#include "WeightBlocks.h"
#include "flow/Runtime/Memory.h"

#include <algorithm>
#include <cstring>

using namespace flow;
using namespace flow::runtime;

namespace {

/// Rows of a panel.
constexpr int64_t kPanel = 32;

/// The rows of a weight, wherever they lie in its sources.
class SourceRows {
public:
  SourceRows(const PackedWeight &weight, std::vector<TensorView> sources)
      : weight(weight), sources(std::move(sources)) {}

  struct Row {
    const TensorView *tensor;
    const std::byte *data;
  };

  Row row(int64_t index) const {
    const TensorView *tensor = nullptr;
    if (weight.combine == Combine::Interleave && sources.size() > 1) {
      int64_t count = static_cast<int64_t>(sources.size());
      int64_t turn = index / weight.group;
      tensor = &sources[turn % count];
      index = turn / count * weight.group + index % weight.group;
    } else {
      for (const TensorView &candidate : sources) {
        tensor = &candidate;
        if (index < candidate.rows)
          break;
        index -= candidate.rows;
      }
    }
    return {tensor, tensor->row(index)};
  }

  const std::vector<TensorView> &tensors() const { return sources; }

private:
  const PackedWeight &weight;
  std::vector<TensorView> sources;
};

void decode(const PackedWeight &weight, const SourceRows::Row &row,
            float *out) {
  flow::ggml::decodeRow(row.tensor->type, row.data, out, weight.cols);
  if (weight.add == 0)
    return;
  for (int64_t i = 0; i != weight.cols; ++i)
    out[i] += static_cast<float>(weight.add);
}

/// Panel `panel` as f32 `[cols][32]`.
void packPanelF32(const PackedWeight &weight, const SourceRows &rows,
                  int64_t panel, float *out, std::vector<float> &scratch) {
  scratch.resize(weight.cols);
  out += panel * weight.cols * kPanel;
  for (int64_t n = 0; n != kPanel; ++n) {
    decode(weight, rows.row(panel * kPanel + n), scratch.data());
    for (int64_t k = 0; k != weight.cols; ++k)
      out[k * kPanel + n] = scratch[k];
  }
}

/// Panel `panel` as bf16 `[cols/2][32][2]`.
void packPanelBf16(const PackedWeight &weight, const SourceRows &rows,
                   int64_t panel, uint16_t *out, std::vector<float> &scratch) {
  scratch.resize(weight.cols);
  out += panel * weight.cols * kPanel;
  for (int64_t n = 0; n != kPanel; ++n) {
    decode(weight, rows.row(panel * kPanel + n), scratch.data());
    for (int64_t k = 0; k != weight.cols; ++k)
      out[(k / 2 * kPanel + n) * 2 + k % 2] = flow::ggml::f32ToBf16(scratch[k]);
  }
}

/// Buffers of one thread for panels of 8 bits.
struct I8Scratch {
  std::vector<int8_t> quants;
  std::vector<float> scales, minima;
};

void storeScale(const PackedWeight &weight, std::byte *base, int64_t index,
                float value) {
  if (weight.scale == ScaleType::F32) {
    std::memcpy(base + 4 * index, &value, sizeof(value));
    return;
  }
  uint16_t half = flow::ggml::f32ToF16(value);
  std::memcpy(base + 2 * index, &half, sizeof(half));
}

/// Four quants of a row as a word, the first in the lowest byte.
uint32_t wordAt(const int8_t *quants) {
  uint32_t word;
  std::memcpy(&word, quants, sizeof(word));
  return word;
}

/// `rows[n][cols]`, unsigned quants of a panel, as bytes `[cols/4][32][4]`.
void storeBytes(const int8_t *rows, int64_t cols, std::byte *out) {
  for (int64_t quad = 0; quad != cols / 4; ++quad)
    for (int64_t n = 0; n != kPanel; ++n, out += 4)
      std::memcpy(out, rows + n * cols + 4 * quad, 4);
}

/// `mask` of each byte of a word.
uint32_t everyByte(uint32_t mask) { return mask * 0x01010101u; }

/// The four bits from `shift` on as `[cols/8][32][4]`, two words to one.
void storeHalfBytes(const int8_t *rows, int64_t cols, int64_t shift,
                    std::byte *out) {
  for (int64_t first = 0; first != cols; first += 8)
    for (int64_t n = 0; n != kPanel; ++n, out += 4) {
      const int8_t *row = rows + n * cols + first;
      uint32_t word = (wordAt(row) >> shift & everyByte(15)) |
                      (wordAt(row + 4) >> shift & everyByte(15)) << 4;
      std::memcpy(out, &word, 4);
    }
}

/// The `count` bits from `shift` on of the columns from `first` on as
/// `[32][4]`, as many columns as their bits fill a word with.
void storeBits(const int8_t *rows, int64_t cols, int64_t first, int64_t shift,
               int64_t count, std::byte *out) {
  for (int64_t n = 0; n != kPanel; ++n, out += 4) {
    uint32_t word = 0;
    for (int64_t quad = 0; quad != 8 / count; ++quad)
      word |= (wordAt(rows + n * cols + first + 4 * quad) >> shift &
               everyByte((1u << count) - 1))
              << (quad * count);
    std::memcpy(out, &word, 4);
  }
}

/// The `count` bits from `shift` on as `[cols/c][32][4]`, `c = 32 / count`.
void storeUpperBits(const int8_t *rows, int64_t cols, int64_t shift,
                    int64_t count, std::byte *out) {
  for (int64_t first = 0; first != cols; first += 32 / count, out += 4 * kPanel)
    storeBits(rows, cols, first, shift, count, out);
}

/// Their lowest `count` bits as `[count * cols/32][32][4]`, for each 32 columns
/// a row of each bit.
void storeLowBits(const int8_t *rows, int64_t cols, int64_t count,
                  std::byte *out) {
  for (int64_t first = 0; first != cols; first += 32)
    for (int64_t bit = 0; bit != count; ++bit, out += 4 * kPanel)
      storeBits(rows, cols, first, bit, 1, out);
}

/// Panel `panel` in the parts that docs/Artifact.md describes.
void packPanelI8(const PackedWeight &weight, const SourceRows &rows,
                 int64_t panel, const std::vector<BlockSlice> &parts,
                 I8Scratch &scratch) {
  int64_t cols = weight.cols, blocks = cols / weight.block;
  scratch.quants.resize(kPanel * cols);
  scratch.scales.resize(cols / 16);
  scratch.minima.resize(cols / 16);
  std::byte *scales =
      parts[1 + weight.hasUpperBits() + (weight.lowBits() != 0)].data();
  std::byte *minima = weight.hasMin ? parts.back().data() : nullptr;
  for (int64_t n = 0; n != kPanel; ++n) {
    SourceRows::Row row = rows.row(panel * kPanel + n);
    flow::ggml::IntegerForm form = *flow::ggml::integerForm(row.tensor->type);
    flow::ggml::unpackRow(row.tensor->type, row.data,
                          scratch.quants.data() + n * cols,
                          scratch.scales.data(), scratch.minima.data(), cols);
    for (int64_t b = 0; b != blocks; ++b) {
      int64_t from = b * weight.block / form.block;
      int64_t to = (panel * blocks + b) * kPanel + n;
      storeScale(weight, scales, to, scratch.scales[from]);
      if (weight.hasMin) {
        float min = form.hasMin ? scratch.minima[from] * (-1.0f / 128) : 0;
        std::memcpy(minima + 4 * to, &min, sizeof(min));
      }
    }
  }
  for (int8_t &quant : scratch.quants)
    quant = static_cast<int8_t>(quant + weight.offset);
  auto partOf = [&](int64_t part) {
    std::vector<int64_t> shape = partShape(weight, part);
    return parts[part].data() + panel * shape[1] * shape[2];
  };
  const int8_t *quants = scratch.quants.data();
  int64_t bits = weight.firstBits(), low = weight.lowBits();
  if (bits == 8)
    return storeBytes(quants, cols, partOf(0));
  storeHalfBytes(quants, cols, low, partOf(0));
  if (weight.hasUpperBits())
    storeUpperBits(quants, cols, low + 4, bits - 4, partOf(1));
  if (low != 0)
    storeLowBits(quants, cols, low, partOf(2));
}

Error fail(const PackedWeight &weight, const std::string &what) {
  return {"weight " + weight.name + ": " + what};
}

/// Makes of `tensor` the part that `source` is.
Status cut(const PackedWeight &weight, const WeightSource &source,
           TensorView &tensor) {
  std::optional<ggml::TypeInfo> info =
      ggml::typeInfo(static_cast<uint32_t>(tensor.type));
  const WeightSource::Part &part = *source.part;
  // Rows of the tensor after the first group.
  int64_t after = tensor.rows - part.group - part.row;
  if (after < 0 || after / part.stride < part.rows / part.group - 1 ||
      part.col > tensor.cols - weight.cols)
    return fail(weight, "tensor '" + source.name + "' is " +
                            std::to_string(tensor.rows) + "x" +
                            std::to_string(tensor.cols) + ", which has no " +
                            std::to_string(part.rows) + "x" +
                            std::to_string(weight.cols) + " at row " +
                            std::to_string(part.row) + " and column " +
                            std::to_string(part.col));
  if (!info || part.col % info->blockElements != 0 ||
      weight.cols % info->blockElements != 0)
    return fail(weight, "tensor '" + source.name +
                            "' cannot be cut between its blocks");
  tensor = tensor.take(part, weight.cols);
  return {};
}

/// The sources of `weight`, checked against the plan.
Result<std::vector<TensorView>> findSources(const PackedWeight &weight,
                                            const TensorSource &source) {
  std::vector<TensorView> tensors;
  int64_t rows = 0;
  for (const WeightSource &wanted : weight.sources) {
    const std::string &name = wanted.name;
    std::optional<TensorView> tensor = source.find(name);
    if (!tensor)
      return fail(weight, "tensor '" + name + "' is not in the model file");
    if (wanted.part)
      if (Status status = cut(weight, wanted, *tensor); !status)
        return Error{status.error()};
    if (tensor->cols != weight.cols)
      return fail(weight, "tensor '" + name + "' has rows of " +
                              std::to_string(tensor->cols) + ", expected " +
                              std::to_string(weight.cols));
    std::string type(flow::ggml::typeName(tensor->type));
    if (!flow::ggml::isDecodable(tensor->type))
      return fail(weight, "tensor '" + name + "' is stored as " + type +
                              ", which cannot be computed with");
    if (weight.packing == Packing::PanelsI8 ||
        weight.packing == Packing::WeightBlocks) {
      std::optional<flow::ggml::IntegerForm> form =
          flow::ggml::integerForm(tensor->type);
      bool fits = form && form->block >= weight.block &&
                  (weight.hasMin || !form->hasMin) &&
                  (weight.scale == ScaleType::F32 || form->scaleIsF16) &&
                  (holdsSignedBytes(weight) ||
                   (form->low + weight.offset >= 0 &&
                    form->high + weight.offset < int64_t(1) << weight.bits)) &&
                  weight.add == 0;
      if (!fits)
        return fail(weight, "tensor '" + name + "' stored as " + type +
                                " does not fit the planned integer layout");
    }
    // Turns are taken evenly, so each source has the same share.
    auto share = weight.rows / static_cast<int64_t>(weight.sources.size());
    if (weight.combine == Combine::Interleave && tensor->rows != share)
      return fail(weight, "tensor '" + name + "' has " +
                              std::to_string(tensor->rows) +
                              " rows, expected " + std::to_string(share) +
                              " to interleave");
    rows += tensor->rows;
    tensors.push_back(*tensor);
  }
  if (rows != weight.rows)
    return fail(weight, "its sources have " + std::to_string(rows) +
                            " rows, expected " + std::to_string(weight.rows));
  return tensors;
}

/// Bytes of a file that are packed before they are given back: enough to keep
/// the threads busy, and little beside the weights.
constexpr int64_t kPackStride = 8 << 20;

/// Rounds the rows [begin, end) in parallel.
void packRowsBf16(const PackedWeight &weight, const SourceRows &rows,
                  LoadedWeight &loaded, int64_t begin, int64_t end,
                  ThreadPool &pool) {
  auto *out = reinterpret_cast<uint16_t *>(loaded.parts[0].data());
  pool.parallelFor(end - begin, [&](int64_t from, int64_t to) {
    std::vector<float> floats(weight.cols);
    for (int64_t r = begin + from; r != begin + to; ++r) {
      decode(weight, rows.row(r), floats.data());
      for (int64_t c = 0; c != weight.cols; ++c)
        out[r * weight.cols + c] = flow::ggml::f32ToBf16(floats[c]);
    }
  });
}

/// Packs the rows [begin, end) of integer blocks in parallel.
void packRowsOfBlocks(const PackedWeight &weight, const SourceRows &rows,
                      LoadedWeight &loaded, int64_t begin, int64_t end,
                      ThreadPool &pool) {
  pool.parallelFor(end - begin, [&](int64_t from, int64_t to) {
    BlocksScratch scratch(weight);
    for (int64_t r = begin + from; r != begin + to; ++r) {
      SourceRows::Row row = rows.row(r);
      packWeightBlocks(weight, row.tensor->type, row.data, r,
                       loaded.parts[0].data(), scratch);
    }
  });
}

/// Packs the panels [begin, end) in parallel.
void packPanels(const PackedWeight &weight, const SourceRows &rows,
                LoadedWeight &loaded, int64_t begin, int64_t end,
                ThreadPool &pool) {
  std::byte *first = loaded.parts[0].data();
  pool.parallelFor(end - begin, [&](int64_t from, int64_t to) {
    std::vector<float> floats;
    I8Scratch integers;
    for (int64_t panel = begin + from; panel != begin + to; ++panel) {
      if (weight.packing == Packing::PanelsF32)
        packPanelF32(weight, rows, panel, reinterpret_cast<float *>(first),
                     floats);
      else if (weight.packing == Packing::PanelsBf16)
        packPanelBf16(weight, rows, panel, reinterpret_cast<uint16_t *>(first),
                      floats);
      else
        packPanelI8(weight, rows, panel, loaded.parts, integers);
    }
  });
}

/// Packs the whole weight and gives its pages of the file back, a stretch at a
/// time where it is one tensor.
void packAll(const PackedWeight &weight, const SourceRows &rows,
             LoadedWeight &loaded, const TensorSource &source,
             ThreadPool &pool) {
  const std::vector<TensorView> &tensors = rows.tensors();
  auto release = [&](const TensorView &tensor, int64_t begin, int64_t end) {
    if (source.release && begin != end)
      source.release(tensor.row(begin), tensor.row(end - 1) +
                                            tensor.rowBytes() -
                                            tensor.row(begin));
  };
  if (weight.packing == Packing::Dense) {
    auto *out = reinterpret_cast<float *>(loaded.parts[0].data());
    for (int64_t r = 0; r != weight.rows; ++r)
      decode(weight, rows.row(r), out + r * weight.cols);
  } else {
    // Rows in a row are packed one by one.
    bool dense = weight.packing == Packing::DenseBf16;
    bool blocks = weight.packing == Packing::WeightBlocks;
    int64_t unit = dense || blocks ? 1 : kPanel, units = weight.rows / unit;
    int64_t stride = units;
    if (tensors.size() == 1)
      stride = std::max<int64_t>(1, kPackStride /
                                        (unit * tensors.front().rowBytes()));
    for (int64_t begin = 0; begin < units; begin += stride) {
      int64_t end = std::min(begin + stride, units);
      if (dense)
        packRowsBf16(weight, rows, loaded, begin, end, pool);
      else if (blocks)
        packRowsOfBlocks(weight, rows, loaded, begin, end, pool);
      else
        packPanels(weight, rows, loaded, begin, end, pool);
      if (tensors.size() == 1)
        release(tensors.front(), begin * unit, end * unit);
    }
    if (tensors.size() == 1)
      return;
  }
  for (const TensorView &tensor : tensors)
    release(tensor, 0, tensor.rows);
}

/// Parts begin at a line of the cache.
constexpr size_t kLine = 64;

/// Adds the room that a part of `size` bytes takes to `total`; false if no
/// machine has as much.
bool addPart(size_t &total, size_t size) {
  return !__builtin_add_overflow(total, size, &total) &&
         !__builtin_add_overflow(total, -total % kLine, &total);
}

} // namespace

int64_t TensorView::rowBytes() const {
  ggml::TypeInfo info = *ggml::typeInfo(static_cast<uint32_t>(type));
  return cols / info.blockElements * info.blockBytes;
}

TensorView TensorView::take(const WeightSource::Part &part,
                            int64_t columns) const {
  TensorView view = *this;
  view.stride = rowBytes();
  view.cols = part.col;
  view.data = row(part.row) + (part.col ? view.rowBytes() : 0);
  view.rows = part.rows;
  view.cols = columns;
  if (part.group != part.rows) {
    view.group = part.group;
    view.groupStride = part.stride;
  }
  return view;
}

Result<LoadedWeights> flow::runtime::loadWeights(const Plan &plan,
                                                 const TensorSource &source,
                                                 ThreadPool &pool) {
  std::vector<std::vector<TensorView>> sources;
  size_t total = 0;
  for (const PackedWeight &weight : plan.weights) {
    Result<std::vector<TensorView>> found = findSources(weight, source);
    if (!found)
      return Error{found.error()};
    sources.push_back(std::move(*found));
    for (size_t size : packedBytes(weight))
      if (!addPart(total, size))
        return fail(weight, "the size of the weights overflows");
  }
  LoadedWeights loaded;
  Result<PageBlock> memory = PageBlock::allocate(total, /*hugePages=*/true);
  if (!memory)
    return Error{"weights: " + memory.error()};
  loaded.memory = std::move(*memory);

  size_t offset = 0;
  for (size_t i = 0; i != plan.weights.size(); ++i) {
    const PackedWeight &weight = plan.weights[i];
    LoadedWeight &own = loaded.weights.emplace_back();
    if (weight.packing == Packing::Raw) {
      own.raw = sources[i].front();
      continue;
    }
    for (size_t size : packedBytes(weight)) {
      own.parts.emplace_back(loaded.memory.data() + offset, size);
      addPart(offset, size);
    }
    SourceRows rows(weight, std::move(sources[i]));
    packAll(weight, rows, own, source, pool);
  }
  return loaded;
}
