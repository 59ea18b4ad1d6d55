// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Named phases of a compilation and the pipelines between them.

#ifndef FLOW_PIPELINES_PIPELINES_H
#define FLOW_PIPELINES_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace flow {

/// Where a compilation can stop; the names are those of `--emit`.
enum class Phase { Recipe, Flow, Linalg, Llvm };

/// What the passes of a pipeline need to know.
struct PipelineOptions : mlir::PassPipelineOptions<PipelineOptions> {
  Option<std::string> step{
      *this, "phase",
      llvm::cl::desc("which function to make: prefill, decode, verify, batch "
                     "or batch_decode"),
      llvm::cl::init("prefill")};
  Option<std::string> logits{
      *this, "logits",
      llvm::cl::desc("logits of which rows: last, all or none"),
      llvm::cl::init("last")};
  Option<int64_t> topK{
      *this, "top-k",
      llvm::cl::desc("end with so many of the largest logits and their tokens; "
                     "0 = with logits"),
      llvm::cl::init(0)};
  Option<std::string> numerics{
      *this, "numerics",
      llvm::cl::desc("arithmetic of products: auto, f32, bf16 or int8"),
      llvm::cl::init("auto")};
  Option<bool> weightBlocks{
      *this, "weight-blocks",
      llvm::cl::desc("keep integer blocks of weights beside rows of bf16, as "
                     "kernels of a GPU multiply them"),
      llvm::cl::init(false)};
  Option<std::string> cacheType{
      *this, "cache-type",
      llvm::cl::desc(
          "what caches that do not say keep keys and values as: f32, "
          "bf16 or f16"),
      llvm::cl::init("f32")};
  Option<int64_t> context{
      *this, "context",
      llvm::cl::desc("largest number of positions; 0 = the model's"),
      llvm::cl::init(0)};
  Option<int64_t> chunk{*this, "chunk",
                        llvm::cl::desc("rows of a prefill step"),
                        llvm::cl::init(512)};
  Option<std::string> isa{
      *this, "isa",
      llvm::cl::desc(
          "dot instructions: vnni, avx512, vnni256, avx2 or generic; "
          "i8mm, dotprod or neon of AArch64"),
      llvm::cl::init("generic")};
  Option<bool> bf16{*this, "bf16", llvm::cl::desc("the target multiplies bf16"),
                    llvm::cl::init(false)};
  Option<bool> amx{*this, "amx", llvm::cl::desc("the target has AMX tiles"),
                   llvm::cl::init(false)};
  Option<bool> shareLayers{
      *this, "share-layers",
      llvm::cl::desc("make one function of the layers of a class"),
      llvm::cl::init(true)};
  Option<int64_t> sharedMemory{
      *this, "shared-memory",
      llvm::cl::desc("bytes of a GPU's shared memory that a block may ask for"),
      llvm::cl::init(101376)};
  Option<bool> warpgroups{*this, "warpgroups",
                          llvm::cl::desc("a GPU multiplies by wgmma"),
                          llvm::cl::init(false)};
  Option<bool> avx512{*this, "avx512",
                      llvm::cl::desc("size tiles for 32 wide registers"),
                      llvm::cl::init(false)};
};

/// recipe → flow: expands layers for one step, and what `buildFusionPipeline`
/// does.
void buildStagesPipeline(mlir::OpPassManager &pm,
                         const PipelineOptions &options);

/// stages → flow: chooses masks, fuses, plans numerics, caches and layouts, and
/// shares layer classes. For steps that were not expanded from recipes, such as
/// those that `GemmaLayerBuilder` made; `phase`, `logits` and `top-k` say
/// nothing here.
void buildFusionPipeline(mlir::OpPassManager &pm,
                         const PipelineOptions &options);

/// flow → linalg: leaves the flow dialect.
void buildLinalgPipeline(mlir::OpPassManager &pm,
                         const PipelineOptions &options);

/// linalg → llvm: tiles, bufferizes, contracts, outlines, lowers.
void buildCpuPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);

/// flow → gpu: leaves the flow dialect, for kernels and their launches. Layers
/// must not be shared.
void buildGpuPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);

/// gpu → nvvm: lowers the bodies of all kernels of the `gpu.module`s to the
/// LLVM dialect.
void buildNvvmPipeline(mlir::OpPassManager &pm, const PipelineOptions &options);

/// Registers them as `flow-stages`, `flow-fuse-stages`, `flow-linalg`,
/// `flow-cpu`, `flow-gpu` and `flow-nvvm`, and those from recipes to a CPU in a
/// row as `flow-compile-cpu`.
void registerAllPipelines();

} // namespace flow

#endif // FLOW_PIPELINES_PIPELINES_H
