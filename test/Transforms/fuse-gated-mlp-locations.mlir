// RUN: flow-opt %s --flow-fuse-gated-mlp --mlir-print-debuginfo | FileCheck %s

// The parts keep their names, the gate first.
// CHECK: flow.gated_mlp {{.*}} loc(#[[FUSED:.*]])
// CHECK-DAG: #[[FUSED]] = loc(fused[#[[GATE:loc[0-9]*]], #[[UP:loc[0-9]*]], #[[GEGLU:loc[0-9]*]], #[[DOWN:loc[0-9]*]]
// CHECK-DAG: #[[GATE]] = loc("layer3/ffn/gate")
// CHECK-DAG: #[[UP]] = loc("layer3/ffn/up")
// CHECK-DAG: #[[GEGLU]] = loc("layer3/ffn/geglu")
// CHECK-DAG: #[[DOWN]] = loc("layer3/ffn/down")
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @gate : tensor<96x64xf32>
  flow.weight @up : tensor<96x64xf32>
  flow.weight @down : tensor<64x96xf32>
}
func.func @named(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %wg = flow.weight_ref @m::@gate : tensor<96x64xf32>
  %wu = flow.weight_ref @m::@up : tensor<96x64xf32>
  %wd = flow.weight_ref @m::@down : tensor<64x96xf32>
  %g = flow.linear %x, %wg : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32> loc("layer3/ffn/gate")
  %u = flow.linear %x, %wu : tensor<?x64xf32>, tensor<96x64xf32> -> tensor<?x96xf32> loc("layer3/ffn/up")
  %h = flow.geglu %g, %u : tensor<?x96xf32> loc("layer3/ffn/geglu")
  %d = flow.linear %h, %wd : tensor<?x96xf32>, tensor<64x96xf32> -> tensor<?x64xf32> loc("layer3/ffn/down")
  return %d : tensor<?x64xf32>
}
