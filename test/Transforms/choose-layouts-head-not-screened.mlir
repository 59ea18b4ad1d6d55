// RUN: flow-opt %s --flow-plan-numerics --flow-choose-layouts --remarks-filter=flow-choose-layouts \
// RUN:   --split-input-file --verify-diagnostics

flow.model @m <hidden = 64, vocab = 4096, positions = 256> {
  flow.weight @w : tensor<4096x64xf32> storage q8_0
}
func.func @rows(%x: tensor<?x64xf32>) -> tensor<?x1xf32> {
  %w = flow.weight_ref @m::@w : tensor<4096x64xf32>
  // expected-remark @below {{[Missed] head-not-screened | Category:flow-choose-layouts | Remark="there are several rows"}}
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<?x64xf32>, tensor<4096x64xf32> -> tensor<?x1xf32>
  return %v : tensor<?x1xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 4096, positions = 256> {
  flow.weight @w : tensor<4096x64xf32> storage q8_0
}
func.func @many(%x: tensor<1x64xf32>) -> tensor<1x65xf32> {
  %w = flow.weight_ref @m::@w : tensor<4096x64xf32>
  // expected-remark @below {{head-not-screened | Category:flow-choose-layouts | Remark="too many rows may be candidates"}}
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x65xf32>
  return %v : tensor<1x65xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<512x64xf32> storage q8_0
}
func.func @few_panels(%x: tensor<1x64xf32>) -> tensor<1x17xf32> {
  %w = flow.weight_ref @m::@w : tensor<512x64xf32>
  // expected-remark @below {{head-not-screened | Category:flow-choose-layouts | Remark="there are more candidates than panels"}}
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<512x64xf32> -> tensor<1x17xf32>
  return %v : tensor<1x17xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 4096, positions = 256> {
  flow.weight @w : tensor<4096x64xf32> storage q8_0
}
func.func @others(%x: tensor<1x64xf32>, %y: tensor<?x64xf32>) -> (tensor<1x1xf32>, tensor<?x4096xf32>) {
  %w = flow.weight_ref @m::@w : tensor<4096x64xf32>
  // expected-remark @below {{head-not-screened | Category:flow-choose-layouts | Remark="others read all of it"}}
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x1xf32>
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %l = flow.lm_head %y, %w : tensor<?x64xf32>, tensor<4096x64xf32> -> tensor<?x4096xf32>
  return %v, %l : tensor<1x1xf32>, tensor<?x4096xf32>
}

// -----

flow.model @m <hidden = 64, vocab = 4096, positions = 256> {
  flow.weight @w : tensor<4096x64xf32> storage q8_0
}
func.func @two_numbers(%x: tensor<1x64xf32>) -> (tensor<1x1xf32>, tensor<1x2xf32>) {
  %w = flow.weight_ref @m::@w : tensor<4096x64xf32>
  // expected-remark @below {{head-not-screened | Category:flow-choose-layouts | Remark="heads ask for different numbers"}}
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x1xf32>
  // expected-remark @below {{head-not-screened | Category:flow-choose-layouts | Remark="heads ask for different numbers"}}
  // expected-remark @below {{@w is packed as #flow.panels<i8, block = 32>"}}
  %u, %j = flow.lm_head_top_k %x, %w : tensor<1x64xf32>, tensor<4096x64xf32> -> tensor<1x2xf32>
  return %v, %u : tensor<1x1xf32>, tensor<1x2xf32>
}
