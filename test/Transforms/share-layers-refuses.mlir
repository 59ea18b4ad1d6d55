// RUN: flow-opt %s --flow-share-layers --remarks-filter=flow-share-layers --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @nameless
// CHECK: flow.rms_norm
// expected-remark @+1 {{@nameless has no stages with the name of a layer}}
func.func @nameless(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = flow.rms_norm %x : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: @branches
// CHECK: flow.rms_norm
// expected-remark @+1 {{@branches has branches}}
func.func @branches(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  cf.br ^end
^end:
  return %a : tensor<?x64xf32>
}

// -----

// CHECK-LABEL: func.func @one_nameless
// CHECK: %[[A:.*]] = call @one_nameless_layer0
// CHECK: flow.geglu %[[A]], %[[A]]
// expected-remark @+2 {{[Analysis] layer-classes}}
// expected-remark @unknown {{@one_nameless_layer0 serves layer0}}
func.func @one_nameless(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %a = flow.rms_norm %x : tensor<?x64xf32> loc("layer0/a")
  // expected-remark @+1 {{flow.geglu has no layer's name: it stays in @one_nameless}}
  %b = flow.geglu %a, %a : tensor<?x64xf32>
  return %b : tensor<?x64xf32>
}
