// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

// Weights in blocks stay as they are: one reference serves the lookup of rows
// and the products of one row and of many.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @w : tensor<256x64xf32> storage q4_1
}

// CHECK-LABEL: func.func @many_rows
func.func @many_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x512xf32> {
  // CHECK: %[[TABLE:.*]] = flow.weight_ref @tiny::@embedding : tensor<512x64xf32, #flow.weight_blocks<bits = 8>>
  // CHECK-NOT: flow.weight_ref
  %e = flow.weight_ref @tiny::@embedding : tensor<512x64xf32, #flow.weight_blocks<bits = 8>>
  // CHECK: flow.launch @kernels::@embed_64_q8_41000000_of_512(%{{.*}}, %[[TABLE]])
  %x = flow.embed %tokens, %e scale 8.0 : tensor<?xi32>, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> -> tensor<?x64xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  // CHECK: flow.launch @kernels::@rows_product_512x64_q8_f32(%{{.*}}, %[[TABLE]]) step({{.*}}) grid [4, rows per 128, 1] threads 128 shared 38400
  %l = flow.lm_head %n, %e : tensor<?x64xf32, #flow.bf16_rows>, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> -> tensor<?x512xf32>
  return %l : tensor<?x512xf32>
}

// CHECK-LABEL: func.func @one_row
func.func @one_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x256xf32> {
  %e = flow.weight_ref @tiny::@embedding : tensor<512x64xf32, #flow.weight_blocks<bits = 8>>
  %x = flow.embed %tokens, %e scale 8.0 : tensor<1xi32>, tensor<512x64xf32, #flow.weight_blocks<bits = 8>> -> tensor<1x64xf32>
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %w = flow.weight_ref @tiny::@w : tensor<256x64xf32, #flow.weight_blocks<bits = 4, min = true>>
  // CHECK: flow.launch @kernels::@vector_product_256x64_q4_min_f32
  %y = flow.linear %n, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<256x64xf32, #flow.weight_blocks<bits = 4, min = true>> -> tensor<1x256xf32>
  return %y : tensor<1x256xf32>
}
