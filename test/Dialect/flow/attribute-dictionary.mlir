// Every op keeps attributes that are not its own.
// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: flow.model @m <hidden = 64, vocab = 512, positions = 256> attributes {family = "gemma3"} {
flow.model @m <hidden = 64, vocab = 512, positions = 256> attributes {family = "gemma3"} {
  // CHECK: flow.weight @w : tensor<64xf32> storage f16 from "w" unit_offset {origin = 1 : i32}
  flow.weight @w : tensor<64xf32> storage f16 from "w" unit_offset {origin = 1 : i32}
  // CHECK: flow.rope_table @local theta 1.000000e+04 head_dim 32 {mine}
  flow.rope_table @local theta 1.0e+04 head_dim 32 {mine}
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32 {mine}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32 {mine}
}

// CHECK-LABEL: @stages
func.func @stages(%x: tensor<?x64xf32>, %w: tensor<64xf32>) {
  // CHECK: flow.rms_norm %{{.*}} {mine} : tensor<?x64xf32>
  %y = flow.rms_norm %x {mine} : tensor<?x64xf32>
  // CHECK: flow.add_rms_norm %{{.*}}, %{{.*}} scale %{{.*}} {mine} : tensor<?x64xf32>, tensor<64xf32>
  %s, %n = flow.add_rms_norm %x, %x scale %w {mine} : tensor<?x64xf32>, tensor<64xf32>
  return
}
