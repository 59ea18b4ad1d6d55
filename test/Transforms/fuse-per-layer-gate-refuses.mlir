// RUN: flow-opt %s --flow-fuse-per-layer-gate --remarks-filter=flow-fuse-per-layer-gate \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @gate_is_read
func.func @gate_is_read(%x: tensor<?x64xf32>, %p: tensor<?x32xf32>, %wg: tensor<32x64xf32>, %wo: tensor<64x32xf32>) -> (tensor<?x64xf32>, tensor<?x32xf32>) {
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] gate-not-fused | Category:flow-fuse-per-layer-gate | Reason="others read the gate"}}
  %h = flow.geglu %g, %p : tensor<?x32xf32>
  %y = flow.linear %h, %wo : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return %y, %g : tensor<?x64xf32>, tensor<?x32xf32>
}

// -----

// CHECK-LABEL: @activation_is_read
func.func @activation_is_read(%x: tensor<?x64xf32>, %p: tensor<?x32xf32>, %wg: tensor<32x64xf32>, %wo: tensor<64x32xf32>) -> (tensor<?x64xf32>, tensor<?x32xf32>) {
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] gate-not-fused | Category:flow-fuse-per-layer-gate | Reason="the activation does not feed one product alone"}}
  %h = flow.geglu %g, %p : tensor<?x32xf32>
  %y = flow.linear %h, %wo : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return %y, %h : tensor<?x64xf32>, tensor<?x32xf32>
}

// -----

// CHECK-LABEL: @no_product
func.func @no_product(%x: tensor<?x64xf32>, %p: tensor<?x32xf32>, %wg: tensor<32x64xf32>, %wo: tensor<64x32xf32>) -> (tensor<?x32xf32>) {
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] gate-not-fused | Category:flow-fuse-per-layer-gate | Reason="the activation does not feed one product alone"}}
  %h = flow.geglu %g, %p : tensor<?x32xf32>
  %y = flow.rms_norm %h : tensor<?x32xf32>
  return %y : tensor<?x32xf32>
}

// -----

// CHECK-LABEL: @weight_of_its_product
func.func @weight_of_its_product(%x: tensor<4x64xf32>, %p: tensor<4x32xf32>, %wg: tensor<32x64xf32>, %o: tensor<?x32xf32>) -> (tensor<?x4xf32>) {
  %g = flow.linear %x, %wg : tensor<4x64xf32>, tensor<32x64xf32> -> tensor<4x32xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] gate-not-fused | Category:flow-fuse-per-layer-gate | Reason="the activation does not feed one product alone"}}
  %h = flow.geglu %g, %p : tensor<4x32xf32>
  %y = flow.linear %o, %h : tensor<?x32xf32>, tensor<4x32xf32> -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// -----

// CHECK-LABEL: @another_block
func.func @another_block(%x: tensor<?x64xf32>, %p: tensor<?x32xf32>, %wg: tensor<32x64xf32>, %wo: tensor<64x32xf32>, %c: i1) -> (tensor<?x64xf32>) {
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %r = scf.if %c -> tensor<?x64xf32> {
    // CHECK: flow.geglu
  // expected-remark @below {{[Missed] gate-not-fused | Category:flow-fuse-per-layer-gate | Reason="a stage stands in another block"}}
    %h = flow.geglu %g, %p : tensor<?x32xf32>
    %y = flow.linear %h, %wo : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
    scf.yield %y : tensor<?x64xf32>
  } else {
    scf.yield %x : tensor<?x64xf32>
  }
  return %r : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: @element_type
func.func @element_type(%x: tensor<?x64xbf16>, %p: tensor<?x32xf32>, %wg: tensor<32x64xf32>, %wo: tensor<64x32xf32>) -> (tensor<?x64xf32>) {
  %g = flow.linear %x, %wg : tensor<?x64xbf16>, tensor<32x64xf32> -> tensor<?x32xf32>
  // CHECK: flow.geglu
  // expected-remark @below {{[Missed] gate-not-fused | Category:flow-fuse-per-layer-gate | Reason="a projection changes the element type"}}
  %h = flow.geglu %g, %p : tensor<?x32xf32>
  %y = flow.linear %h, %wo : tensor<?x32xf32>, tensor<64x32xf32> -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
