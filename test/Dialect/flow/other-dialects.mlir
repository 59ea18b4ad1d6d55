// T1: Ops of any dialect stand between stages, inside regions too.
// RUN: flow-opt %s --allow-unregistered-dialect --verify-roundtrip | FileCheck %s

// CHECK-LABEL: @between
func.func @between(%x: tensor<4x64xf32>, %w: tensor<64xf32>, %c: i1) -> tensor<4x64xf32> {
  // CHECK: %[[N:.*]] = flow.rms_norm
  %n = flow.rms_norm %x scale %w : tensor<4x64xf32>, tensor<64xf32>
  // CHECK: %[[OWN:.*]] = "mine.steer"(%[[N]])
  %own = "mine.steer"(%n) : (tensor<4x64xf32>) -> tensor<4x64xf32>
  // CHECK: %[[Y:.*]] = scf.if
  %y = scf.if %c -> tensor<4x64xf32> {
    // CHECK: flow.geglu %[[OWN]], %[[N]]
    %g = flow.geglu %own, %n : tensor<4x64xf32>
    scf.yield %g : tensor<4x64xf32>
  } else {
    scf.yield %n : tensor<4x64xf32>
  }
  // CHECK: arith.addf %[[Y]]
  %s = arith.addf %y, %x : tensor<4x64xf32>
  return %s : tensor<4x64xf32>
}
