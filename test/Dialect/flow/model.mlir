// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// T1

// CHECK-LABEL: flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  // CHECK-NEXT: flow.weight @embedding : tensor<512x64xf32> storage q8_0
  flow.weight @embedding : tensor<512x64xf32> storage q8_0
  // CHECK-NEXT: flow.weight @final_norm : tensor<64xf32>
  flow.weight @final_norm : tensor<64xf32>
}

// CHECK-LABEL: flow.model @huggingface
// CHECK-SAME: bf16_embedding_scale
flow.model @huggingface <hidden = 64, vocab = 512, positions = 256> bf16_embedding_scale {
  // CHECK-NEXT: flow.weight @head : tensor<512x64xf32>
  flow.weight @head : tensor<512x64xf32>
}
