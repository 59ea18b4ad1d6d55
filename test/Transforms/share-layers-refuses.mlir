// RUN: flow-opt %s --flow-share-layers --remarks-filter=flow-share-layers --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @nameless
// CHECK: flow.rms_norm
// expected-remark @+1 {{@nameless has no stages with the name of a layer}}
func.func @nameless(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %y = flow.rms_norm %x : tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}
