// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels that read and write rows element by element.

#include "KernelFunction.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

/// Threads of a block, which has a row.
static constexpr int64_t kThreads = 128;

static const char *nameOf(ElementOp op) {
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
  launch.kernel = llvm::formatv("{0}_{1}", nameOf(op), width);
  launch.threads = kThreads;
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
              k.loop(k.threadId() * 4, k.i32(width), 4 * kThreads, {},
                     [&](Val column, const Vals &) {
                       Val at = k.wide(column << 2);
                       Vals values = k.load4(k.getF32Type(), k.at(x, at));
                       Vals others = isBinary
                                         ? k.load4(k.getF32Type(), k.at(y, at))
                                         : Vals(4);
                       for (auto [value, other] : llvm::zip(values, others))
                         value = apply(k, op, value, other);
                       if (isBf16)
                         k.store2(k.packBf16(values[0], values[1]),
                                  k.packBf16(values[2], values[3]),
                                  k.at(result, k.wide(column << 1)));
                       else
                         k.store4(values, k.at(result, at));
                       return Vals();
                     });
            });
  return launch;
}
