// RUN: flow-opt %s --split-input-file --verify-diagnostics

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C1)
func.func @unknown(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C1): @kernels::@other is no kernel of this module}}
  %y = flow.launch @kernels::@other(%x) grid [1, 1, 1] threads 32 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C1)
func.func @arguments(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C1): @kernels::@norm has 2 parameters, got 3 arguments}}
  %y = flow.launch @kernels::@norm(%x, %x) grid [1, 1, 1] threads 32 : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C2)
func.func @lost_update(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C2): the last results must have the types of the updated caches}}
  %y = flow.launch @kernels::@norm(%x) updates(%c : tensor<?x1x32xbf16>) grid [1, 1, 1] threads 32 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C3)
func.func @flat_grid(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C3): a grid has three dimensions, got 2}}
  %y = flow.launch @kernels::@norm(%x) grid [1, 1] threads 32 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C3)
func.func @empty_grid(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C3): dimension 1 of the grid must be positive, got 0 by 0}}
  %y = flow.launch @kernels::@norm(%x) grid [1, 0, 1] threads 32 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C3)
func.func @negative_divisor(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C3): dimension 0 of the grid must be positive, got 1 by -2}}
  %y = flow.launch @kernels::@norm(%x) grid [rows per -2, 1, 1] threads 32 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C4)
func.func @many_threads(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C4): there must be 1 to 1024 threads, got 2048}}
  %y = flow.launch @kernels::@norm(%x) grid [1, 1, 1] threads 2048 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C4)
func.func @negative_shared(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C4): shared memory must not be negative, got -1}}
  %y = flow.launch @kernels::@norm(%x) grid [1, 1, 1] threads 32 shared -1 : (tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
}
// launch (C5)
func.func @half_a_step(%x: tensor<?x64xf32>, %c: tensor<?x1x32xbf16>, %start: index) {
  // expected-error @+1 {{(C5): a step needs both start and rows}}
  %y = "flow.launch"(%x, %start) <{kernel = @kernels::@norm, grid = array<i64: 1, 0, 1, 0, 1, 0>, threads = 32 : i64, operandSegmentSizes = array<i32: 1, 0, 1, 0>}> : (tensor<?x64xf32>, index) -> tensor<?x64xf32>
  return
}
