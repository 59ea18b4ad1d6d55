// RUN: flow-opt %s --flow-slice-last-token --remarks-filter=flow-slice-last-token --split-input-file --verify-diagnostics | FileCheck %s

// T25

// CHECK-LABEL: @others_read
// CHECK: flow.rms_norm %{{.*}} : tensor<?x64xf32>
func.func @others_read(%x: tensor<?x64xf32>, %last: index) -> (tensor<1x64xf32>, tensor<?x64xf32>) {
  // expected-remark @+1 {{others read all of its rows}}
  %n = flow.rms_norm %x : tensor<?x64xf32>
  %l = tensor.extract_slice %n[%last, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l, %n : tensor<1x64xf32>, tensor<?x64xf32>
}

// -----

// CHECK-LABEL: @different_rows
// CHECK: flow.rms_norm %{{.*}} : tensor<?x64xf32>
func.func @different_rows(%x: tensor<?x64xf32>, %a: index, %b: index) -> (tensor<1x64xf32>, tensor<1x64xf32>) {
  // expected-remark @+1 {{different rows of it are read}}
  %n = flow.rms_norm %x : tensor<?x64xf32>
  %l = tensor.extract_slice %n[%a, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  %m = tensor.extract_slice %n[%b, 0] [1, 64] [1, 1] : tensor<?x64xf32> to tensor<1x64xf32>
  return %l, %m : tensor<1x64xf32>, tensor<1x64xf32>
}

// -----

// CHECK-LABEL: @cache_rows
// CHECK: flow.kv_append
func.func @cache_rows(%k: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %i: index) -> tensor<1x1x32xf32> {
  // expected-remark @+1 {{its rows depend on each other}}
  %a, %b = flow.kv_append %k, %k into %kc, %kc at %i count %i : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %l = tensor.extract_slice %a[%i, 0, 0] [1, 1, 32] [1, 1, 1] : tensor<?x1x32xf32> to tensor<1x1x32xf32>
  return %l : tensor<1x1x32xf32>
}

// -----

// Half a row is no row.
// CHECK-LABEL: @half_a_row
// CHECK: flow.rms_norm %{{.*}} : tensor<?x64xf32>
func.func @half_a_row(%x: tensor<?x64xf32>, %last: index) -> tensor<1x32xf32> {
  %n = flow.rms_norm %x : tensor<?x64xf32>
  %l = tensor.extract_slice %n[%last, 0] [1, 32] [1, 1] : tensor<?x64xf32> to tensor<1x32xf32>
  return %l : tensor<1x32xf32>
}

// -----

// CHECK-LABEL: @rows_of_several_sequences
// CHECK: flow.attention %{{.*}} sequences
func.func @rows_of_several_sequences(%q: tensor<?x2x32xf32>, %k: tensor<?x?x1x32xf32>, %s: tensor<?x4xi32>, %last: index) -> tensor<1x2x32xf32> {
  // expected-remark @+1 {{a table says whose its rows are}}
  %o = flow.attention %q sequences %s, %k, %k mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x?x1x32xf32>
  %l = tensor.extract_slice %o[%last, 0, 0] [1, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<1x2x32xf32>
  return %l : tensor<1x2x32xf32>
}
