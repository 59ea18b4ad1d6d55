// RUN: flow-opt %s --flow-choose-layouts | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<32x64xf32> storage q8_0
  flow.weight @unused : tensor<32x64xf32>
}
// A weight may be packed in two ways and be read plainly besides. References
// that nobody read before are left.
// CHECK-LABEL: @three_readings
func.func @three_readings(%x: tensor<?x64xf32>) -> (tensor<?x32xf32>, tensor<?x32xf32>, tensor<32x64xf32>) {
  // CHECK-DAG: %[[PLAIN:.*]] = flow.weight_ref @m::@w : tensor<32x64xf32>{{$}}
  // CHECK-DAG: flow.weight_ref @m::@unused : tensor<32x64xf32>{{$}}
  // CHECK-DAG: %[[F32:.*]] = flow.weight_ref @m::@w : tensor<32x64xf32, #flow.panels<f32>>
  // CHECK: flow.linear %{{.*}}, %[[F32]] :
  // CHECK: %[[I8:.*]] = flow.weight_ref @m::@w : tensor<32x64xf32, #flow.panels<i8, block = 32>>
  // CHECK: flow.linear %{{.*}}, %[[I8]] :
  // CHECK: return %{{.*}}, %{{.*}}, %[[PLAIN]]
  %w = flow.weight_ref @m::@w : tensor<32x64xf32>
  %u = flow.weight_ref @m::@unused : tensor<32x64xf32>
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %z = flow.linear %x, %w {flow.arithmetic = "i8"} : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  return %y, %z, %w : tensor<?x32xf32>, tensor<?x32xf32>, tensor<32x64xf32>
}
