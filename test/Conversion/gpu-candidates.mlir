// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 8192, positions = 256> {
  flow.weight @embedding : tensor<8192x64xf32>
  flow.weight @short : tensor<512x64xf32>
}

// Two blocks of the vocabulary leave their largest logits, of which another
// block chooses.
// CHECK-LABEL: func.func @of_two_pieces
func.func @of_two_pieces(%tokens: tensor<1xi32>, %start: index, %rows: index) -> (tensor<1x64xf32>, tensor<1x64xi32>) {
  %table = flow.weight_ref @tiny::@embedding : tensor<8192x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<8192x64xf32> -> tensor<1x64xf32>
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %w = flow.weight_ref @tiny::@embedding : tensor<8192x64xf32, #flow.panels<bf16>>
  // CHECK: %[[LOGITS:.*]] = flow.launch @kernels::@vector_product_8192x64_cap{{.*}} -> tensor<1x8192xf32>
  // CHECK: %[[LEFT:.*]] = flow.launch @kernels::@top_64_of_8192_parts(%[[LOGITS]]) grid [2, 1, 1] threads 512 shared 32768 : (tensor<1x8192xf32>) -> tensor<256xi32>
  // CHECK: %[[BEST:.*]]:2 = flow.launch @kernels::@top_64_of_128_keys(%[[LEFT]], %[[LOGITS]]) grid [1, 1, 1] threads 64 shared 1024 : (tensor<256xi32>, tensor<1x8192xf32>) -> (tensor<1x64xf32>, tensor<1x64xi32>)
  %v, %i = flow.lm_head_top_k %n, %w softcap 3.0e+01 : tensor<1x64xf32, #flow.bf16_rows>, tensor<8192x64xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  // CHECK: return %[[BEST]]#0, %[[BEST]]#1
  return %v, %i : tensor<1x64xf32>, tensor<1x64xi32>
}

// CHECK-LABEL: func.func @of_one_piece
func.func @of_one_piece(%tokens: tensor<1xi32>, %start: index, %rows: index) -> (tensor<1x1xf32>, tensor<1x1xi32>) {
  %table = flow.weight_ref @tiny::@embedding : tensor<8192x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<8192x64xf32> -> tensor<1x64xf32>
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %w = flow.weight_ref @tiny::@short : tensor<512x64xf32, #flow.panels<bf16>>
  // CHECK: %[[LOGITS:.*]] = flow.launch @kernels::@vector_product_512x64_f32
  // CHECK: flow.launch @kernels::@top_1_of_512(%[[LOGITS]]) grid [1, 1, 1] threads 256 shared 4096
  %v, %i = flow.lm_head_top_k %n, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<512x64xf32, #flow.panels<bf16>> -> tensor<1x1xf32>
  return %v, %i : tensor<1x1xf32>, tensor<1x1xi32>
}
