// What has no effect may be merged and dropped; a cache is read where it stands.
// RUN: flow-opt %s --cse --canonicalize | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<128x64xf32>
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
  flow.rope_table @local theta 1.0e+04 head_dim 32
}

// CHECK-LABEL: @equal_stages_merge
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>)
func.func @equal_stages_merge(%x: tensor<?x64xf32>) -> (tensor<?x128xf32>, tensor<?x128xf32>) {
  // CHECK-NEXT: %[[W:.*]] = flow.weight_ref @m::@w : tensor<128x64xf32, #flow.panels<i8, block = 32>>
  // CHECK-NEXT: %[[Q:.*]] = flow.quantize_rows %[[X]]
  // CHECK-NEXT: %[[Y:.*]] = flow.linear %[[Q]], %[[W]]
  // CHECK-NEXT: return %[[Y]], %[[Y]]
  %w0 = flow.weight_ref @m::@w : tensor<128x64xf32, #flow.panels<i8, block = 32>>
  %q0 = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %y0 = flow.linear %q0, %w0 : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  %w1 = flow.weight_ref @m::@w : tensor<128x64xf32, #flow.panels<i8, block = 32>>
  %q1 = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %y1 = flow.linear %q1, %w1 : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  return %y0, %y1 : tensor<?x128xf32>, tensor<?x128xf32>
}

// Two layouts of one weight, two blocks of the same rows, are two values.
// CHECK-LABEL: @layouts_stay_apart
func.func @layouts_stay_apart(%x: tensor<?x64xf32>) -> (tensor<?x128xf32>, tensor<?x128xf32>) {
  // CHECK-COUNT-2: flow.weight_ref
  // CHECK-COUNT-2: flow.quantize_rows
  %w0 = flow.weight_ref @m::@w : tensor<128x64xf32, #flow.panels<i8, block = 32>>
  %w1 = flow.weight_ref @m::@w : tensor<128x64xf32, #flow.panels<i8, block = 16>>
  %q0 = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  %q1 = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 16>>
  %y0 = flow.linear %q0, %w0 : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<128x64xf32, #flow.panels<i8, block = 32>> -> tensor<?x128xf32>
  %y1 = flow.linear %q1, %w1 : tensor<?x64xf32, #flow.quantized_rows<block = 16>>, tensor<128x64xf32, #flow.panels<i8, block = 16>> -> tensor<?x128xf32>
  return %y0, %y1 : tensor<?x128xf32>, tensor<?x128xf32>
}

// CHECK-LABEL: @unread_stages_go
func.func @unread_stages_go(%x: tensor<?x64xf32>, %h: tensor<?x2x32xf32>, %i: index) {
  // CHECK-NEXT: return
  %w = flow.weight_ref @m::@w : tensor<128x64xf32>
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32>
  %g = flow.geglu %y, %y : tensor<?x128xf32>
  %n = flow.rms_norm %x : tensor<?x64xf32>
  %a = flow.rope_angles @m::@local at %i rows %i : tensor<?x16x2xf32>
  %r = flow.rope %h, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %o = flow.attention %r at %i, %h, %h total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x2x32xf32>
  return
}

// CHECK-LABEL: @caches_stay
func.func @caches_stay() {
  // CHECK-COUNT-2: flow.cache_ref @m::@kv0
  %k0, %v0 = flow.cache_ref @m::@kv0 : tensor<?x1x32xf32>
  %k1, %v1 = flow.cache_ref @m::@kv0 : tensor<?x1x32xf32>
  return
}
