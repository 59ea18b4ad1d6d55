// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes tensor maps to kernels by value.

#include "flow/Codegen/GPU/Kernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Pass/Pass.h"

using namespace mlir;
using namespace flow::cuda;

namespace {
struct PassTensorMapsByValue
    : PassWrapper<PassTensorMapsByValue, OperationPass<gpu::GPUModuleOp>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(PassTensorMapsByValue)

  StringRef getArgument() const override {
    return "flow-pass-tensor-maps-by-value";
  }

  void runOnOperation() override {
    Builder b(&getContext());
    auto bytes = LLVM::LLVMArrayType::get(b.getI8Type(), 128);
    getOperation().walk([&](LLVM::LLVMFuncOp kernel) {
      auto boxes = kernel->getAttrOfType<DenseI64ArrayAttr>(kBoxesAttrName);
      for (int64_t i = 0; boxes && i != boxes.size() / 2; ++i) {
        kernel.setArgAttr(i, LLVM::LLVMDialect::getByValAttrName(),
                          TypeAttr::get(bytes));
        kernel.setArgAttr(i, LLVM::LLVMDialect::getAlignAttrName(),
                          b.getI64IntegerAttr(64));
        // Never written, so that a copy may take its address as it is.
        kernel.setArgAttr(i, NVVM::NVVMDialect::getGridConstantAttrName(),
                          b.getUnitAttr());
      }
    });
  }
};
} // namespace

std::unique_ptr<Pass> flow::cuda::createPassTensorMapsByValue() {
  return std::make_unique<PassTensorMapsByValue>();
}
