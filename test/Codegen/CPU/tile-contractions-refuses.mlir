// RUN: flow-opt %s --pass-pipeline='builtin.module(func.func(cpu-tile-contractions))' --split-input-file --verify-diagnostics

func.func @plain_matmul(%a: tensor<4x8xf32>, %b: tensor<8x4xf32>, %c: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // expected-error @+1 {{is left: it is no product on packed panels that can be tiled}}
  %r = linalg.matmul ins(%a, %b : tensor<4x8xf32>, tensor<8x4xf32>) outs(%c : tensor<4x4xf32>) -> tensor<4x4xf32>
  return %r : tensor<4x4xf32>
}
