// RUN: flow-opt %s --flow-fuse-add-norm | FileCheck %s

// The branch's norm stays outside where the fused op cannot say it; the sum and
// its norm are fused all the same.

// CHECK-LABEL: @another_epsilon
func.func @another_epsilon(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[B:.*]] = flow.rms_norm %{{.*}} eps 1.000000e-05
  // CHECK: flow.add_rms_norm %{{.*}}, %[[B]] scale
  // CHECK-NOT: eps
  // CHECK: return
  %b = flow.rms_norm %a scale %w eps 1.0e-05 : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %x, %b : tensor<?x8xf32>
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// CHECK-LABEL: @no_weight
func.func @no_weight(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[B:.*]] = flow.rms_norm
  // CHECK: flow.add_rms_norm %{{.*}}, %[[B]] scale
  %b = flow.rms_norm %a : tensor<?x8xf32>
  %s = arith.addf %x, %b : tensor<?x8xf32>
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// CHECK-LABEL: @weights_of_two_types
func.func @weights_of_two_types(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %wb: tensor<8xbf16>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[B:.*]] = flow.rms_norm
  // CHECK: flow.add_rms_norm %{{.*}}, %[[B]] scale
  %b = flow.rms_norm %a scale %wb : tensor<?x8xf32>, tensor<8xbf16>
  %s = arith.addf %x, %b : tensor<?x8xf32>
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// CHECK-LABEL: @twice_in_the_sum
func.func @twice_in_the_sum(%a: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  // CHECK: %[[B:.*]] = flow.rms_norm
  // CHECK: flow.add_rms_norm %[[B]], %[[B]] scale
  %b = flow.rms_norm %a scale %w : tensor<?x8xf32>, tensor<8xf32>
  %s = arith.addf %b, %b : tensor<?x8xf32>
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// CHECK-LABEL: @outside_the_loop
func.func @outside_the_loop(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>, %n: index) -> tensor<?x8xf32> {
  // CHECK: %[[B:.*]] = flow.rms_norm
  // CHECK: scf.for
  // CHECK: flow.add_rms_norm %{{.*}}, %[[B]] scale
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = flow.rms_norm %a scale %w : tensor<?x8xf32>, tensor<8xf32>
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%y = %x) -> tensor<?x8xf32> {
    %s = arith.addf %y, %b : tensor<?x8xf32>
    %z = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
    scf.yield %z : tensor<?x8xf32>
  }
  return %r : tensor<?x8xf32>
}
