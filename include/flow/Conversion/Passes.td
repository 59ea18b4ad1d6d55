// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Passes that leave the flow dialect.

#ifndef FLOW_CONVERSION_PASSES_TD
#define FLOW_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertFlowToLinalg : Pass<"convert-flow-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Lower stages to linalg and scf on packed tensors";
  let description = [{
    Every function of stages becomes an entry point for the runtime:

    - the first argument is the runtime context (`!llvm.ptr`);
    - each tensor argument becomes one buffer for each part of its layout: a
      plain tensor one, `f32` panels one, `i8` panels quants, scales and (with
      `min`) minima, key caches `[K, C/32, D, 32]`, value caches `[K, C, D]`;
      scalars stay;
    - each result that is no cache becomes a buffer to write to, after the
      arguments; caches are updated in place.

    Products become `linalg.generic` on the packed tensors, which the CPU
    strategy tiles. Rows, heads and attention become `scf.forall` over vectors.
    Functions that hold `flow.weight_ref`, `flow.cache_ref`, `flow.embed` or
    `flow.rope_angles` are the schedule, which the runtime executes from the
    plan: they and `flow.model` are removed.

    Example:

    ```mlir
    // Before
    func.func @f(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<f32>>) -> tensor<?x128xf32> {
      %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
      return %y : tensor<?x128xf32>
    }
    // After
    func.func @f(%context: !llvm.ptr, %x: memref<?x64xf32>, %w: memref<4x64x32xf32>, %y: memref<?x128xf32>) {
      // linalg.generic on tensor<?x64xf32>, tensor<4x64x32xf32>
    }
    ```

    Refuses with an error at the op: a stage that has no lowering, a product
    whose weight has no layout, attention without a cache, head sizes that are
    no multiple of 32.
  }];
  let options = [
    Option<"tileRows", "tile-rows", "int64_t", "12",
           "rows of attention whose sums the target keeps in registers">,
    Option<"tileColumns", "tile-columns", "int64_t", "32",
           "and f32 columns of each of them">,
    Option<"rowUnit", "row-unit", "int64_t", "12",
           "what the rows of a step are a multiple of if they are several">
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect",
    "::mlir::bufferization::BufferizationDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect",
    "::mlir::vector::VectorDialect"];
}

def ConvertFlowToGpu : Pass<"convert-flow-to-gpu", "::mlir::ModuleOp"> {
  let summary = "Lower the stages of a step to kernels and their launches";
  let description = [{
    Every stage of a step becomes one or a few `flow.launch`, and the kernels
    that they launch stand in the `gpu.module` `@kernels`. Tensors become what
    lies in memory: rows in `#flow.bf16_rows` and weights in `bf16` panels are
    row-major tensors of bf16. Weights in `#flow.weight_blocks` stay what they
    are, also where `flow.embed` looks up their rows. Steps of one row multiply by
    streams of weights and share the keys of that row between blocks; steps of any
    number of rows use tensor cores for both.

    Example:

    ```mlir
    // Before
    func.func @f(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x128xf32> {
      %x = ... : tensor<?x64xf32, #flow.bf16_rows>
      %w = flow.weight_ref @m::@w : tensor<128x64xf32, #flow.panels<bf16>>
      %y = flow.linear %x, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
      return %y : tensor<?x128xf32>
    }
    // After
    func.func @f(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x128xf32> {
      %x = ... : tensor<?x64xbf16>
      %w = flow.weight_ref @m::@w : tensor<128x64xbf16>
      %y = flow.launch @kernels::@rows_product_128x64_f32(%x, %w) step(%start, %rows) grid [1, rows per 128, 1] threads 128 shared 49152 : (tensor<?x64xbf16>, tensor<128x64xbf16>) -> tensor<?x128xf32>
      return %y : tensor<?x128xf32>
    }
    ```

    Refuses with an error at the op: a stage that has no kernel, a product of
    other than bf16 and blocks, a cache of other than bf16, sizes that a kernel has
    no tiles for.
  }];
  let options = [
    Option<"sharedMemory", "shared-memory", "int64_t", "101376",
           "bytes of shared memory that a block may ask for">,
    Option<"warpgroups", "warpgroups", "bool", "false",
           "multiply rows and attend by wgmma, on tiles of tensor maps">
  ];
  let dependentDialects = ["::flow::FlowDialect", "::mlir::arith::ArithDialect",
    "::mlir::gpu::GPUDialect", "::mlir::LLVM::LLVMDialect",
    "::mlir::NVVM::NVVMDialect", "::mlir::scf::SCFDialect"];
}

#endif // FLOW_CONVERSION_PASSES_TD
