// RUN: flow-opt %s --cpu-expand-math | FileCheck %s

// CHECK-LABEL: @exp_and_tanh
// CHECK-NOT: math.exp
// CHECK-NOT: math.tanh
// CHECK: math.fma
func.func @exp_and_tanh(%x: vector<32xf32>) -> (vector<32xf32>, vector<32xf32>) {
  %e = math.exp %x : vector<32xf32>
  %t = math.tanh %x : vector<32xf32>
  return %e, %t : vector<32xf32>, vector<32xf32>
}

// CHECK-LABEL: @others_stay
// CHECK: math.sqrt
// CHECK: math.log
func.func @others_stay(%x: f32, %y: vector<8xf32>) -> (f32, vector<8xf32>) {
  %s = math.sqrt %x : f32
  %l = math.log %y : vector<8xf32>
  return %s, %l : f32, vector<8xf32>
}
