// RUN: flow-opt %s --flow-share-layers | FileCheck %s

// Scalars are made where they are needed; caches leave the function again.
// CHECK-LABEL: func.func @step
// CHECK: %[[K:.*]], %[[V:.*]] = flow.cache_ref
// CHECK: call @step_layer0(%[[K]], %[[V]], %{{.*}}, %{{.*}}, %{{.*}}) : (tensor<?x1x32xf32>, tensor<?x1x32xf32>, index, index, tensor<?x2x32xf32>) -> (tensor<?x2x32xf32>, tensor<?x1x32xf32>, tensor<?x1x32xf32>)
// CHECK-LABEL: func.func private @step_layer0
// CHECK: arith.addi
// CHECK: flow.attention
flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.kv_cache @kv0 kv_heads 1 head_dim 32
}
func.func @step(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %start: index, %count: index) -> tensor<?x2x32xf32> {
  %total = arith.addi %start, %count : index
  %kc, %vc = flow.cache_ref @m::@kv0 : tensor<?x1x32xf32>
  %k1, %v1 = flow.kv_append %kc, %vc into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32> loc("layer0/append")
  %o = flow.attention %q at %start, %k1, %v1 total %total mask <causal> scale 1.0 : tensor<?x2x32xf32>, tensor<?x1x32xf32> loc("layer0/attend")
  return %o : tensor<?x2x32xf32>
}
