// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @qkv_rope_append
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<128x64xf32>, %[[QN:.*]]: tensor<32xf32>, %[[KN:.*]]: tensor<32xf32>, %[[ANGLES:.*]]: tensor<?x16x2xf32>, %[[KC:.*]]: tensor<?x1x32xf32>, %[[VC:.*]]: tensor<?x1x32xf32>, %[[START:.*]]: index, %[[COUNT:.*]]: index)
func.func @qkv_rope_append(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // CHECK: flow.qkv_rope_append %[[X]], %[[W]] norms %[[QN]], %[[KN]] rope %[[ANGLES]] into %[[KC]], %[[VC]] at %[[START]] count %[[COUNT]] : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// CHECK-LABEL: @without_head_norms
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<128x64xf32>, %[[ANGLES:.*]]: tensor<?x16x2xf32>, %[[C:.*]]: tensor<?x1x32xf32>, %[[I:.*]]: index)
func.func @without_head_norms(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %angles: tensor<?x16x2xf32>, %c: tensor<?x1x32xf32>, %i: index) {
  // CHECK: flow.qkv_rope_append %[[X]], %[[W]] v_norm rope %[[ANGLES]] into %[[C]], %[[C]] at %[[I]] count %[[I]] eps 2.500000e-01 : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w v_norm rope %angles into %c, %c at %i count %i eps 0.25 : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// CHECK-LABEL: @raw_keys
func.func @raw_keys(%x: tensor<?x64xf32>, %u: tensor<96x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // CHECK: flow.qkv_rope_append %{{.*}}, %{{.*}} k_eq_v norms %{{.*}}, %{{.*}} v_norm rope
  %p, %k2, %v2 = flow.qkv_rope_append %x, %u k_eq_v norms %qn, %kn v_norm rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<96x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}

// CHECK-LABEL: @sequences
func.func @sequences(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %angles: tensor<?x16x2xf32>, %ks: tensor<?x?x1x32xf32>, %vs: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>) {
  // CHECK: flow.qkv_rope_append %{{.*}}, %{{.*}} rope %{{.*}} into %{{.*}}, %{{.*}} sequences %{{.*}} : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
  %r, %k3, %v3 = flow.qkv_rope_append %x, %w rope %angles into %ks, %vs sequences %s : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
  // CHECK: sequences %{{.*}} single_rows : tensor<?x64xf32>
  %t, %k4, %v4 = flow.qkv_rope_append %x, %w rope %angles into %ks, %vs sequences %s single_rows : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
  // CHECK: sequences %{{.*}} eps 2.500000e-01 :
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w rope %angles into %ks, %vs sequences %s eps 0.25 : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x?x1x32xf32> -> tensor<?x2x32xf32>
  return
}
