// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions))' | FileCheck %s

// A pair of each of 12 rows meets the 32 pairs of a panel.
// CHECK-LABEL: func.func @rows
// CHECK-NOT: linalg
// CHECK: scf.forall (%[[PANEL:.*]]) in (4)
// CHECK: vector.transfer_read {{.*}}[%[[PANEL]], %[[PAIR:.*]], %{{.*}}]{{.*}} : tensor<4x32x64xbf16>, vector<64xbf16>
// CHECK: vector.transfer_read {{.*}} : tensor<?x64xbf16>, vector<2xbf16>
// CHECK: vector.contract {{.*}} : vector<32x2xf32>, vector<2xf32> into vector<32xf32>
// CHECK-COUNT-11: vector.contract
// CHECK-NOT: vector.contract
// CHECK: tensor.parallel_insert_slice
func.func @rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<bf16>>) -> tensor<?x128xf32> {
  %r = flow.quantize_rows %x : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  %y = flow.linear %r, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<128x64xf32, #flow.panels<bf16>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}
