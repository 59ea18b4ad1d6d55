// RUN: flow-opt %s --flow-slice-last-token --remarks-filter=flow-slice-last-token --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @other_block
// CHECK: flow.rms_norm %{{.*}} : tensor<?x64xf32>
// CHECK: scf.if
func.func @other_block(%x: tensor<?x64xf32>, %o: tensor<1x64xf32>, %last: index, %p: i1) -> tensor<1x64xf32> {
  // expected-remark @+1 {{it stands in another block}}
  %n = flow.rms_norm %x : tensor<?x64xf32>
  %r = scf.if %p -> tensor<1x64xf32> {
    %l = tensor.extract_slice %n[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
    scf.yield %l : tensor<1x64xf32>
  } else {
    scf.yield %o : tensor<1x64xf32>
  }
  return %r : tensor<1x64xf32>
}

// -----

// As long as the row is open, a slice of it may be a part.
// CHECK-LABEL: @part_of_an_open_row
// CHECK: arith.addf %{{.*}} : tensor<?x?xf32>
func.func @part_of_an_open_row(%x: tensor<?x?xf32>, %last: index, %n: index) -> tensor<1x?xf32> {
  %s = arith.addf %x, %x : tensor<?x?xf32>
  %l = tensor.extract_slice %s[%last, 0] [1, %n] [1, 1] : tensor<?x?xf32> to tensor<1x?xf32>
  return %l : tensor<1x?xf32>
}

// -----

// CHECK-LABEL: @open_operand
// CHECK: math.fpowi %{{.*}} : tensor<?x64xf32>, tensor<?x?xi32>
func.func @open_operand(%x: tensor<?x64xf32>, %e: tensor<?x?xi32>, %last: index) -> tensor<1x64xf32> {
  // expected-remark @+1 {{the length of its rows is open}}
  %y = math.fpowi %x, %e : tensor<?x64xf32>, tensor<?x?xi32>
  %l = tensor.extract_slice %y[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}

// -----

// CHECK-LABEL: @two_rows
// CHECK: flow.rms_norm %{{.*}} : tensor<?x64xf32>
func.func @two_rows(%x: tensor<?x64xf32>, %last: index) -> tensor<2x64xf32> {
  %n = flow.rms_norm %x : tensor<?x64xf32>
  %l = tensor.extract_slice %n[%last, 0] [2, 64] [1, 1] : tensor<?x64xf32> to tensor<2x64xf32>
  return %l : tensor<2x64xf32>
}

// -----

// Rows and heads in one dimension: a row of the result is half a row.
// CHECK-LABEL: @rows_joined_with_heads
// CHECK: tensor.collapse_shape %{{.*}} : tensor<?x2x32xf32> into tensor<?x32xf32>
func.func @rows_joined_with_heads(%x: tensor<?x2x32xf32>, %last: index) -> tensor<1x32xf32> {
  // expected-remark @+1 {{its rows depend on each other}}
  %c = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x2x32xf32> into tensor<?x32xf32>
  %l = tensor.extract_slice %c[%last, 0] [1, 32] [1, 1] : tensor<?x32xf32> to tensor<1x32xf32>
  return %l : tensor<1x32xf32>
}

// -----

func.func private @opaque(tensor<?x64xf32>) -> tensor<?x64xf32>
// CHECK-LABEL: @opaque_op
// CHECK: call @opaque(%{{.*}}) : (tensor<?x64xf32>) -> tensor<?x64xf32>
func.func @opaque_op(%x: tensor<?x64xf32>, %last: index) -> tensor<1x64xf32> {
  // expected-remark @+1 {{func.call runs for all rows: its rows depend on each other}}
  %c = func.call @opaque(%x) : (tensor<?x64xf32>) -> tensor<?x64xf32>
  // expected-remark @+1 {{flow.rms_norm runs for one row}}
  %n = flow.rms_norm %c : tensor<?x64xf32>
  %l = tensor.extract_slice %n[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l : tensor<1x64xf32>
}
