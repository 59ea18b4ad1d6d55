// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that read and write rows element by element.

#include "BlockRow.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

static const char *verbOf(ElementOp op) {
  switch (op) {
  case ElementOp::Add:
    return "add";
  case ElementOp::Round:
    return "round";
  case ElementOp::Gate:
    return "gate";
  }
  llvm_unreachable("every op has a name");
}

static Val apply(KernelBuilder &k, ElementOp op, Val x, Val y) {
  switch (op) {
  case ElementOp::Add:
    return x + y;
  case ElementOp::Round:
    return x;
  case ElementOp::Gate:
    return k.gelu(x) * y;
  }
  llvm_unreachable("every op has a result");
}

KernelLaunch flow::cuda::buildElements(OpBuilder &builder,
                                       const KernelTarget &target, ElementOp op,
                                       int64_t width) {
  KernelLaunch launch;
  launch.kernel = llvm::formatv("{0}_{1}", verbOf(op), width);
  launch.threads = BlockRow::threadsFor(width);
  launch.grid = {GridSize{1, 1}, GridSize{1}, GridSize{1}};
  bool isBinary = op != ElementOp::Round, isBf16 = op != ElementOp::Add;
  SmallVector<Access> access(isBinary ? 2 : 1, Access::ReadOnly);
  access.push_back(Access::ReadWrite);
  addKernel(builder, target, launch, access,
            [&](KernelBuilder &k, const Vals &parameters) {
              Val row = k.wide(k.blockIdX());
              Val offset = row * (4 * width);
              Val x = k.at(parameters[0], offset);
              Val y = isBinary ? k.at(parameters[1], offset) : Val();
              Val result =
                  k.at(parameters.back(), row * ((isBf16 ? 2 : 4) * width));
              BlockRow rows(k, width, launch.threads);
              Vals values = rows.load(x);
              Vals others = isBinary ? rows.load(y) : values;
              for (auto [value, other] : llvm::zip(values, others))
                value = apply(k, op, value, other);
              rows.store(values, result, isBf16 ? RowType::Bf16 : RowType::F32);
            });
  return launch;
}
