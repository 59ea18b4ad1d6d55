// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The recipes of the sources as small models to run, with random weights.

#ifndef FLOW_TEST_COMPILER_TESTWEIGHTS_H
#define FLOW_TEST_COMPILER_TESTWEIGHTS_H

#include "../Runtime/TestTensors.h"
#include "TestRecipes.h"

#include "flow/IR/FlowOps.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Regex.h"

#include <cmath>
#include <map>
#include <random>

namespace flow {

/// The recipe in a file of the sources, with windows of 16 instead of its own.
inline std::string recipeOf(llvm::StringRef path) {
  auto file =
      llvm::MemoryBuffer::getFile((FLOW_SOURCE_DIR "/" + path + ".mlir").str());
  if (!file) {
    ADD_FAILURE() << path.str() << ": " << file.getError().message();
    return "";
  }
  llvm::StringRef rest = (*file)->getBuffer();
  std::string text;
  llvm::Regex window("window = [0-9]+");
  for (llvm::SmallVector<llvm::StringRef> found; window.match(rest, &found);) {
    auto [before, after] = rest.split(found[0]);
    text += before.str() + "window = 16";
    rest = after;
  }
  return text + rest.str();
}

/// Where in its file a weight is: its tensor, as large as what is read of it.
struct FileTensor {
  int64_t rows = 0, cols = 0;
};

/// Random weights for all that `module` names, of the size of trained ones:
/// each stage keeps the scale of its input.
inline runtime::TestTensors randomWeights(mlir::ModuleOp module) {
  std::map<std::string, FileTensor> sizes;
  module.walk([&](WeightOp weight) {
    std::string name = weight.getSymName().str();
    if (auto layer = llvm::dyn_cast<LayerOp>(weight->getParentOp()))
      name = (layer.getSymName() + "." + name).str();
    if (std::optional<llvm::StringRef> from = weight.getFrom())
      name = from->str();
    llvm::ArrayRef<int64_t> shape = weight.getTensorType().getShape();
    int64_t rows = shape.size() == 2 ? shape[0] : 1, cols = shape.back();
    if (std::optional<llvm::ArrayRef<int64_t>> part = weight.getPart()) {
      rows += part->front();
      cols += part->back();
    }
    FileTensor &size = sizes[name];
    size.rows = std::max(size.rows, rows);
    size.cols = std::max(size.cols, cols);
  });
  runtime::TestTensors tensors;
  std::mt19937 random(7);
  for (const auto &[name, size] : sizes) {
    std::vector<float> values;
    for (int64_t i = 0; i != size.rows * size.cols; ++i) {
      float unit = static_cast<float>(random()) * 0x1p-31f - 1;
      values.push_back(
          size.rows == 1 ? 1 + unit / 4
                         : unit * std::sqrt(3 / static_cast<float>(size.cols)));
    }
    tensors.add(name, size.rows, size.cols, values);
  }
  return tensors;
}

} // namespace flow

#endif // FLOW_TEST_COMPILER_TESTWEIGHTS_H
