// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the stages of one sequence for each sequence of a step.

#include "Sequences.h"

#include "flow/Reference/Interpreter.h"

using namespace flow;
using namespace flow::reference;

/// Columns of the table: slot, first row, rows, position of the first.
constexpr int64_t kColumns = 4;

llvm::Expected<std::vector<SequenceRows>>
reference::readSequences(const TokenTensor &table, int64_t rows,
                         bool singleRows, int64_t slots) {
  if (singleRows && table.shape[0] != rows)
    return llvm::createStringError("there are " + llvm::Twine(table.shape[0]) +
                                   " for " + llvm::Twine(rows) +
                                   " rows, of which each is to have one");
  std::vector<SequenceRows> sequences;
  std::vector<bool> rowTaken(rows), slotTaken(std::max<int64_t>(slots, 0));
  for (int64_t i = 0; i < table.shape[0]; ++i) {
    const int32_t *row = table.values.data() + i * kColumns;
    SequenceRows s{row[0], row[1], row[2], row[3]};
    auto refuse = [&](const llvm::Twine &why) {
      return llvm::createStringError("sequence " + llvm::Twine(i) + " " + why);
    };
    if (slots >= 0 && (s.slot < 0 || s.slot >= slots))
      return refuse("is in slot " + llvm::Twine(s.slot) + " of " +
                    llvm::Twine(slots));
    if (s.first < 0 || s.count < 1 || s.first + s.count > rows)
      return refuse("has " + llvm::Twine(s.count) + " rows from row " +
                    llvm::Twine(s.first) + " on, in a step of " +
                    llvm::Twine(rows));
    if (singleRows && (s.first != i || s.count != 1))
      return refuse("has " + llvm::Twine(s.count) + " rows from row " +
                    llvm::Twine(s.first) + " on, expected row " +
                    llvm::Twine(i) + " alone");
    if (s.start < 0 || s.start > kMaxPositions)
      return refuse("begins at position " + llvm::Twine(s.start) +
                    ", expected 0 to " + llvm::Twine(kMaxPositions));
    for (int64_t t = s.first; t < s.first + s.count; ++t) {
      if (rowTaken[t])
        return refuse("has row " + llvm::Twine(t) + " of another");
      rowTaken[t] = true;
    }
    if (slots >= 0) {
      if (slotTaken[s.slot])
        return refuse("is in slot " + llvm::Twine(s.slot) + " of another");
      slotTaken[s.slot] = true;
    }
    sequences.push_back(s);
  }
  return sequences;
}

Tensor reference::ropeAngles(const RopeParameters &table,
                             llvm::ArrayRef<SequenceRows> sequences,
                             int64_t rows) {
  int64_t half = table.headDim / 2;
  Tensor result({rows, half, 2});
  Tensor origin = ropeAngles(table, /*start=*/0, /*rows=*/1);
  for (int64_t t = 0; t < rows; ++t)
    std::copy(origin.values.begin(), origin.values.end(),
              result.values.begin() + t * half * 2);
  for (const SequenceRows &s : sequences) {
    Tensor own = ropeAngles(table, s.start, s.count);
    std::copy(own.values.begin(), own.values.end(),
              result.values.begin() + s.first * half * 2);
  }
  return result;
}

Tensor reference::append(const Tensor &rows, const Tensor &cache,
                         llvm::ArrayRef<SequenceRows> sequences,
                         Element element) {
  Tensor result = cache;
  llvm::ArrayRef<int64_t> shape = llvm::ArrayRef(cache.shape).take_back(3);
  int64_t capacity = shape[0], length = shape[1] * shape[2];
  for (const SequenceRows &s : sequences) {
    auto slot = result.values.begin() +
                std::max<int64_t>(s.slot, 0) * capacity * length;
    for (int64_t t = 0; t < s.count; ++t) {
      auto from = rows.values.begin() + (s.first + t) * length;
      std::transform(from, from + length,
                     slot + (s.start + t) % capacity * length,
                     [&](float value) { return roundTo(element, value); });
    }
  }
  return result;
}

/// Entries `[first, first + count)` of the leading dimension; without
/// `keepsDimension` the only one, whose dimension goes.
static Tensor take(const Tensor &tensor, int64_t first, int64_t count,
                   bool keepsDimension) {
  llvm::SmallVector<int64_t, 4> shape = tensor.shape;
  shape[0] = count;
  int64_t length = Tensor::elementCount(shape) / count;
  if (!keepsDimension)
    shape.erase(shape.begin());
  auto begin = tensor.values.begin() + first * length;
  return {shape, std::vector<float>(begin, begin + count * length)};
}

Tensor reference::attention(mlir::MLIRContext &context, const Tensor &query,
                            const Tensor &key, const Tensor &value,
                            AttentionParameters parameters,
                            llvm::ArrayRef<SequenceRows> sequences,
                            Element element) {
  Tensor result(query.shape);
  int64_t length = query.shape[1] * query.shape[2];
  for (const SequenceRows &s : sequences) {
    parameters.start = s.start;
    parameters.total = s.start + s.count;
    Tensor own = attention(context, take(query, s.first, s.count, true),
                           take(key, s.slot, 1, false),
                           take(value, s.slot, 1, false), parameters, element);
    std::copy(own.values.begin(), own.values.end(),
              result.values.begin() + s.first * length);
  }
  return result;
}
