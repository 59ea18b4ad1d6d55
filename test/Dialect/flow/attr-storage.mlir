// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

// flow.storage outside its op.
#stored = #flow<storage q8_0>

// CHECK-LABEL: @storage
// CHECK-SAME: a = #flow<storage q8_0>
func.func private @storage() attributes {a = #stored}

// CHECK-LABEL: @every_name
func.func private @every_name() attributes {names = [
  // CHECK-SAME: #flow<storage f32>
  #flow<storage f32>,
  // CHECK-SAME: #flow<storage f16>
  #flow<storage f16>,
  // CHECK-SAME: #flow<storage bf16>
  #flow<storage bf16>,
  // CHECK-SAME: #flow<storage q4_0>
  #flow<storage q4_0>,
  // CHECK-SAME: #flow<storage q4_1>
  #flow<storage q4_1>,
  // CHECK-SAME: #flow<storage q5_0>
  #flow<storage q5_0>,
  // CHECK-SAME: #flow<storage q5_1>
  #flow<storage q5_1>,
  // CHECK-SAME: #flow<storage q8_0>
  #flow<storage q8_0>,
  // CHECK-SAME: #flow<storage q2_k>
  #flow<storage q2_k>,
  // CHECK-SAME: #flow<storage q3_k>
  #flow<storage q3_k>,
  // CHECK-SAME: #flow<storage q4_k>
  #flow<storage q4_k>,
  // CHECK-SAME: #flow<storage q5_k>
  #flow<storage q5_k>,
  // CHECK-SAME: #flow<storage q6_k>
  #flow<storage q6_k>,
  // CHECK-SAME: #flow<storage iq4_nl>
  #flow<storage iq4_nl>,
  // CHECK-SAME: #flow<storage iq4_xs>
  #flow<storage iq4_xs>
]}
