// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @kv_append
func.func @kv_append(%k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) {
  // CHECK: flow.kv_append %{{.*}}, %{{.*}} into %{{.*}}, %{{.*}} at %{{.*}} count %{{.*}} : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  return
}
