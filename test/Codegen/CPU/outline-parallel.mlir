// RUN: flow-opt %s --cpu-outline-parallel | FileCheck %s

// CHECK-LABEL: func.func @two_alike
// CHECK-SAME: (%[[CONTEXT:.*]]: !llvm.ptr
// CHECK-NOT: scf.forall
// CHECK: %[[PARALLEL:.*]] = llvm.load %[[CONTEXT]]
// CHECK: llvm.call %[[PARALLEL]](%[[CONTEXT]], %{{.*}}, %{{.*}}, %{{.*}}) : !llvm.ptr, (!llvm.ptr, i64, !llvm.ptr, !llvm.ptr) -> ()
// CHECK: llvm.call
// Equal loops share one kernel.
// CHECK-COUNT-1: func.func private @{{.*}}_kernel
// CHECK-NOT: func.func private
// CHECK: return
func.func @two_alike(%context: !llvm.ptr, %a: memref<?xf32>, %v: f32, %n: index) {
  scf.forall (%i) in (%n) {
    memref.store %v, %a[%i] : memref<?xf32>
  }
  scf.forall (%i) in (%n) {
    memref.store %v, %a[%i] : memref<?xf32>
  }
  return
}
