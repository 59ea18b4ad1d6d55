// RUN: flow-opt %s --flow-plan-numerics | FileCheck %s

// Integer blocks and bf16 are multiplied as they are; other floats in f32.
flow.model @m <hidden = 256, vocab = 512, positions = 256> {
  flow.weight @q4_0 : tensor<32x256xf32> storage q4_0
  flow.weight @q4_1 : tensor<32x256xf32> storage q4_1
  flow.weight @q5_0 : tensor<32x256xf32> storage q5_0
  flow.weight @q5_1 : tensor<32x256xf32> storage q5_1
  flow.weight @q8_0 : tensor<32x256xf32> storage q8_0
  flow.weight @q2_k : tensor<32x256xf32> storage q2_k
  flow.weight @q3_k : tensor<32x256xf32> storage q3_k
  flow.weight @q4_k : tensor<32x256xf32> storage q4_k
  flow.weight @q5_k : tensor<32x256xf32> storage q5_k
  flow.weight @q6_k : tensor<32x256xf32> storage q6_k
  flow.weight @iq4_nl : tensor<32x256xf32> storage iq4_nl
  flow.weight @iq4_xs : tensor<32x256xf32> storage iq4_xs
  flow.weight @f32 : tensor<32x256xf32> storage f32
  flow.weight @f16 : tensor<32x256xf32> storage f16
  flow.weight @bf16 : tensor<32x256xf32> storage bf16
}
// CHECK-LABEL: @storages
func.func @storages(%x: tensor<1x256xf32>) -> (tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>) {
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q4_0
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q4_0 = flow.weight_ref @m::@q4_0 : tensor<32x256xf32>
  %y_q4_0 = flow.linear %x, %w_q4_0 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q4_1
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q4_1 = flow.weight_ref @m::@q4_1 : tensor<32x256xf32>
  %y_q4_1 = flow.linear %x, %w_q4_1 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q5_0
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q5_0 = flow.weight_ref @m::@q5_0 : tensor<32x256xf32>
  %y_q5_0 = flow.linear %x, %w_q5_0 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q5_1
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q5_1 = flow.weight_ref @m::@q5_1 : tensor<32x256xf32>
  %y_q5_1 = flow.linear %x, %w_q5_1 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q8_0
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q8_0 = flow.weight_ref @m::@q8_0 : tensor<32x256xf32>
  %y_q8_0 = flow.linear %x, %w_q8_0 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q2_k
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q2_k = flow.weight_ref @m::@q2_k : tensor<32x256xf32>
  %y_q2_k = flow.linear %x, %w_q2_k : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q3_k
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q3_k = flow.weight_ref @m::@q3_k : tensor<32x256xf32>
  %y_q3_k = flow.linear %x, %w_q3_k : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q4_k
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q4_k = flow.weight_ref @m::@q4_k : tensor<32x256xf32>
  %y_q4_k = flow.linear %x, %w_q4_k : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q5_k
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q5_k = flow.weight_ref @m::@q5_k : tensor<32x256xf32>
  %y_q5_k = flow.linear %x, %w_q5_k : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@q6_k
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_q6_k = flow.weight_ref @m::@q6_k : tensor<32x256xf32>
  %y_q6_k = flow.linear %x, %w_q6_k : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@iq4_nl
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_iq4_nl = flow.weight_ref @m::@iq4_nl : tensor<32x256xf32>
  %y_iq4_nl = flow.linear %x, %w_iq4_nl : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@iq4_xs
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "i8"}
  %w_iq4_xs = flow.weight_ref @m::@iq4_xs : tensor<32x256xf32>
  %y_iq4_xs = flow.linear %x, %w_iq4_xs : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@f32
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "f32"}
  %w_f32 = flow.weight_ref @m::@f32 : tensor<32x256xf32>
  %y_f32 = flow.linear %x, %w_f32 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@f16
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "f32"}
  %w_f16 = flow.weight_ref @m::@f16 : tensor<32x256xf32>
  %y_f16 = flow.linear %x, %w_f16 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  // CHECK: %[[W:.*]] = flow.weight_ref @m::@bf16
  // CHECK-NEXT: flow.linear %{{.*}}, %[[W]] {flow.arithmetic = "bf16"}
  %w_bf16 = flow.weight_ref @m::@bf16 : tensor<32x256xf32>
  %y_bf16 = flow.linear %x, %w_bf16 : tensor<1x256xf32>, tensor<32x256xf32> -> tensor<1x32xf32>
  return %y_q2_k, %y_q3_k, %y_q4_0, %y_q4_1, %y_q5_0, %y_q5_1, %y_q8_0, %y_q4_k, %y_q5_k, %y_q6_k, %y_iq4_nl, %y_iq4_xs, %y_f32, %y_f16, %y_bf16 : tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>, tensor<1x32xf32>
}
