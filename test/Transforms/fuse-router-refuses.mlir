// RUN: flow-opt %s --flow-fuse-router --remarks-filter=flow-fuse-router \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @no_projection
func.func @no_projection(%z: tensor<?x32xf32>, %scale: tensor<32xf32>) -> tensor<?x4xf32> {
  // CHECK: flow.route_experts
  // expected-remark @below {{[Missed] router-not-fused | Category:flow-fuse-router | Reason="the logits are not a projection"}}
  %e, %s = flow.route_experts %z scale %scale factor 1.0 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
  return %s : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: @read_by_others
func.func @read_by_others(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>, %scale: tensor<32xf32>) -> (tensor<?x4xf32>, tensor<?x32xf32>) {
  %z = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.route_experts
  // expected-remark @below {{[Missed] router-not-fused | Category:flow-fuse-router | Reason="others read the logits"}}
  %e, %s = flow.route_experts %z scale %scale factor 1.0 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
  return %s, %z : tensor<?x4xf32>, tensor<?x32xf32>
}

// -----

// CHECK-LABEL: @element_type
func.func @element_type(%x: tensor<?x64xbf16>, %w: tensor<32x64xf32>, %scale: tensor<32xf32>) -> tensor<?x4xf32> {
  %z = flow.linear %x, %w : tensor<?x64xbf16>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.route_experts
  // expected-remark @below {{[Missed] router-not-fused | Category:flow-fuse-router | Reason="the projection changes the element type"}}
  %e, %s = flow.route_experts %z scale %scale factor 1.0 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
  return %s : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: @another_block
func.func @another_block(%x: tensor<?x64xf32>, %w: tensor<32x64xf32>, %scale: tensor<32xf32>, %c: i1, %o: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %z = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %r = scf.if %c -> tensor<?x4xf32> {
    // CHECK: flow.route_experts
  // expected-remark @below {{[Missed] router-not-fused | Category:flow-fuse-router | Reason="the projection stands in another block"}}
    %e, %s = flow.route_experts %z scale %scale factor 1.0 : tensor<?x32xf32>, tensor<32xf32> -> tensor<?x4xi32>
    scf.yield %s : tensor<?x4xf32>
  } else {
    scf.yield %o : tensor<?x4xf32>
  }
  return %r : tensor<?x4xf32>
}
