// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}

// CHECK-LABEL: @cache_ref
func.func @cache_ref() {
  // CHECK: %{{.*}}, %{{.*}} = flow.cache_ref @tiny::@kv0 : tensor<?x1x32xf32>
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x1x32xf32>
  return
}

// CHECK-LABEL: @slots
func.func @slots() {
  // CHECK: flow.cache_ref @tiny::@kv0 : tensor<?x?x1x32xf32>
  %k, %v = flow.cache_ref @tiny::@kv0 : tensor<?x?x1x32xf32>
  return
}
