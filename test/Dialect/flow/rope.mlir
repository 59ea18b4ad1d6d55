// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @rope
func.func @rope(%q: tensor<?x2x32xf32>, %angles: tensor<?x16x2xf32>) {
  // CHECK: flow.rope %{{.*}}, %{{.*}} : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %r = flow.rope %q, %angles : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  return
}
