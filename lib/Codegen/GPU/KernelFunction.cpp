// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Makes the function of a kernel and the shared memory of its module.

#include "KernelFunction.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace flow::cuda;

/// Declares the dynamic shared memory of the kernels in `module`. Where tiles
/// that tensor maps fetch begin, the pattern of their swizzle must, too.
static void declareSharedMemory(OpBuilder &builder, gpu::GPUModuleOp module) {
  if (module.lookupSymbol(kSharedMemorySymbol))
    return;
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(module.getBody());
  LLVM::GlobalOp::create(builder, module.getLoc(),
                         LLVM::LLVMArrayType::get(builder.getI8Type(), 0),
                         /*isConstant=*/false, LLVM::Linkage::External,
                         kSharedMemorySymbol, Attribute(),
                         /*alignment=*/1024, kSharedSpace);
}

void flow::cuda::addKernel(OpBuilder &builder, const KernelTarget &target,
                           const KernelLaunch &launch,
                           ArrayRef<Access> parameters, KernelBody body) {
  gpu::GPUModuleOp module = target.module;
  if (module.lookupSymbol(launch.kernel))
    return;
  declareSharedMemory(builder, module);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext(), kGlobalSpace);
  SmallVector<Type> types;
  for (Access access : parameters)
    types.push_back(access == Access::Scalar ? Type(builder.getI32Type())
                    : access == Access::TensorMap
                        ? LLVM::LLVMPointerType::get(builder.getContext())
                        : pointer);
  auto function =
      gpu::GPUFuncOp::create(builder, module.getLoc(), launch.kernel,
                             builder.getFunctionType(types, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(),
                    builder.getUnitAttr());
  function.setKnownBlockSizeAttr(builder.getDenseI32ArrayAttr(
      {static_cast<int32_t>(launch.threads), 1, 1}));
  function->setAttr(
      NVVM::NVVMDialect::getMinctasmAttrName(),
      builder.getI32IntegerAttr(static_cast<int32_t>(launch.blocksOfSm)));
  SmallVector<int64_t> boxes;
  for (const Box &box : launch.boxes)
    boxes.append({box.rows, box.columns});
  if (!boxes.empty())
    function->setAttr(kBoxesAttrName, builder.getDenseI64ArrayAttr(boxes));
  for (auto [i, access] : llvm::enumerate(parameters))
    if (access == Access::ReadOnly) {
      function.setArgAttr(i, LLVM::LLVMDialect::getNoAliasAttrName(),
                          builder.getUnitAttr());
      function.setArgAttr(i, LLVM::LLVMDialect::getReadonlyAttrName(),
                          builder.getUnitAttr());
    }
  builder.setInsertionPointToStart(&function.getBody().front());
  KernelBuilder k(module.getLoc(), builder);
  Vals arguments;
  for (Value argument : function.getArguments())
    arguments.push_back(k.wrap(argument));
  body(k, arguments);
  gpu::ReturnOp::create(k);
}

/// Declares what the target's module has in global memory; gives its address.
static Val addGlobal(KernelBuilder &k, const KernelTarget &target,
                     StringRef name, bool isConstant, DenseElementsAttr value) {
  Type element = value.getElementType();
  {
    OpBuilder::InsertionGuard guard(k);
    gpu::GPUModuleOp module = target.module;
    k.setInsertionPointToStart(module.getBody());
    LLVM::GlobalOp::create(
        k, LLVM::LLVMArrayType::get(element, value.getNumElements()),
        isConstant, LLVM::Linkage::Internal, name, value,
        /*alignment=*/element.getIntOrFloatBitWidth() / 8, kGlobalSpace);
  }
  return k.wrap(LLVM::AddressOfOp::create(
      k, LLVM::LLVMPointerType::get(k.getContext(), kGlobalSpace), name));
}

Val flow::cuda::addConstants(KernelBuilder &k, const KernelTarget &target,
                             llvm::StringRef name, ArrayRef<double> numbers) {
  auto type = RankedTensorType::get(static_cast<int64_t>(numbers.size()),
                                    k.getF64Type());
  return addGlobal(k, target, name, /*isConstant=*/true,
                   DenseElementsAttr::get(type, numbers));
}

Val flow::cuda::addCounters(KernelBuilder &k, const KernelTarget &target,
                            llvm::StringRef name, int64_t count) {
  return addGlobal(
      k, target, name, /*isConstant=*/false,
      DenseElementsAttr::get(RankedTensorType::get(count, k.getI32Type()),
                             int32_t(0)));
}

std::string flow::cuda::bitsOf(double number) {
  return llvm::utohexstr(llvm::bit_cast<uint32_t>(static_cast<float>(number)),
                         /*LowerCase=*/true);
}

Val flow::cuda::loadStep(KernelBuilder &k, Val step, StepField field) {
  return k.loadI32(k.at(step, 4 * static_cast<int64_t>(field)));
}
