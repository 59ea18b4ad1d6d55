// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions))' | FileCheck %s
// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions{rows-f32=6 columns-f32=16}))' | FileCheck %s --check-prefix=SMALL
// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions{rows-f32=4 row-unit=1}))' | FileCheck %s --check-prefix=ANY

// CHECK-LABEL: func.func @rows
// CHECK-NOT: {{linalg|memref.prefetch}}
// CHECK: scf.forall (%[[PANEL:.*]]) in (4)
// CHECK: scf.for
// CHECK: scf.for
// CHECK: vector.transfer_read {{.*}}[%[[PANEL]], %[[K:.*]], %{{.*}}]{{.*}} : tensor<4x64x32xf32>, vector<32xf32>
// CHECK-COUNT-12: vector.fma
// CHECK-NOT: vector.fma
// CHECK: tensor.parallel_insert_slice
// SMALL-LABEL: func.func @rows
// SMALL: scf.for %[[COLUMN:.*]] = %c0{{.*}} to %c32{{.*}} step %c16
// SMALL: vector.transfer_read {{.*}}[%{{.*}}, %{{.*}}, %[[COLUMN]]]{{.*}} vector<16xf32>
// SMALL-COUNT-6: vector.fma {{.*}} : vector<16xf32>
// SMALL-NOT: vector.fma
// SMALL: return
// Whole tiles of four rows, and then single ones.
// ANY-LABEL: func.func @rows
// ANY: %[[TILES:.*]] = arith.divui %[[ROWS:.*]], %c4{{.*}} : index
// ANY: %[[WHOLE:.*]] = arith.muli %[[TILES]], %c4{{.*}} : index
// ANY: scf.for %{{.*}} = %{{.*}} to %[[WHOLE]] step %c4{{.*}} iter_args
// ANY-COUNT-4: vector.fma
// ANY-NOT: vector.fma
// ANY: scf.for %{{.*}} = %[[WHOLE]] to %[[ROWS]] step %c1{{.*}} iter_args
// ANY-COUNT-1: vector.fma
// ANY-NOT: vector.fma
// ANY: return
func.func @rows(%x: tensor<?x64xf32>, %w: tensor<128x64xf32, #flow.panels<f32>>) -> tensor<?x128xf32> {
  %y = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<?x128xf32>
  return %y : tensor<?x128xf32>
}

// One row needs no loop over tiles, and asks for the weights eight rows of a
// panel ahead.
// SMALL-LABEL: func.func @one_row
// SMALL: vector.fma {{.*}} : vector<32xf32>
// CHECK-LABEL: func.func @one_row
// CHECK: scf.forall (%[[PANEL:.*]]) in (4)
// CHECK: scf.for %[[K:.*]] = %c0
// CHECK: %[[AHEAD:.*]] = arith.addi %[[K]], %c8
// CHECK: memref.prefetch %[[BUFFER:.*]][%[[PANEL]], %[[AHEAD]], %c0{{.*}}], read, locality<3>, data : memref<4x64x32xf32, strided<[2048, 32, 1], offset: ?>>
// CHECK: memref.prefetch %[[BUFFER]][%[[PANEL]], %{{.*}}, %c16{{.*}}]
// CHECK-NOT: memref.prefetch
// CHECK-COUNT-1: vector.fma
// CHECK-NOT: vector.fma
// CHECK: return
func.func @one_row(%x: tensor<1x64xf32>, %w: tensor<128x64xf32, #flow.panels<f32>>) -> tensor<1x128xf32> {
  %y = flow.linear %x, %w : tensor<1x64xf32>, tensor<128x64xf32, #flow.panels<f32>> -> tensor<1x128xf32>
  return %y : tensor<1x128xf32>
}
