// Names of stages are locations, and survive text and bytecode.
// RUN: flow-opt %s --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s
// RUN: flow-opt %s --emit-bytecode | flow-opt --mlir-print-debuginfo --mlir-print-local-scope | FileCheck %s

// CHECK-LABEL: @named
func.func @named(%x: tensor<?x64xf32>, %w: tensor<128x64xf32>) {
  // CHECK: flow.linear {{.*}} loc("layer3/attention/q")
  %q = flow.linear %x, %w : tensor<?x64xf32>, tensor<128x64xf32> -> tensor<?x128xf32> loc("layer3/attention/q")
  return
}
