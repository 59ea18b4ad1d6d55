// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds weights among the tensors of a model file.

#include "flow/Reference/FileWeights.h"

#include "Evaluator.h"

using namespace flow;

FileWeights::FileWeights(const ModelFile &file)
    : EncodedWeights(
          [&file](llvm::StringRef name) -> std::optional<EncodedTensor> {
            const ModelTensor *tensor = file.findTensor(name);
            if (!tensor)
              return std::nullopt;
            return EncodedTensor{tensor->type, tensor->data, tensor->bytes,
                                 static_cast<uint64_t>(tensor->dims.back())};
          }),
      file(file) {}

llvm::Error FileWeights::loadRows(WeightOp weight, int64_t first, int64_t rows,
                                  llvm::MutableArrayRef<float> out) {
  std::string name = tensorName(weight);
  const ModelTensor *tensor = file.findTensor(name);
  llvm::ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  auto fits = [&] {
    // Of more than two dimensions, all but the last one count rows.
    llvm::SmallVector<int64_t, 4> dims(tensor->dims);
    for (; dims.size() > 2; dims.erase(dims.begin()))
      dims[1] *= dims[0];
    std::optional<llvm::ArrayRef<int64_t>> part = weight.getPart();
    if (!part)
      return llvm::ArrayRef<int64_t>(dims) == shape;
    int64_t whole[] = {shape[0], shape[0]};
    llvm::ArrayRef<int64_t> groups = weight.getGroups().value_or(whole);
    int64_t rows = (shape[0] / groups[0] - 1) * groups[1] + groups[0];
    return dims.size() == 2 && (*part)[0] <= dims[0] - rows &&
           (*part)[1] <= dims[1] - shape[1];
  };
  if (tensor && !fits())
    return llvm::createStringError(
        "weight '" + name + "' (@" + weight.getSymName() + ") is " +
        reference::formatShape(tensor->dims) + " in " + file.path() +
        ", expected " + reference::formatShape(shape));
  return EncodedWeights::loadRows(weight, first, rows, out);
}
