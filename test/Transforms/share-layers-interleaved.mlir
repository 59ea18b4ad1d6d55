// RUN: flow-opt %s --flow-share-layers --split-input-file | FileCheck %s

// Stages of a layer on both sides of another's are two functions, in the order
// of the step, and names stay unique.
// CHECK-LABEL: func.func @between_layers
// CHECK: %[[A:.*]] = call @between_layers_layer0(
// CHECK: %[[B:.*]] = call @between_layers_layer1(%[[A]])
// CHECK: call @between_layers_layer0_0(%[[B]],
// CHECK: func.func private @between_layers_layer0(
// CHECK: flow.rms_norm
// CHECK: func.func private @between_layers_layer1(
// CHECK: func.func private @between_layers_layer0_0(
func.func @between_layers(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  %b = flow.geglu %a, %a : tensor<?x64xf32> loc("layer1/b")
  %c = flow.geglu %b, %x : tensor<?x64xf32> loc("layer0/c")
  return %c : tensor<?x64xf32>
}

// -----

// A name that is taken stays with its owner.
func.func private @step_layer0()
// CHECK-LABEL: func.func @step
// CHECK: call @step_layer0_0(
// CHECK: func.func private @step_layer0_0(
// CHECK: flow.rms_norm
func.func @step(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  return %a : tensor<?x64xf32>
}

// -----

// A value of the outside that only a region reads is an argument too.
// CHECK-LABEL: func.func @regions
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[P:.*]]: i1)
// CHECK: call @regions_layer0(%[[P]], %[[X]])
// CHECK-LABEL: func.func private @regions_layer0(
// CHECK-SAME: %[[Q:.*]]: i1, %[[Y:.*]]: tensor<?x64xf32>)
// CHECK: scf.if %[[Q]]
// CHECK: flow.rms_norm %[[Y]]
func.func @regions(%x: tensor<?x64xf32>, %p: i1) -> tensor<?x64xf32> {
  %a = scf.if %p -> tensor<?x64xf32> {
    %n = flow.rms_norm %x : tensor<?x64xf32>
    scf.yield %n : tensor<?x64xf32>
  } else {
    scf.yield %x : tensor<?x64xf32>
  } loc("layer0/a")
  return %a : tensor<?x64xf32>
}
