// RUN: flow-opt %s --pass-pipeline='builtin.module(func.func(cpu-verify-buffers))' --split-input-file --verify-diagnostics

func.func @copies(%a: memref<4xf32>, %b: memref<4xf32>) {
  // expected-error @+1 {{is left: a result was not computed in its own buffer}}
  memref.copy %a, %b : memref<4xf32> to memref<4xf32>
  return
}

// -----

func.func @stores(%a: memref<4xf32>, %v: f32) {
  %c0 = arith.constant 0 : index
  memref.store %v, %a[%c0] : memref<4xf32>
  return
}
