// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @qkv_rope_append
func.func @qkv_rope_append(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>, %qn: tensor<32xf32>, %kn: tensor<32xf32>, %angles: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // CHECK: flow.qkv_rope_append %{{.*}}, %{{.*}} norms %{{.*}}, %{{.*}} rope %{{.*}} into %{{.*}}, %{{.*}} at %{{.*}} count %{{.*}} : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  %q, %k1, %v1 = flow.qkv_rope_append %x, %w norms %qn, %kn rope %angles into %kc, %vc at %start count %count : tensor<?x64xf32>, tensor<128x64xf32>, tensor<32xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  // CHECK: flow.qkv_rope_append %{{.*}}, %{{.*}} v_norm rope
  %r, %k2, %v2 = flow.qkv_rope_append %x, %w v_norm rope %angles into %kc, %vc at %start count %count eps 1.0e-05 : tensor<?x64xf32>, tensor<128x64xf32>, tensor<?x16x2xf32>, tensor<?x1x32xf32> -> tensor<?x2x32xf32>
  return
}
