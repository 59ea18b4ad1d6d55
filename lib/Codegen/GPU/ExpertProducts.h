// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The products of experts, and what goes around those of many rows.

#ifndef FLOW_LIB_CODEGEN_GPU_EXPERTPRODUCTS_H
#define FLOW_LIB_CODEGEN_GPU_EXPERTPRODUCTS_H

#include "KernelFunction.h"
#include "flow/Codegen/GPU/ExpertKernels.h"

namespace flow::cuda {

/// The product of an expert's rows by its gates and ups, and the one behind.
Product gatesOf(const ExpertMlp &mlp);
Product downOf(const ExpertMlp &mlp);

/// Sorts the choices of rows by expert.
KernelLaunch buildExpertOrder(mlir::OpBuilder &builder,
                              const KernelTarget &target, const ExpertMlp &mlp);

/// `product` with the weights of its expert for each choice in `order`. Row i
/// of the result is that of choice i, as the row of x is if `hasOwnRows` is
/// set; otherwise all choices of a row of the step have one row of x.
/// Parameters: x, weights, order, bounds, result.
KernelLaunch buildExpertRowsProduct(mlir::OpBuilder &builder,
                                    const KernelTarget &target,
                                    const ExpertMlp &mlp,
                                    const Product &product, bool hasOwnRows);

/// The sum of each row's results by their shares.
KernelLaunch buildExpertSum(mlir::OpBuilder &builder,
                            const KernelTarget &target, const ExpertMlp &mlp);

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_EXPERTPRODUCTS_H
