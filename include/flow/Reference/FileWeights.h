// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The weights of a model file, for the reference interpreter.

#ifndef FLOW_REFERENCE_FILEWEIGHTS_H
#define FLOW_REFERENCE_FILEWEIGHTS_H

#include "flow/Import/ModelFile.h"
#include "flow/Reference/WeightProvider.h"

namespace flow {

/// Decodes the tensors of a model file. What is decoded is kept by the
/// interpreter, not here, so a table of which only some rows are read costs
/// only those rows.
class FileWeights : public EncodedWeights {
public:
  /// `file` must outlive the provider.
  explicit FileWeights(const ModelFile &file);

  /// As in `EncodedWeights`; moreover the tensor's dimensions must be those of
  /// the weight's type, which its size alone does not show.
  llvm::Error loadRows(WeightOp weight, int64_t first, int64_t rows,
                       llvm::MutableArrayRef<float> out) override;

private:
  const ModelFile &file;
};

} // namespace flow

#endif // FLOW_REFERENCE_FILEWEIGHTS_H
