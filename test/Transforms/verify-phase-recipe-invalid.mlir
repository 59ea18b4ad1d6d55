// RUN: flow-opt %s --flow-verify-phase=phase=recipe --split-input-file --verify-diagnostics

// expected-error @+1 {{a recipe holds one flow.model, found 0}}
module {}

// -----

// expected-error @+1 {{a recipe holds one flow.model, found 2}}
module {
  flow.model @a <hidden = 64, vocab = 512, positions = 256> {
  }
  flow.model @b <hidden = 64, vocab = 512, positions = 256> {
  }
}

// -----

flow.model @m <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @w : tensor<64xf32>
}
// expected-error @+1 {{stands outside functions in a recipe}}
%w = flow.weight_ref @m::@w : tensor<64xf32>
