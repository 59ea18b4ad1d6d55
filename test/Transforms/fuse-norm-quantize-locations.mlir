// RUN: flow-opt %s --flow-fuse-norm-quantize --mlir-print-debuginfo | FileCheck %s

// The norm's name comes first: it stays in its layer, though the product may be
// the next layer's.
// CHECK: flow.rms_norm {{.*}} loc(#[[FUSED:.*]])
// CHECK-DAG: #[[FUSED]] = loc(fused[#[[NORM:loc[0-9]*]], #[[PRODUCT:loc[0-9]*]]])
// CHECK-DAG: #[[NORM]] = loc("layer0/post_norm")
// CHECK-DAG: #[[PRODUCT]] = loc("layer1/attention/q")
func.func @named(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32, #flow.bf16_rows> {
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32> loc("layer0/post_norm")
  %q = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows> loc("layer1/attention/q")
  return %q : tensor<?x64xf32, #flow.bf16_rows>
}
