// RUN: flow-opt %s --flow-plan-cache --remarks-filter=flow-plan-cache --split-input-file --verify-diagnostics | FileCheck %s

// A function may do with a cache what it likes.
flow.model @called <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32{{$}}
  // expected-remark @+2 {{@kv0 keeps every position: func.call reads it}}
  // expected-remark @+1 {{[Analysis] cache-size}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func private @look(tensor<?x1x32xf32>)
func.func @call(%q: tensor<?x2x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  %k, %v = flow.cache_ref @called::@kv0 : tensor<?x1x32xf32>
  func.call @look(%k) : (tensor<?x1x32xf32>) -> ()
  %o = flow.attention %q at %i, %k, %v total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

// What is appended to another cache is read as rows, all of them.
flow.model @copied <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32{{$}}
  // expected-remark @+2 {{@kv0 keeps every position: flow.kv_append reads it}}
  // expected-remark @+1 {{[Analysis] cache-size}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @copy(%q: tensor<?x2x32xf32>, %r: tensor<?x1x32xf32>, %c: tensor<?x1x32xf32>, %i: index) -> tensor<?x2x32xf32> {
  %k, %v = flow.cache_ref @copied::@kv0 : tensor<?x1x32xf32>
  %a, %b = flow.kv_append %k, %r into %c, %c at %i count %i : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %o = flow.attention %q at %i, %k, %v total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// -----

// A ring that the recipe claims would lose keys that this attention reads.
flow.model @claimed <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 32{{$}}
  // expected-remark @+2 {{@kv0 keeps every position: an attention without a window reads it}}
  // expected-remark @+1 {{[Analysis] cache-size}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32 ring 16
}
func.func @claim(%q: tensor<?x2x32xf32>, %i: index) -> (tensor<?x2x32xf32>, tensor<?x2x32xf32>) {
  %k, %v = flow.cache_ref @claimed::@kv0 : tensor<?x1x32xf32>
  %o = flow.attention %q at %i, %k, %v total %i mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  %p = flow.attention %q at %i, %k, %v total %i mask <causal, window = 16> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o, %p : tensor<?x2x32xf32>, tensor<?x2x32xf32>
}

// -----

// Nobody reads it, but a reference would hang in the air.
flow.model @named <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0
  // expected-remark @+1 {{no attention reads @kv0, but it is named}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @unread() {
  %k, %v = flow.cache_ref @named::@kv0 : tensor<?x1x32xf32>
  return
}
