// RUN: flow-opt %s --flow-share-layers --split-input-file | FileCheck %s
// RUN: flow-opt %s --flow-share-layers --remarks-filter=flow-share-layers --split-input-file 2>&1 >/dev/null | FileCheck %s --check-prefix=REMARK
// RUN: flow-opt %s --flow-share-layers --mlir-print-debuginfo --mlir-print-local-scope \
// RUN:   --split-input-file | FileCheck %s --check-prefix=NAMES

// T26: Layers are alike when their stages, numbers and types are; what they are
// called, and whether names are printed, does not matter.

// CHECK-LABEL: func.func @numbers
// NAMES-LABEL: func.func @numbers
// REMARK: @numbers_layer0 serves layer0, layer2
// REMARK: @numbers_layer1 serves layer1
// REMARK: classes=2, layers=3
func.func @numbers(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %u: tensor<64xf32>) -> tensor<?x64xf32> {
  // CHECK: call @numbers_layer0(
  // CHECK: call @numbers_layer1(
  // CHECK: call @numbers_layer0(
  // NAMES: call @numbers_layer0({{.*}} loc("layer0")
  // NAMES: call @numbers_layer1(
  // NAMES: call @numbers_layer0({{.*}} loc("layer2")
  %a = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32> loc("layer0/norm")
  %b = flow.rms_norm %a scale %w eps 1.0 : tensor<?x64xf32>, tensor<64xf32> loc("layer1/norm")
  %c = flow.rms_norm %b scale %u : tensor<?x64xf32>, tensor<64xf32> loc("layer2/other_norm")
  return %c : tensor<?x64xf32>
}

// -----

// One weight in two places is another function than two weights.
// CHECK-LABEL: func.func @same_value_twice
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64xf32>, %[[U:.*]]: tensor<64xf32>)
// CHECK: call @same_value_twice_layer0(%[[X]], %[[W]], %[[U]])
// CHECK: call @same_value_twice_layer1(%{{.*}}, %[[W]])
func.func @same_value_twice(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %u: tensor<64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32> loc("layer0/a")
  %b = flow.rms_norm %a scale %u : tensor<?x64xf32>, tensor<64xf32> loc("layer0/b")
  %c = flow.rms_norm %b scale %w : tensor<?x64xf32>, tensor<64xf32> loc("layer1/a")
  %d = flow.rms_norm %c scale %w : tensor<?x64xf32>, tensor<64xf32> loc("layer1/b")
  return %d : tensor<?x64xf32>
}

// -----

// Whether others read a layer's cache is no difference: caches leave a function
// last in either case.
// CHECK-LABEL: func.func @read_by_others
// CHECK: call @read_by_others_layer0(
// CHECK: %[[L1:.*]]:3 = call @read_by_others_layer0(
// CHECK: flow.attention %[[L1]]#0 at %{{.*}}, %[[L1]]#1, %[[L1]]#2
// CHECK-LABEL: func.func private @read_by_others_layer0
// CHECK: %[[K:.*]], %[[V:.*]] = flow.kv_append
// CHECK: %[[O:.*]] = flow.attention
// CHECK: return %[[O]], %[[K]], %[[V]]
// CHECK-NOT: func.func
func.func @read_by_others(%x: tensor<1x2x32xf32>, %r: tensor<1x1x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %i: index) -> tensor<1x2x32xf32> {
  %k0, %v0 = flow.kv_append %r, %r into %k, %v at %i count %i : tensor<1x1x32xf32>, tensor<?x1x32xf32> loc("layer0/append")
  %a = flow.attention %x at %i, %k0, %v0 total %i mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32> loc("layer0/attention")
  %k1, %v1 = flow.kv_append %r, %r into %k, %v at %i count %i : tensor<1x1x32xf32>, tensor<?x1x32xf32> loc("layer1/append")
  %b = flow.attention %a at %i, %k1, %v1 total %i mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32> loc("layer1/attention")
  %c = flow.attention %b at %i, %k1, %v1 total %i mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %c : tensor<1x2x32xf32>
}
