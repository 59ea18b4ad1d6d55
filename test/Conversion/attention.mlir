// RUN: flow-opt %s --convert-flow-to-linalg | FileCheck %s
// RUN: flow-opt %s --convert-flow-to-linalg=row-unit=1 | FileCheck %s --check-prefix=FEW

// A tile is 12 rows: 6 tokens by the 2 heads of one key/value head. Where rows
// are of any number, it is a token.

// CHECK-LABEL: func.func @windowed
// FEW-LABEL: func.func @windowed
// FEW: tensor.extract_slice {{.*}}[1, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<2x32xf32>
// FEW: tensor.empty({{.*}}) : tensor<2x?xf32>
func.func @windowed(%q: tensor<?x2x32xf32>, %k: tensor<?x1x32xf32>, %v: tensor<?x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) -> tensor<?x2x32xf32> {
  // CHECK: %[[NEW:.*]]:2 = scf.forall
  // CHECK: scf.forall
  // CHECK: tensor.extract_slice {{.*}}[6, 2, 32] [1, 1, 1] : tensor<?x2x32xf32> to tensor<6x2x32xf32>
  // CHECK: tensor.empty({{.*}}) : tensor<12x?xf32>
  // CHECK: vector.transfer_read %[[NEW]]#0
  // CHECK-COUNT-12: vector.fma
  // CHECK: math.exp
  // CHECK: vector.transfer_read %[[NEW]]#1
  // CHECK-COUNT-12: vector.fma
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<?x1x32xf32>, tensor<?x1x32xf32>
  %total = arith.addi %start, %count : index
  %o = flow.attention %q at %start, %k1, %v1 total %total mask <causal, window = 16> blocks <first = window, size = 32> scale 1.25e-01 : tensor<?x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<?x2x32xf32>
}

// The only row has one tile, so each pass is a loop: over the panels of keys,
// over the heads, and over the columns of the result.

// CHECK-LABEL: func.func @one_row
// CHECK: %[[NEW:.*]]:2 = scf.forall
// CHECK-NOT: math.tanh
// CHECK: tensor.empty({{.*}}) : tensor<2x?xf32>
// CHECK: %[[SCORES:.*]] = scf.forall {{.*}} -> (tensor<2x?xf32>) {
// CHECK: vector.transfer_read %[[NEW]]#0
// CHECK-COUNT-2: vector.fma
// CHECK: %[[WEIGHTS:.*]]:2 = scf.forall {{.*}} in (2) shared_outs(%{{.*}} = %[[SCORES]],
// CHECK: math.exp
// CHECK: scf.forall {{.*}} in (1)
// CHECK: vector.transfer_read %[[NEW]]#1
// CHECK-COUNT-2: vector.fma
// CHECK: return
func.func @one_row(%q: tensor<1x2x32xf32>, %k: tensor<1x1x32xf32>, %v: tensor<1x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) -> tensor<1x2x32xf32> {
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %total = arith.addi %start, %count : index
  %o = flow.attention %q at %start, %k1, %v1 total %total mask <causal> scale 1.25e-01 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}

// CHECK-LABEL: func.func @capped
// CHECK: math.tanh
// CHECK: arith.select
func.func @capped(%q: tensor<1x2x32xf32>, %k: tensor<1x1x32xf32>, %v: tensor<1x1x32xf32>, %kc: tensor<?x1x32xf32>, %vc: tensor<?x1x32xf32>, %start: index, %count: index) -> tensor<1x2x32xf32> {
  %k1, %v1 = flow.kv_append %k, %v into %kc, %vc at %start count %count : tensor<1x1x32xf32>, tensor<?x1x32xf32>
  %total = arith.addi %start, %count : index
  %o = flow.attention %q at %start, %k1, %v1 total %total mask <causal> scale 1.25e-01 softcap 5.0e+01 : tensor<1x2x32xf32>, tensor<?x1x32xf32>
  return %o : tensor<1x2x32xf32>
}
