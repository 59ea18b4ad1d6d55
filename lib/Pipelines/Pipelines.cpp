// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds the pipelines between the phases.

#include "flow/Pipelines/Pipelines.h"

#include "flow/Codegen/CPU/Passes.h"
#include "flow/Codegen/GPU/Kernels.h"
#include "flow/Conversion/Passes.h"
#include "flow/Transforms/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Bufferization/Pipelines/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace flow;

void flow::buildStagesPipeline(OpPassManager &pm,
                               const PipelineOptions &options) {
  pm.addPass(createVerifyPhase({"recipe"}));
  pm.addPass(createExpandLayers(
      {options.step, options.logits, options.topK, options.cacheType}));
  buildFusionPipeline(pm, options);
}

void flow::buildFusionPipeline(OpPassManager &pm,
                               const PipelineOptions &options) {
  pm.addPass(createVerifyPhase({"stages"}));
  pm.addPass(createFoldWeights());
  // Keys and values are made for all rows, queries with them in one product;
  // what follows the last attention is then cut down to the row that is read.
  pm.addPass(createFuseQkv());
  pm.addPass(createSliceLastToken());
  pm.addPass(createSelectMasks({/*block=*/32, options.context}));
  pm.addPass(createFusePerLayerGate());
  pm.addPass(createFuseGatedMlp());
  pm.addPass(createFuseExperts());
  pm.addPass(createFuseRouter());
  pm.addPass(createFuseHeadTopK());
  pm.addPass(createFuseAddNorm());
  pm.addPass(createPlanNumerics({options.numerics}));
  pm.addPass(createPlanCache({options.chunk, options.context}));
  ChooseLayoutsOptions layouts;
  layouts.weightBlocks = options.weightBlocks;
  pm.addPass(createChooseLayouts(layouts));
  pm.addPass(createCSEPass());
  pm.addPass(createFuseNormQuantize());
  pm.addPass(createVerifyPhase({"fused"}));
  if (!options.shareLayers)
    return;
  pm.addPass(createShareLayers());
  pm.addPass(createVerifyPhase({"shared"}));
}

/// True of a step whose rows may be of any number rather than whole tiles.
static bool hasAnyRows(const PipelineOptions &options) {
  return options.step == "batch_decode" || options.step == "verify";
}

static bool isAArch64(const PipelineOptions &options) {
  return llvm::is_contained({"i8mm", "dotprod", "neon"},
                            llvm::StringRef(options.isa));
}

namespace {
/// Rows and columns of the tiles whose sums fit into registers.
struct TargetTiles {
  int64_t rowsF32, columnsF32, rowsBf16, columnsBf16, rowsI8, columnsI8,
      rowsNarrow, columnsNarrow;

  /// 32 registers of 16 lanes hold 12 x 2 sums of f32, or 6 x 2 of i32 beside 6
  /// x 2 of f32. 16 registers hold 6 x 2 sums beside weights and a row's value,
  /// or 4 x 2 where a register of weights becomes two, or 3 x 2 of i32 beside 3
  /// x 2 of f32. Without dot products of bytes, eight registers have the
  /// weights of a block, of as many columns as that gives, and 12 rows come one
  /// by one. 32 registers of 4 lanes hold 4 x 4 sums beside weights and the
  /// lanes of 4 rows, and of bytes 6 x 2 sums beside 8 registers of weights.
  static TargetTiles of(const PipelineOptions &options) {
    if (isAArch64(options))
      return {4, 16, 4, 16, 6, 8, 6, 8};
    if (options.isa == "vnni")
      return {12, 32, 12, 32, 6, 32, 6, 32};
    if (options.avx512)
      return {12, 32, 12, 32, 12, 16, 12, 32};
    if (options.isa == "vnni256")
      return {6, 16, 4, 16, 3, 16, 3, 16};
    if (options.isa == "avx2")
      return {6, 16, 4, 16, 12, 8, 12, 16};
    return {6, 8, 4, 8, 1, 32, 1, 32};
  }
};
} // namespace

void flow::buildLinalgPipeline(OpPassManager &pm,
                               const PipelineOptions &options) {
  TargetTiles tiles = TargetTiles::of(options);
  ConvertFlowToLinalgOptions lowering;
  lowering.tileRows = tiles.rowsF32;
  lowering.tileColumns = tiles.columnsF32;
  // None is added to make tiles whole: not to experts, which have few rows
  // each, nor to the tokens that attend together.
  if (hasAnyRows(options))
    lowering.rowUnit = 1;
  pm.addPass(createConvertFlowToLinalg(lowering));
}

void flow::buildCpuPipeline(OpPassManager &pm, const PipelineOptions &options) {
  TargetTiles tiles = TargetTiles::of(options);
  bool hasByteDots = options.isa == "vnni" || options.isa == "vnni256" ||
                     options.isa == "generic" || isAArch64(options);
  TileContractionsOptions tiling{tiles.rowsF32,
                                 tiles.columnsF32,
                                 tiles.rowsBf16,
                                 tiles.columnsBf16,
                                 tiles.rowsI8,
                                 tiles.columnsI8,
                                 tiles.rowsNarrow,
                                 tiles.columnsNarrow,
                                 /*widenBf16=*/!options.bf16,
                                 /*widenI8=*/!hasByteDots,
                                 /*rowLanes=*/isAArch64(options),
                                 /*signedI8=*/options.isa == "dotprod"};
  tiling.amx = options.amx;
  if (hasAnyRows(options)) {
    // Sequences that decode together and drafts are few rows, often a power of
    // two: of smaller tiles fewer rows are left over. Bytes without dot
    // products have none left over.
    constexpr int64_t kFewRows = 4;
    llvm::SmallVector<int64_t *> leaving{&tiling.rowsF32, &tiling.rowsBf16};
    if (hasByteDots)
      leaving.append({&tiling.rowsI8, &tiling.rowsNarrow});
    for (int64_t *rows : leaving)
      *rows = std::min(*rows, kFewRows);
    tiling.rowUnit = 1;
  }
  pm.addNestedPass<func::FuncOp>(createTileContractions(tiling));
  // Results find their buffers while loops over one row are still loops, and
  // empty tensors become allocations before CSE can make one of two.
  pm.addPass(bufferization::createEmptyTensorEliminationPass());
  pm.addPass(bufferization::createEmptyTensorToAllocTensorPass());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());

  pm.addPass(bufferization::createOneShotBufferizePass());
  // Two slices of one piece are one after CSE, and then a copy is a self copy.
  pm.addPass(createCSEPass());
  pm.addPass(createCanonicalizerPass());
  pm.addNestedPass<func::FuncOp>(createVerifyBuffers());
  bufferization::buildBufferDeallocationPipeline(pm);

  pm.addPass(createOutlineParallel());
  if (options.amx)
    pm.addPass(createAmxTiles());
  if (isAArch64(options))
    pm.addPass(createAArch64Contract({options.isa, options.bf16}));
  else
    pm.addPass(createX86Contract({options.isa, options.bf16}));
  pm.addPass(createExpandMath());

  pm.addPass(createConvertVectorToSCFPass(
      VectorTransferToSCFOptions().enableFullUnroll()));
  pm.addPass(createSCFToControlFlowPass());
  pm.addPass(memref::createExpandStridedMetadataPass());
  pm.addPass(createLowerAffinePass());
  pm.addPass(createConvertVectorToLLVMPass());
  pm.addPass(createConvertMathToLLVMPass());
  pm.addPass(createFinalizeMemRefToLLVMConversionPass());
  pm.addPass(createArithToLLVMConversionPass());
  pm.addPass(createConvertIndexToLLVMPass());
  pm.addPass(createConvertControlFlowToLLVMPass());
  pm.addPass(createConvertFuncToLLVMPass());
  pm.addPass(createUBToLLVMConversionPass());
  pm.addPass(createReconcileUnrealizedCastsPass());
}

void flow::buildGpuPipeline(OpPassManager &pm, const PipelineOptions &options) {
  pm.addPass(
      createConvertFlowToGpu({options.sharedMemory, options.warpgroups}));
}

void flow::buildNvvmPipeline(OpPassManager &pm, const PipelineOptions &) {
  OpPassManager &kernels = pm.nest<gpu::GPUModuleOp>();
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createConvertGpuOpsToNVVMOps());
  kernels.addPass(cuda::createPassTensorMapsByValue());
  kernels.addPass(createConvertNVVMToLLVMPass());
  kernels.addPass(createReconcileUnrealizedCastsPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
}

void flow::registerAllPipelines() {
  PassPipelineRegistration<PipelineOptions>(
      "flow-stages", "recipe to flow: the stages of one step, fused and shared",
      buildStagesPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "flow-fuse-stages", "stages to flow: those of one step, fused and shared",
      buildFusionPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "flow-linalg", "flow to linalg on packed tensors", buildLinalgPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "flow-cpu", "linalg to the LLVM dialect for a CPU", buildCpuPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "flow-gpu", "flow to kernels and their launches", buildGpuPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "flow-nvvm", "kernels to the LLVM dialect", buildNvvmPipeline);
  PassPipelineRegistration<PipelineOptions>(
      "flow-compile-cpu", "recipe to the LLVM dialect for a CPU",
      [](OpPassManager &pm, const PipelineOptions &options) {
        buildStagesPipeline(pm, options);
        buildLinalgPipeline(pm, options);
        buildCpuPipeline(pm, options);
      });
}
