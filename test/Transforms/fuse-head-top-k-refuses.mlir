// RUN: flow-opt %s --flow-fuse-head-top-k --remarks-filter=flow-fuse-head-top-k \
// RUN:   --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: @no_head
func.func @no_head(%l: tensor<?x512xf32>) -> tensor<?x8xf32> {
  // CHECK: flow.top_k
  // expected-remark @below {{[Missed] head-top-k-not-fused | Category:flow-fuse-head-top-k | Reason="the values are not the logits of a head"}}
  %v, %i = flow.top_k %l : tensor<?x512xf32> -> tensor<?x8xf32>
  return %v : tensor<?x8xf32>
}

// -----

// CHECK-LABEL: @read_by_others
func.func @read_by_others(%x: tensor<?x64xf32>, %w: tensor<512x64xf32>) -> (tensor<?x8xf32>, tensor<?x512xf32>) {
  %l = flow.lm_head %x, %w : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  // CHECK: flow.top_k
  // expected-remark @below {{[Missed] head-top-k-not-fused | Category:flow-fuse-head-top-k | Reason="others read the logits"}}
  %v, %i = flow.top_k %l : tensor<?x512xf32> -> tensor<?x8xf32>
  return %v, %l : tensor<?x8xf32>, tensor<?x512xf32>
}

// -----

// CHECK-LABEL: @another_block
func.func @another_block(%x: tensor<?x64xf32>, %w: tensor<512x64xf32>, %c: i1, %o: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %l = flow.lm_head %x, %w : tensor<?x64xf32>, tensor<512x64xf32> -> tensor<?x512xf32>
  %r = scf.if %c -> tensor<?x8xf32> {
    // CHECK: flow.top_k
    // expected-remark @below {{[Missed] head-top-k-not-fused | Category:flow-fuse-head-top-k | Reason="the head stands in another block"}}
    %v, %i = flow.top_k %l : tensor<?x512xf32> -> tensor<?x8xf32>
    scf.yield %v : tensor<?x8xf32>
  } else {
    scf.yield %o : tensor<?x8xf32>
  }
  return %r : tensor<?x8xf32>
}
