// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

// Weights of products are row-major bf16, once however many stages read them;
// rows before products are bf16.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @norm : tensor<64xf32>
  flow.weight @gate_up : tensor<256x64xf32>
  flow.weight @down : tensor<64x128xf32>
}

// CHECK-LABEL: func.func @many_rows
// CHECK-SAME: (%[[TOKENS:.*]]: tensor<?xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @many_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x512xf32> {
  // CHECK-DAG: %[[DOWN:.*]] = flow.weight_ref @tiny::@down : tensor<64x128xbf16>
  // CHECK-DAG: %[[GATE_UP:.*]] = flow.weight_ref @tiny::@gate_up : tensor<256x64xbf16>
  // CHECK-DAG: %[[SCALE:.*]] = flow.weight_ref @tiny::@norm : tensor<64xf32>
  // CHECK-DAG: %[[TABLE:.*]] = flow.weight_ref @tiny::@embedding : tensor<512x64xbf16>
  // CHECK-NOT: flow.weight_ref
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@embed_64_41000000(%[[TOKENS]], %[[TABLE]]) grid [rows, 1, 1] threads 128 : (tensor<?xi32>, tensor<512x64xbf16>) -> tensor<?x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  %s = flow.weight_ref @tiny::@norm : tensor<64xf32>
  // CHECK: %[[N:.*]] = flow.launch @kernels::@norm_64_358637bd_weighted_bf16(%[[X]], %[[SCALE]]) grid [rows, 1, 1] threads 128 shared 16 : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xbf16>
  %n = flow.rms_norm %x scale %s : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %gu = flow.weight_ref @tiny::@gate_up : tensor<256x64xf32, #flow.panels<bf16>>
  %d = flow.weight_ref @tiny::@down : tensor<64x128xf32, #flow.panels<bf16>>
  // CHECK: %[[H:.*]] = flow.launch @kernels::@rows_product_256x64_gated(%[[N]], %[[GATE_UP]]) step(%[[START]], %[[ROWS]]) grid [2, rows per 128, 1] threads 128 shared 49152 : (tensor<?x64xbf16>, tensor<256x64xbf16>) -> tensor<?x128xbf16>
  // CHECK: %[[M:.*]] = flow.launch @kernels::@rows_product_64x128_f32(%[[H]], %[[DOWN]])
  %m = flow.gated_mlp %n, %gu, %d hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>, tensor<256x64xf32, #flow.panels<bf16>>, tensor<64x128xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  // CHECK: %[[SUM:.*]]:2 = flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16(%[[X]], %[[M]], %[[SCALE]]) grid [rows, 1, 1] threads 128 shared 32 : (tensor<?x64xf32>, tensor<?x64xf32>, tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xbf16>)
  %sum, %normed = flow.add_rms_norm %x, %m scale %s : tensor<?x64xf32>, tensor<64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %h = flow.weight_ref @tiny::@embedding : tensor<512x64xf32, #flow.panels<bf16>>
  // CHECK: %[[L:.*]] = flow.launch @kernels::@rows_product_512x64_cap41f00000(%[[SUM]]#1, %[[TABLE]])
  %l = flow.lm_head %normed, %h softcap 3.0e+01 : tensor<?x64xf32, #flow.bf16_rows>, tensor<512x64xf32, #flow.panels<bf16>> -> tensor<?x512xf32>
  // CHECK: return %[[L]]
  return %l : tensor<?x512xf32>
}

// A single row streams the weights, and its grid is known.
// CHECK-LABEL: func.func @one_row
func.func @one_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x256xf32> {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: flow.launch @kernels::@embed_64_41000000({{.*}}) grid [1, 1, 1]
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  // CHECK: flow.launch @kernels::@norm_64_358637bd_bf16({{.*}}) grid [1, 1, 1]
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %w = flow.weight_ref @tiny::@gate_up : tensor<256x64xf32, #flow.panels<bf16>>
  // CHECK: flow.launch @kernels::@vector_product_256x64_f32({{.*}}) grid [64, 1, 1] threads 128 shared 16384 : (tensor<1x64xbf16>, tensor<256x64xbf16>) -> tensor<1x256xf32>
  %y = flow.linear %n, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<256x64xf32, #flow.panels<bf16>> -> tensor<1x256xf32>
  return %y : tensor<1x256xf32>
}

// One module holds the kernels of all steps, each of them once.
// CHECK: gpu.module @kernels
// CHECK: gpu.func @embed_64_41000000(
// CHECK-NOT: gpu.func @embed
// CHECK: gpu.func @rows_product_256x64_gated(%{{.*}}: !llvm.ptr<1> {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr<1> {llvm.noalias, llvm.readonly}, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1> {llvm.noalias, llvm.readonly}) kernel attributes {known_block_size = array<i32: 128, 1, 1>, nvvm.minctasm = 2 : i32}
// CHECK: gpu.func @vector_product_256x64_f32(
