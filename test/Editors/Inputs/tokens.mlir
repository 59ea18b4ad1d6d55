// A comment with flow.rms_norm in it.
flow.layer @layer0 norms sandwich
    mask <causal, window = 512>
%y = flow.rms_norm %total scale %w : tensor<4x?xbf16, #flow.panels<i8>>
#joined = #flow<combine interleave>
func.func @"a flow.top_k"() { flow.no_such_op 1.0e-05 }
