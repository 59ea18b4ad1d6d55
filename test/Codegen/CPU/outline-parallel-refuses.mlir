// RUN: flow-opt %s --cpu-outline-parallel --split-input-file --verify-diagnostics

// expected-error @+1 {{must have the runtime context as its first argument}}
func.func @no_context(%a: memref<?xf32>, %v: f32, %n: index) {
  scf.forall (%i) in (%n) {
    memref.store %v, %a[%i] : memref<?xf32>
  }
  return
}

// -----

func.func @results(%context: !llvm.ptr, %a: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  // expected-error @+1 {{without results to be outlined}}
  %r = scf.forall (%i) in (4) shared_outs(%o = %a) -> (tensor<4xf32>) {
    %s = tensor.extract_slice %o[%i] [1] [1] : tensor<4xf32> to tensor<1xf32>
    scf.forall.in_parallel {
      tensor.parallel_insert_slice %s into %o[%i] [1] [1] : tensor<1xf32> into tensor<4xf32>
    }
  }
  return %r : tensor<4xf32>
}

// -----

func.func @two_dimensions(%context: !llvm.ptr, %a: memref<?x?xf32>, %v: f32, %n: index) {
  // expected-error @+1 {{must be one loop from 0 in steps of 1}}
  scf.forall (%i, %j) in (%n, %n) {
    memref.store %v, %a[%i, %j] : memref<?x?xf32>
  }
  return
}
