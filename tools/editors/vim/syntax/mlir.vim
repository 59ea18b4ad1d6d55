" MLIR with the words of the dialect `flow`.
" Written by tools/editors/make_grammars.py.

if exists('b:current_syntax')
  finish
endif

syntax match mlirNumber /-\?\<\d\+\%(\.\d*\%([eE][-+]\?\d\+\)\?\)\?/
syntax match mlirNumber /\<0x\x\+\>/
syntax match mlirNumber /\%(\<\d\+\|?\)\%(x\%(\d\+\|?\)\)*x\ze[A-Za-z!]/
syntax match flowClause /\<\%(at\|attention\|bf16_embedding_scale\|blocks\|branch_scale\|by\|cache\|capacity\|count\|eps\|factor\|feed_forward\|from\|grid\|groups\|head_dim\|hidden\|into\|k_eq_v\|kv_heads\|layer_scalar\|mask\|norms\|pairs\|part\|per_layer\|ring\|rope\|rows\|scale\|sequences\|shared\|single_rows\|softcap\|spans\|step\|storage\|sum_scale\|theta\|threads\|to\|total\|type\|unit_offset\|updates\|v_norm\)\>/
syntax match flowCase /\<\%(bf16\|causal\|concat\|f16\|f32\|free\|full\|i8\|interleave\|iq4_nl\|iq4_xs\|none\|pre\|q2_k\|q3_k\|q4_0\|q4_1\|q4_k\|q5_0\|q5_1\|q5_k\|q6_k\|q8_0\|row\|sandwich\|span\|total\|window\|windowed\|zero\)\>/
syntax match mlirConstant /\<\%(true\|false\|unit\|dense\|dense_resource\)\>/
syntax match mlirKeyword /\<\%(affine_map\|affine_set\|attributes\|loc\|module\|private\|public\)\>/
syntax match mlirType /\%(\<\|\%([0-9?]x\)\@2<=\)\%([su]\?i\d\+\|f8E\w\+\|\%(index\|none\|bf16\|tf32\|f16\|f32\|f64\|f80\|f128\|tensor\|memref\|vector\|complex\|tuple\)\)\>/
syntax match flowParameter /\<\%(bits\|block\|eps\|expert_width\|experts\|final_softcap\|first\|head_dim\|heads\|hidden\|k_eq_v\|kind\|kv_heads\|last\|leading\|min\|offset\|pattern\|positions\|qk_norm\|scale\|size\|softcap\|spans\|top_k\|v_norm\|value\|vocab\|width\|window\)\>\ze\s*=/
syntax match mlirOp /\<[a-z_]\w*\.[a-z_][0-9A-Za-z_.]*/
syntax match mlirAlias /[#!]\h[0-9A-Za-z_$.]*/
syntax match mlirBlock /\^[0-9A-Za-z_$.]\+/
syntax match mlirSymbol /@[0-9A-Za-z_$.]\+/
syntax match mlirValue /%[0-9A-Za-z_$.#-]\+/
syntax match flowAttribute /#flow[.<]\%(attention\|bf16_rows\|combine\|feed_forward\|hyper\|key_blocks\|mask\|norm_placement\|panels\|quantized_rows\|storage\|weight_blocks\)\>/
syntax match flowOp /\<flow\.\%(add_rms_norm\|attention\|cache_ref\|derived_weight\|embed\|gated_mlp\|geglu\|grouped_mlp\|kv_append\|kv_cache\|launch\|layer\|linear\|lm_head\|lm_head_top_k\|model\|moe\|per_layer_gate\|qkv_rope_append\|quantize_rows\|rms_norm\|rope\|rope_angles\|rope_table\|route_experts\|router\|scale\|top_k\|weight\|weight_ref\)\>/
syntax region mlirString start=/"/ skip=/\\./ end=/"/ oneline
syntax match mlirComment +//.*$+ contains=@Spell

highlight default link mlirNumber Number
highlight default link flowClause Keyword
highlight default link flowCase Constant
highlight default link mlirConstant Constant
highlight default link mlirKeyword Keyword
highlight default link mlirType Type
highlight default link flowParameter Special
highlight default link mlirOp Statement
highlight default link mlirAlias PreProc
highlight default link mlirBlock Label
highlight default link mlirSymbol Function
highlight default link mlirValue Identifier
highlight default link flowAttribute Structure
highlight default link flowOp Statement
highlight default link mlirString String
highlight default link mlirComment Comment

let b:current_syntax = 'mlir'
