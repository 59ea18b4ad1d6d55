// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  // CHECK: flow.kv_cache @kv0 kv_heads 1 head_dim 256{{$}}
  flow.kv_cache @kv0 kv_heads 1 head_dim 256
  // CHECK: flow.kv_cache @kv1 kv_heads 1 head_dim 256 ring 512
  flow.kv_cache @kv1 kv_heads 1 head_dim 256 ring 512
  // CHECK: flow.kv_cache @kv2 kv_heads 1 head_dim 256 type f16{{$}}
  flow.kv_cache @kv2 kv_heads 1 head_dim 256 type f16
  // CHECK: flow.kv_cache @kv3 kv_heads 1 head_dim 256 type bf16 ring 512
  flow.kv_cache @kv3 kv_heads 1 head_dim 256 type bf16 ring 512
}
