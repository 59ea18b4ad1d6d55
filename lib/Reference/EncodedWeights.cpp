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
  uint64_t length = shape.back();
  if (length % info->blockElements != 0)
    return failed("has rows of " + std::to_string(length) +
                  " elements, expected a multiple of " +
                  std::to_string(info->blockElements) + " for " +
                  std::string(info->name));
  uint64_t blocks = length / info->blockElements;
  uint64_t allRows = shape.size() == 1 ? 1 : shape.front();
  std::optional<uint64_t> rowBytes =
      llvm::checkedMulUnsigned<uint64_t>(blocks, info->blockBytes);
  if (!rowBytes || llvm::checkedMulUnsigned(*rowBytes, allRows) !=
                       std::optional(tensor->bytes))
    return failed("has " + std::to_string(tensor->bytes) + " bytes, expected " +
                  std::to_string(allRows) + " rows of " +
                  std::to_string(blocks) + " blocks of " +
                  std::to_string(info->blockBytes) + " bytes");

  for (int64_t row = 0; row < rows; ++row)
    ggml::decodeRow(tensor->type, tensor->data + (first + row) * *rowBytes,
                    out.data() + row * length, length);
  return llvm::Error::success();
}
