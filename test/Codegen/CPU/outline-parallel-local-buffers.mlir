// RUN: flow-opt %s --cpu-outline-parallel | FileCheck %s

// A buffer of static shape becomes stack memory above the loop; one whose size
// is only known at run time stays on the heap.

// CHECK-LABEL: func.func private @local_kernel
// CHECK: memref.alloca() {alignment = 64 : i64} : memref<8xf32>
// CHECK: scf.for
// CHECK-NOT: memref.alloc()
// CHECK: memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK: memref.dealloc %{{.*}} : memref<?xf32>
// CHECK-NOT: memref.dealloc
// CHECK: return
func.func @local(%context: !llvm.ptr, %a: memref<?xf32>, %n: index) {
  scf.forall (%i) in (%n) {
    %t = memref.alloc() : memref<8xf32>
    %d = memref.alloc(%n) : memref<?xf32>
    %v = memref.load %a[%i] : memref<?xf32>
    memref.store %v, %t[%i] : memref<8xf32>
    memref.store %v, %d[%i] : memref<?xf32>
    memref.dealloc %d : memref<?xf32>
    memref.dealloc %t : memref<8xf32>
  }
  return
}
