// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Decodes weights that are in memory as a file holds them.

#include "flow/Reference/WeightProvider.h"

#include "llvm/Support/CheckedArithmetic.h"

using namespace flow;

std::string EncodedWeights::tensorName(WeightOp weight) {
  if (std::optional<llvm::StringRef> from = weight.getFrom())
    return from->str();
  std::string name = weight.getSymName().str();
  if (auto layer = llvm::dyn_cast<LayerOp>(weight->getParentOp()))
    name = (layer.getSymName() + "." + name).str();
  return name;
}

/// Where a weight that is no part begins.
static constexpr int64_t kWhole[] = {0, 0};

llvm::Error EncodedWeights::loadRows(WeightOp weight, int64_t first,
                                     int64_t rows,
                                     llvm::MutableArrayRef<float> out) {
  std::string name = tensorName(weight);
  auto failed = [&](const llvm::Twine &why) {
    return llvm::createStringError("weight '" + name + "' (@" +
                                   weight.getSymName() + ") " + why);
  };
  std::optional<EncodedTensor> tensor = lookup(name);
  if (!tensor)
    return failed("is not in the model's file");

  std::optional<ggml::TypeInfo> info =
      ggml::typeInfo(static_cast<uint32_t>(tensor->type));
  if (!info || !ggml::isDecodable(tensor->type))
    return failed("has a type that cannot be decoded: " +
                  (info ? std::string(info->name)
                        : std::to_string(static_cast<uint32_t>(tensor->type))));

  llvm::ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  llvm::ArrayRef<int64_t> part = weight.getPart().value_or(kWhole);
  uint64_t length = shape.back();
  bool isPart = weight.getPart() && tensor->rowLength != 0;
  uint64_t rowLength = isPart ? tensor->rowLength : length;
  for (uint64_t elements : {length, rowLength, uint64_t(part[1])})
    if (elements % info->blockElements != 0)
      return failed("has rows of " + std::to_string(elements) +
                    " elements, expected a multiple of " +
                    std::to_string(info->blockElements) + " for " +
                    std::string(info->name));
  uint64_t blocks = rowLength / info->blockElements;
  int64_t allRows = shape.size() == 1 ? 1 : shape.front();
  int64_t whole[] = {allRows, allRows};
  llvm::ArrayRef<int64_t> groups = weight.getGroups().value_or(whole);
  // The row of the tensor that holds row `row` of the weight.
  auto place = [&](int64_t row) {
    return part[0] + row / groups[0] * groups[1] + row % groups[0];
  };
  std::optional<uint64_t> rowBytes =
      llvm::checkedMulUnsigned<uint64_t>(blocks, info->blockBytes);
  std::optional<uint64_t> bytes =
      rowBytes ? llvm::checkedMulUnsigned<uint64_t>(*rowBytes,
                                                    place(allRows - 1) + 1)
               : std::nullopt;
  // A part may end before the tensor does, in rows and in columns.
  if (!bytes || (isPart ? *bytes > tensor->bytes : *bytes != tensor->bytes) ||
      length + part[1] > rowLength)
    return failed("has " + std::to_string(tensor->bytes) + " bytes, expected " +
                  std::to_string(place(allRows - 1) + 1) + " rows of " +
                  std::to_string(blocks) + " blocks of " +
                  std::to_string(info->blockBytes) + " bytes");

  const std::byte *data =
      tensor->data + part[1] / info->blockElements * info->blockBytes;
  for (int64_t row = 0; row < rows; ++row)
    ggml::decodeRow(tensor->type, data + place(first + row) * *rowBytes,
                    out.data() + row * length, length);
  return llvm::Error::success();
}
