// RUN: flow-opt %s --verify-roundtrip | FileCheck %s

gpu.module @kernels {
  gpu.func @norm(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>) kernel {
    gpu.return
  }
  gpu.func @product(%x: !llvm.ptr<1>, %y: !llvm.ptr<1>, %step: !llvm.ptr<1>) kernel {
    gpu.return
  }
  gpu.func @append(%x: !llvm.ptr<1>, %c: !llvm.ptr<1>, %q: !llvm.ptr<1>, %step: !llvm.ptr<1>, %capacity: i32) kernel {
    gpu.return
  }
}

// CHECK-LABEL: @launch
func.func @launch(%x: tensor<?x64xf32>, %cache: tensor<?x1x32xbf16>, %start: index, %rows: index) {
  // CHECK: flow.launch @kernels::@norm(%{{.*}}) grid [rows, 1, 1] threads 128 shared 16 : (tensor<?x64xf32>) -> tensor<?x64xbf16>
  %y = flow.launch @kernels::@norm(%x) grid [rows, 1, 1] threads 128 shared 16 : (tensor<?x64xf32>) -> tensor<?x64xbf16>
  // CHECK: flow.launch @kernels::@product(%{{.*}}) step(%{{.*}}, %{{.*}}) grid [4, rows per 128, 1] threads 128 shared 49152 : (tensor<?x64xbf16>) -> tensor<?x512xf32>
  %z = flow.launch @kernels::@product(%y) step(%start, %rows) grid [4, rows per 128, 1] threads 128 shared 49152 : (tensor<?x64xbf16>) -> tensor<?x512xf32>
  // CHECK: flow.launch @kernels::@append(%{{.*}}) updates(%{{.*}} : tensor<?x1x32xbf16>) step(%{{.*}}, %{{.*}}) capacity grid [1, rows * 2 per 3, 1] threads 32 : (tensor<?x512xf32>) -> (tensor<?x2x32xbf16>, tensor<?x1x32xbf16>)
  %q, %c = flow.launch @kernels::@append(%z) updates(%cache : tensor<?x1x32xbf16>) step(%start, %rows) capacity grid [1, rows * 2 per 3, 1] threads 32 : (tensor<?x512xf32>) -> (tensor<?x2x32xbf16>, tensor<?x1x32xbf16>)
  return
}
