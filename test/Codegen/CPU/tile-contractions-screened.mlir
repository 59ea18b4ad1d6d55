// RUN: flow-opt %s --pass-pipeline='builtin.module(convert-flow-to-linalg,func.func(cpu-tile-contractions))' | FileCheck %s

// Of one candidate: a loop that reads leading bits alone, and one that reads the
// low ones too where the first has not ruled a panel out.
// CHECK-LABEL: func.func @greedy
// CHECK-NOT: linalg
// CHECK: %[[MIDDLES:.*]]:2 = scf.for {{.*}} -> (tensor<4xf32>, tensor<4xf32>)
// CHECK: %[[BOUNDS:.*]]:2 = scf.forall (%{{.*}}) in (16) {{.*}} -> (tensor<16xf32>, tensor<16xf32>)
// CHECK-NOT: tensor<16x6x128xi8>, vector
// CHECK: vector.transfer_read {{.*}} : tensor<16x8x128xi8>, vector<128xi8>
// CHECK: vector.transfer_read {{.*}} : tensor<16x2x128xi8>, vector<128xi8>
// CHECK-NOT: tensor<16x6x128xi8>, vector
// CHECK: math.absf
// CHECK-NOT: tensor<16x6x128xi8>, vector
// CHECK: %[[BOUNDED:.*]] = arith.cmpf olt
// CHECK: arith.select %[[BOUNDED]]
// CHECK: tensor.parallel_insert_slice
// CHECK: scf.for {{.*}} iter_args
// CHECK: scf.forall (%{{.*}}) in (16) {{.*}} -> (tensor<1x512xf32>)
// CHECK: %[[MOST:.*]] = tensor.extract %[[BOUNDS]]#1
// CHECK: %[[BELOW:.*]] = arith.cmpf olt, %[[MOST]]
// CHECK: %[[ONCE:.*]] = arith.select %[[BELOW]], %{{.*}}, %{{.*}} : index
// CHECK: scf.for %{{.*}} to %[[ONCE]]
// CHECK-COUNT-3: vector.transfer_read {{.*}} : tensor<16x6x128xi8>, vector<128xi8>
// CHECK-NOT: math.absf
// CHECK: tensor.parallel_insert_slice
func.func @greedy(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 5>>) -> (tensor<1x1xf32>, tensor<1x1xi32>) {
  %v, %i = flow.lm_head_top_k %x, %w : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 5>> -> tensor<1x1xf32>
  return %v, %i : tensor<1x1xf32>, tensor<1x1xi32>
}

// With a cap the threshold is lower by what a cap may err.
// CHECK-LABEL: func.func @capped
// CHECK: %[[SLACK:.*]] = arith.constant 1.14440918E-4 : f32
// CHECK: arith.subf %{{.*}}, %[[SLACK]] : f32
// CHECK: scf.forall
// CHECK: math.tanh
// CHECK: arith.cmpf olt
// CHECK-COUNT-2: vector.transfer_read {{.*}} : tensor<16x4x128xi8>, vector<128xi8>
func.func @capped(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 6>>) -> (tensor<1x8xf32>, tensor<1x8xi32>) {
  %v, %i = flow.lm_head_top_k %x, %w softcap 3.0e+01 : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 6>> -> tensor<1x8xf32>
  return %v, %i : tensor<1x8xf32>, tensor<1x8xi32>
}

// Logits that others read are all there.
// CHECK-LABEL: func.func @logits
// CHECK-COUNT-1: scf.forall
// CHECK-NOT: scf.forall (
// CHECK-NOT: math.absf
// CHECK: return
func.func @logits(%x: tensor<1x64xf32, #flow.quantized_rows<block = 16>>, %w: tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 5>>) -> tensor<1x512xf32> {
  %l = flow.lm_head %x, %w : tensor<1x64xf32, #flow.quantized_rows<block = 16>>, tensor<512x64xf32, #flow.panels<i8, block = 32, leading = 5>> -> tensor<1x512xf32>
  return %l : tensor<1x512xf32>
}
