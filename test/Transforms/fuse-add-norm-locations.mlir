// RUN: flow-opt %s --flow-fuse-add-norm --mlir-print-debuginfo | FileCheck %s

// The add's name comes first: the fused op belongs to the layer of the add,
// though the norm may be the next layer's.
// CHECK: flow.add_rms_norm {{.*}} loc(#[[FUSED:.*]])
// CHECK-DAG: #[[FUSED]] = loc(fused[#[[ADD:loc[0-9]*]], #[[INNER:loc[0-9]*]], #[[NORM:loc[0-9]*]]
// CHECK-DAG: #[[ADD]] = loc("layer0/ffn_add")
// CHECK-DAG: #[[INNER]] = loc("layer0/post_ffn_norm")
// CHECK-DAG: #[[NORM]] = loc("layer1/attention_norm")
func.func @named(%x: tensor<?x8xf32>, %a: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  %b = flow.rms_norm %a scale %w : tensor<?x8xf32>, tensor<8xf32> loc("layer0/post_ffn_norm")
  %s = arith.addf %x, %b : tensor<?x8xf32> loc("layer0/ffn_add")
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32> loc("layer1/attention_norm")
  return %n : tensor<?x8xf32>
}
