// RUN: flow-opt %s --convert-flow-to-gpu | FileCheck %s

// Of many rows the choices are sorted by expert, on as many blocks an expert as
// have a tile each if it has twice its part; of one row the kernels find the
// weights by the numbers of the experts.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @embedding : tensor<512x64xf32>
  flow.weight @router : tensor<32x64xf32>
  flow.weight @scale : tensor<32xf32>
  flow.weight @gate_up : tensor<3072x64xf32>
  flow.weight @down : tensor<2048x48xf32>
  flow.weight @norm : tensor<64xf32>
}

// CHECK-LABEL: func.func @many_rows
// CHECK-SAME: (%{{.*}}: tensor<?xi32>, %[[START:.*]]: index, %[[ROWS:.*]]: index)
func.func @many_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) -> tensor<?x64xf32> {
  // CHECK-DAG: %[[ROUTER:.*]] = flow.weight_ref @tiny::@router : tensor<32x64xbf16>
  // CHECK-DAG: %[[SCALE:.*]] = flow.weight_ref @tiny::@scale : tensor<32xf32>
  // CHECK-DAG: %[[GATE_UP:.*]] = flow.weight_ref @tiny::@gate_up : tensor<3072x64xbf16>
  // CHECK-DAG: %[[DOWN:.*]] = flow.weight_ref @tiny::@down : tensor<2048x48xbf16>
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<?xi32>, tensor<512x64xf32> -> tensor<?x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@norm_64
  %n = flow.rms_norm %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %r = flow.weight_ref @tiny::@router : tensor<32x64xf32, #flow.panels<bf16>>
  %s = flow.weight_ref @tiny::@scale : tensor<32xf32>
  // CHECK: %[[LOGITS:.*]] = flow.launch @kernels::@rows_product_32x64_f32(%[[X]], %[[ROUTER]])
  // CHECK: %[[CHOICE:.*]]:2 = flow.launch @kernels::@router_4_of_32_3e000000(%[[LOGITS]], %[[SCALE]]) grid [rows, 1, 1] threads 32 : (tensor<?x32xf32>, tensor<32xf32>) -> (tensor<?x4xi32>, tensor<?x4xf32>)
  %experts, %shares = flow.router %n, %r scale %s factor 1.25e-01 : tensor<?x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<32xf32> -> tensor<?x4xi32>
  %gu = flow.weight_ref @tiny::@gate_up : tensor<3072x64xf32, #flow.panels<bf16>>
  %d = flow.weight_ref @tiny::@down : tensor<2048x48xf32, #flow.panels<bf16>>
  // CHECK: %[[ORDER:.*]]:2 = flow.launch @kernels::@expert_order_4(%[[CHOICE]]#0) step(%[[START]], %[[ROWS]]) grid [32, 1, 1] threads 128 shared 1024 : (tensor<?x4xi32>) -> (tensor<?x4xi32>, tensor<32x2xi32>)
  // CHECK: %[[HIDDEN:.*]] = flow.launch @kernels::@experts_4_rows_product_96x64_gated(%[[X]], %[[GATE_UP]], %[[ORDER]]#0, %[[ORDER]]#1) grid [1, 32, rows * 8 per 2048] threads 128 shared 36864 : (tensor<?x64xbf16>, tensor<3072x64xbf16>, tensor<?x4xi32>, tensor<32x2xi32>) -> tensor<?x192xbf16>
  // CHECK: %[[PARTS:.*]] = flow.launch @kernels::@experts_1_rows_product_64x48_f32(%[[HIDDEN]], %[[DOWN]], %[[ORDER]]#0, %[[ORDER]]#1) grid [1, 32, rows * 8 per 2048] threads 128 shared 36864 : {{.*}} -> tensor<?x256xf32>
  // CHECK: %[[SUM:.*]] = flow.launch @kernels::@expert_sum_4x64(%[[PARTS]], %[[CHOICE]]#1) grid [rows, 1, 1] threads 128 : (tensor<?x256xf32>, tensor<?x4xf32>) -> tensor<?x64xf32>
  %y = flow.grouped_mlp %n to %experts by %shares, %gu, %d hidden(#flow.bf16_rows) : tensor<?x64xf32, #flow.bf16_rows>, tensor<?x4xi32>, tensor<3072x64xf32, #flow.panels<bf16>>, tensor<2048x48xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  // CHECK: return %[[SUM]]
  return %y : tensor<?x64xf32>
}

// CHECK-LABEL: func.func @one_row
func.func @one_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x64xf32> {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@norm_64
  %n = flow.rms_norm %x : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %r = flow.weight_ref @tiny::@router : tensor<32x64xf32, #flow.panels<bf16>>
  %s = flow.weight_ref @tiny::@scale : tensor<32xf32>
  // CHECK: %[[LOGITS:.*]] = flow.launch @kernels::@vector_product_32x64_f32(
  // CHECK: %[[CHOICE:.*]]:2 = flow.launch @kernels::@router_4_of_32_3e000000(%[[LOGITS]], {{.*}}) grid [1, 1, 1]
  %experts, %shares = flow.router %n, %r scale %s factor 1.25e-01 : tensor<1x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<32xf32> -> tensor<1x4xi32>
  %gu = flow.weight_ref @tiny::@gate_up : tensor<3072x64xf32, #flow.panels<bf16>>
  %d = flow.weight_ref @tiny::@down : tensor<2048x48xf32, #flow.panels<bf16>>
  // CHECK: %[[HIDDEN:.*]] = flow.launch @kernels::@experts_vector_product_96x64_gated(%[[X]], %{{.*}}, %[[CHOICE]]#0) grid [12, 4, 1] threads 128 shared 16384 : (tensor<1x64xbf16>, tensor<3072x64xbf16>, tensor<1x4xi32>) -> tensor<1x192xbf16>
  // CHECK: %[[SUM:.*]] = flow.launch @kernels::@experts_4_vector_product_64x48_f32(%[[HIDDEN]], %{{.*}}, %[[CHOICE]]#0, %[[CHOICE]]#1) grid [16, 1, 1] threads 128 shared 16384 : {{.*}} -> tensor<1x64xf32>
  %y = flow.grouped_mlp %n to %experts by %shares, %gu, %d hidden(#flow.bf16_rows) : tensor<1x64xf32, #flow.bf16_rows>, tensor<1x4xi32>, tensor<3072x64xf32, #flow.panels<bf16>>, tensor<2048x48xf32, #flow.panels<bf16>> -> tensor<1x64xf32>
  // CHECK: return %[[SUM]]
  return %y : tensor<1x64xf32>
}

// The router's product norms its row; the product behind a dense MLP and experts
// norms what each of the two gives, and adds them.
// CHECK-LABEL: func.func @norms_of_a_row
func.func @norms_of_a_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> (tensor<1x4xi32>, tensor<1x4xf32>, tensor<1x32xf32>, tensor<1x64xf32>) {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  // CHECK: %[[X:.*]] = flow.launch @kernels::@embed_64_
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  // CHECK: %[[Y:.*]] = flow.launch @kernels::@embed_64_
  %y = flow.embed %tokens, %table scale 2.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %w = flow.weight_ref @tiny::@norm : tensor<64xf32>
  %n = flow.rms_norm %x scale %w : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  %r = flow.weight_ref @tiny::@router : tensor<32x64xf32, #flow.panels<bf16>>
  %s = flow.weight_ref @tiny::@scale : tensor<32xf32>
  // CHECK-NEXT: %[[LOGITS:.*]] = flow.launch @kernels::@norm_64_358637bd_weighted_bf16_vector_product_32x64_f32(%[[X]], %[[W:[0-9]*]], %[[ROUTER:[0-9]*]]) {{.*}} -> tensor<1x32xf32>
  // CHECK-NEXT: flow.launch @kernels::@router_4_of_32_3e000000(%[[LOGITS]],
  %experts, %shares = flow.router %n, %r scale %s factor 1.25e-01 : tensor<1x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>>, tensor<32xf32> -> tensor<1x4xi32>
  %first = flow.rms_norm %x scale %w : tensor<1x64xf32>, tensor<64xf32>
  %second = flow.rms_norm %y scale %w : tensor<1x64xf32>, tensor<64xf32>
  %both = arith.addf %first, %second : tensor<1x64xf32>
  %sum, %normed = flow.add_rms_norm %x, %both branch_scale %w scale %w : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  // CHECK-NEXT: %[[Z:.*]]:2 = flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16_parts358637bd_branch358637bd_vector_product_32x64_f32(%[[X]], %[[X]], %[[W]], %[[Y]], %[[W]], %[[W]], %[[W]], %[[ROUTER]])
  %z = flow.linear %normed, %r : tensor<1x64xf32, #flow.bf16_rows>, tensor<32x64xf32, #flow.panels<bf16>> -> tensor<1x32xf32>
  // CHECK-NEXT: return {{.*}}, %[[Z]]#1, %[[Z]]#0
  return %experts, %shares, %z, %sum : tensor<1x4xi32>, tensor<1x4xf32>, tensor<1x32xf32>, tensor<1x64xf32>
}

// Parts whose eps differ are added by a launch of its own.
// CHECK-LABEL: func.func @parts_apart
func.func @parts_apart(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x64xf32> {
  %table = flow.weight_ref @tiny::@embedding : tensor<512x64xf32>
  %x = flow.embed %tokens, %table scale 8.0 : tensor<1xi32>, tensor<512x64xf32> -> tensor<1x64xf32>
  %w = flow.weight_ref @tiny::@norm : tensor<64xf32>
  // CHECK: %[[FIRST:.*]] = flow.launch @kernels::@norm_64_358637bd_weighted_f32(
  %first = flow.rms_norm %x scale %w : tensor<1x64xf32>, tensor<64xf32>
  // CHECK-NEXT: %[[SECOND:.*]] = flow.launch @kernels::@norm_64_3a83126f_weighted_f32(
  %second = flow.rms_norm %x scale %w eps 1.0e-03 : tensor<1x64xf32>, tensor<64xf32>
  // CHECK-NEXT: flow.launch @kernels::@add_64(%[[FIRST]], %[[SECOND]])
  %both = arith.addf %first, %second : tensor<1x64xf32>
  // CHECK-NEXT: flow.launch @kernels::@sum_norm_64_358637bd_weighted_bf16(
  %sum, %normed = flow.add_rms_norm %x, %both scale %w : tensor<1x64xf32>, tensor<64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  return %sum : tensor<1x64xf32>
}
