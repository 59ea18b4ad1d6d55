// RUN: flow-opt %s --flow-slice-last-token --split-input-file | FileCheck %s

// A fixed row of a fixed number of rows.
// CHECK-LABEL: @fixed_row
// CHECK-SAME: (%[[X:.*]]: tensor<8x64xf32>)
// CHECK: %[[ROW:.*]] = tensor.extract_slice %[[X]][3, 0] [1, 64] [1, 1]
// CHECK: flow.rms_norm %[[ROW]] : tensor<1x64xf32>
func.func @fixed_row(%x: tensor<8x64xf32>) -> tensor<1x64xf32> {
  %n = flow.rms_norm %x : tensor<8x64xf32>
  %l = tensor.extract_slice %n[3, 0] [1, 64] [1, 1] : tensor<8x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}

// -----

// Heads are split for one row too.
// CHECK-LABEL: @split_heads
// CHECK-SAME: (%[[X:.*]]: tensor<?x64xf32>, %{{.*}}: index, %[[LAST:.*]]: index)
// CHECK: %[[ROW:.*]] = tensor.extract_slice %[[X]][%[[LAST]], 0] [1, 64] [1, 1]
// CHECK: tensor.expand_shape %[[ROW]] {{\[\[}}0], [1, 2]] output_shape [1, 2, 32]
func.func @split_heads(%x: tensor<?x64xf32>, %rows: index, %last: index) -> tensor<1x2x32xf32> {
  %h = tensor.expand_shape %x [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %l = tensor.extract_slice %h[%last, 0, 0] [1, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<1x2x32xf32>
  return %l : tensor<1x2x32xf32>
}

// -----

// Angles belong to the row as well.
// CHECK-LABEL: @rotation
// CHECK-DAG: %[[Q:.*]] = tensor.extract_slice %{{.*}} : tensor<?x2x32xf32> to tensor<1x2x32xf32>
// CHECK-DAG: %[[A:.*]] = tensor.extract_slice %{{.*}} : tensor<?x16x2xf32> to tensor<1x16x2xf32>
// CHECK: flow.rope %[[Q]], %[[A]]
func.func @rotation(%q: tensor<?x2x32xf32>, %a: tensor<?x16x2xf32>, %last: index) -> tensor<1x2x32xf32> {
  %r = flow.rope %q, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %l = tensor.extract_slice %r[%last, 0, 0] [1, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<1x2x32xf32>
  return %l : tensor<1x2x32xf32>
}

// -----

// Both results of a stage are rows; the slices of either share one stage.
// CHECK-LABEL: @two_results
// CHECK: %[[SUM:.*]], %[[NORMED:.*]] = flow.add_rms_norm %{{.*}}, %{{.*}} scale %{{.*}} : tensor<1x64xf32>
// CHECK: return %[[SUM]], %[[NORMED]]
func.func @two_results(%x: tensor<?x64xf32>, %b: tensor<?x64xf32>, %w: tensor<64xf32>, %last: index) -> (tensor<1x64xf32>, tensor<1x64xf32>) {
  %s, %n = flow.add_rms_norm %x, %b scale %w : tensor<?x64xf32>, tensor<64xf32>
  %l = tensor.extract_slice %s[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  %m = tensor.extract_slice %n[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l, %m : tensor<1x64xf32>, tensor<1x64xf32>
}

// -----

// One condition for all rows is no row.
// CHECK-LABEL: @scalar_condition
// CHECK-SAME: %[[P:.*]]: i1
// CHECK: arith.select %[[P]], %{{.*}}, %{{.*}} : tensor<1x64xf32>
func.func @scalar_condition(%p: i1, %x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %last: index) -> tensor<1x64xf32> {
  %s = arith.select %p, %x, %y : tensor<?x64xf32>
  %l = tensor.extract_slice %s[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}
