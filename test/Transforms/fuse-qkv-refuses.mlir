// RUN: flow-opt %s --flow-fuse-qkv --remarks-filter-missed=flow-fuse-qkv --allow-unregistered-dialect --split-input-file --verify-diagnostics | FileCheck %s

// T21
// CHECK-NOT: flow.qkv_rope_append

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @different_inputs(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %y, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %q2 = flow.rope %qh, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kh, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  // expected-remark @+1 {{the projections have different inputs}}
  %k3, %v3 = flow.kv_append %k2, %vh into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @different_angles(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %q2 = flow.rope %qh, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kh, %b : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  // expected-remark @+1 {{queries and keys turn by different angles}}
  %k3, %v3 = flow.kv_append %k2, %vh into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @one_norm(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %qn = flow.rms_norm %qh scale %wn : tensor<?x2x32xf32>, tensor<32xf32>
  %q2 = flow.rope %qn, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kh, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  // expected-remark @+1 {{only one of queries and keys is normed}}
  %k3, %v3 = flow.kv_append %k2, %vh into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @unequal_eps(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %qn = flow.rms_norm %qh scale %wn : tensor<?x2x32xf32>, tensor<32xf32>
  %kn = flow.rms_norm %kh scale %wn eps 1.0e-05 : tensor<?x1x32xf32>, tensor<32xf32>
  %q2 = flow.rope %qn, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kn, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  // expected-remark @+1 {{the head norms have different epsilons}}
  %k3, %v3 = flow.kv_append %k2, %vh into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @two_splits_of_one_projection(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %q2 = flow.rope %qh, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kh, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  %kh2 = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  // expected-remark @+1 {{keys and values split one projection apart}}
  %k3, %v3 = flow.kv_append %k2, %kh2 into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @shared_rotation(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %q2 = flow.rope %qh, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kh, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  %s = arith.addf %k2, %k2 : tensor<?x1x32xf32>
  "test.use"(%s) : (tensor<?x1x32xf32>) -> ()
  // expected-remark @+1 {{others read the result of flow.rope}}
  %k3, %v3 = flow.kv_append %k2, %vh into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @q : tensor<64x64xf32>
  flow.weight @k : tensor<32x64xf32>
  flow.weight @v : tensor<32x64xf32>
  flow.weight @n : tensor<32xf32>
}
func.func @query_used_before(%x: tensor<?x64xf32>, %y: tensor<?x64xf32>, %a: tensor<?x16x2xf32>, %b: tensor<?x16x2xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index, %rows: index) -> tensor<?x2x32xf32> {
  %wq = flow.weight_ref @m::@q : tensor<64x64xf32>
  %wk = flow.weight_ref @m::@k : tensor<32x64xf32>
  %wv = flow.weight_ref @m::@v : tensor<32x64xf32>
  %wn = flow.weight_ref @m::@n : tensor<32xf32>
  %q = flow.linear %x, %wq : tensor<?x64xf32>, tensor<64x64xf32> -> tensor<?x64xf32>
  %k = flow.linear %x, %wk : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %v = flow.linear %x, %wv : tensor<?x64xf32>, tensor<32x64xf32> -> tensor<?x32xf32>
  %qh = tensor.expand_shape %q [[0], [1, 2]] output_shape [%rows, 2, 32] : tensor<?x64xf32> into tensor<?x2x32xf32>
  %kh = tensor.expand_shape %k [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %vh = tensor.expand_shape %v [[0], [1, 2]] output_shape [%rows, 1, 32] : tensor<?x32xf32> into tensor<?x1x32xf32>
  %q2 = flow.rope %qh, %a : tensor<?x2x32xf32>, tensor<?x16x2xf32>
  %k2 = flow.rope %kh, %a : tensor<?x1x32xf32>, tensor<?x16x2xf32>
  "test.use"(%q2) : (tensor<?x2x32xf32>) -> ()
  // expected-remark @+1 {{the queries are read before the cache is written}}
  %k3, %v3 = flow.kv_append %k2, %vh into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q2 at %start, %k3, %v3 total %count mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}
