// RUN: flow-opt %s --flow-fuse-qkv --mlir-print-debuginfo | FileCheck %s

// The parts' names stay on the fused op, the queries' projection first.
// CHECK: flow.qkv_rope_append {{.*}} loc(#[[FUSED:.*]])
// CHECK-DAG: #[[FUSED]] = loc(fused[#[[Q:loc[0-9]*]], #[[QR:loc[0-9]*]], #[[K:loc[0-9]*]], #[[KR:loc[0-9]*]], #[[V:loc[0-9]*]], #[[APPEND:loc[0-9]*]]
// CHECK-DAG: #[[Q]] = loc("layer0/attention/q")
// CHECK-DAG: #[[QR]] = loc("layer0/attention/q_rope")
// CHECK-DAG: #[[K]] = loc("layer0/attention/k")
// CHECK-DAG: #[[KR]] = loc("layer0/attention/k_rope")
// CHECK-DAG: #[[V]] = loc("layer0/attention/v")
// CHECK-DAG: #[[APPEND]] = loc("layer0/attention/append")
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
}
func.func @named(%x: tensor<1x64xf32>, %a: tensor<1x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %i: index, %n: index) -> tensor<1x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %q = flow.linear %x, %wq : tensor<1x64xf32>, tensor<64x64xf32> -> tensor<1x64xf32> loc("layer0/attention/q")
  %k = flow.linear %x, %wk : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32> loc("layer0/attention/k")
  %v = flow.linear %x, %wv : tensor<1x64xf32>, tensor<32x64xf32> -> tensor<1x32xf32> loc("layer0/attention/v")
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [1, 2, 32] : tensor<1x64xf32> into tensor<1x2x32xf32> loc("layer0/attention/q")
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32> loc("layer0/attention/k")
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [1, 1, 32] : tensor<1x32xf32> into tensor<1x1x32xf32> loc("layer0/attention/v")
  %qr = flow.rope %qh, %a : tensor<1x2x32xf32>, tensor<1x16x2xf32> loc("layer0/attention/q_rope")
  %kr = flow.rope %kh, %a : tensor<1x1x32xf32>, tensor<1x16x2xf32> loc("layer0/attention/k_rope")
  %k1, %v1 = flow.kv_append %kr, %vh into %kc, %vc at %i count %n : tensor<1x1x32xf32>, tensor<?x1x32xf32> loc("layer0/attention/append")
  %o = flow.attention %qr at %i, %k1, %v1 total %n mask <causal> scale 1.0 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}
