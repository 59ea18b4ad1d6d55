// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The pass that lowers steps to kernels and their launches.

#include "flow/Conversion/Passes.h"

#include "StepLowering.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;
using namespace flow;

namespace flow {
#define GEN_PASS_DEF_CONVERTFLOWTOGPU
#include "flow/Conversion/Passes.h.inc"
} // namespace flow

namespace {
struct ConvertFlowToGpu : flow::impl::ConvertFlowToGpuBase<ConvertFlowToGpu> {
  using ConvertFlowToGpuBase::ConvertFlowToGpuBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module.lookupSymbol<gpu::GPUModuleOp>(kKernels);
    if (!kernels) {
      OpBuilder b(&getContext());
      b.setInsertionPointToEnd(module.getBody());
      kernels = gpu::GPUModuleOp::create(b, module.getLoc(), kKernels);
      module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                      b.getUnitAttr());
    }
    cuda::KernelTarget target{kernels, sharedMemory, warpgroups};
    for (auto function : module.getOps<func::FuncOp>()) {
      if (function.isExternal())
        continue;
      if (!llvm::is_contained({3, 4}, function.getNumArguments()) ||
          !function.getBody().hasOneBlock()) {
        function.emitOpError("is no step: it must have tokens, start and rows, "
                             "and may have spans");
        return signalPassFailure();
      }
      if (failed(StepLowering(function, target).run()))
        return signalPassFailure();
    }
  }
};
} // namespace
