// RUN: flow-opt %s --flow-slice-last-token --remarks-filter=flow-slice-last-token --split-input-file --verify-diagnostics | FileCheck %s

// T25

// CHECK-LABEL: @through_stages
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %[[W:.*]]: tensor<64x64xf32>, %[[LAST:.*]]: index)
func.func @through_stages(%x: tensor<?x64xf32>, %w: tensor<64x64xf32>, %last: index) -> tensor<1x64xf32> {
  // CHECK: %[[ROW:.*]] = tensor.extract_slice %[[X]][%[[LAST]], 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  // CHECK: %[[Y:.*]] = flow.linear %[[ROW]], %[[W]] : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32>
  // CHECK: %[[N:.*]] = flow.rms_norm %[[Y]] : tensor<1x64xf32>
  // CHECK: return %[[N]]
  // expected-remark @+1 {{flow.linear runs for one row}}
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  // expected-remark @+1 {{flow.rms_norm runs for one row}}
  %n = flow.rms_norm %y : tensor<?x64xf32>
  %l = tensor.extract_slice %n[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}

// -----

// The query's position moves with the slice; keys and values stay whole.
// CHECK-LABEL: @attention
// CHECK-SAME: (%[[Q:.*]]: tensor<?x2x32xf32>, %[[K:.*]]: tensor<?x1x32xf32>, %[[START:.*]]: index, %[[TOTAL:.*]]: index, %[[LAST:.*]]: index)
func.func @attention(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %total: index, %last: index) -> tensor<1x64xf32> {
  // CHECK: %[[ROW:.*]] = tensor.extract_slice %[[Q]][%[[LAST]], 0, 0] [1, 2, 32] [1, 1, 1]
  // CHECK: %[[POSITION:.*]] = arith.addi %[[START]], %[[LAST]]
  // CHECK: flow.attention %[[ROW]] at %[[POSITION]], %[[K]], %[[K]] total %[[TOTAL]]{{.*}} : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  // expected-remark @+1 {{flow.attention runs for one row}}
  %o = flow.attention %q at %start, %k, %k total %total mask <causal> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  // expected-remark @+1 {{tensor.collapse_shape runs for one row}}
  %c = tensor.collapse_shape %o [[0], [1, 2]] : tensor<?x2x32xf32> into tensor<?x64xf32>
  %l = tensor.extract_slice %c[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}

// -----

// Both users of the sum read the same row of it in the end.
// CHECK-LABEL: @diamond
// CHECK: %[[S:.*]] = arith.addf %{{.*}}, %{{.*}} : tensor<1x64xf32>
// CHECK: %[[N:.*]] = flow.rms_norm %[[S]] : tensor<1x64xf32>
// CHECK: arith.addf %[[S]], %[[N]] : tensor<1x64xf32>
func.func @diamond(%x: tensor<?x64xf32>, %last: index) -> tensor<1x64xf32> {
  // expected-remark @+1 {{arith.addf runs for one row}}
  %s = arith.addf %x, %x : tensor<?x64xf32>
  // expected-remark @+1 {{flow.rms_norm runs for one row}}
  %n = flow.rms_norm %s : tensor<?x64xf32>
  // expected-remark @+1 {{arith.addf runs for one row}}
  %t = arith.addf %s, %n : tensor<?x64xf32>
  %l = tensor.extract_slice %t[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}
