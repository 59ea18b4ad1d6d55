// RUN: flow-opt %s --cpu-outline-parallel | FileCheck %s

// T26: a kernel is named after its function and the stage on the location, the
// first one of a fused location. What shares a kernel shares the first name.

// CHECK-LABEL: func.func @call_after(
// CHECK-DAG: func.func private @call_after_attention_o_proj(
// CHECK-DAG: func.func private @call_after_ffn_down(
// CHECK-DAG: func.func private @call_after_kernel(
// CHECK-NOT: func.func private
func.func @call_after(%context: !llvm.ptr, %a: memref<?xf32>, %v: f32, %n: index) {
  scf.forall (%i) in (%n) {
    memref.store %v, %a[%i] : memref<?xf32>
  } loc("layer0/attention/o-proj")
  scf.forall (%i) in (%n) {
    memref.store %v, %a[%i] : memref<?xf32>
  } loc("layer0/attention/q")
  scf.forall (%i) in (%n) {
    %w = arith.addf %v, %v : f32
    memref.store %w, %a[%i] : memref<?xf32>
  } loc(fused["layer0/ffn/down", "layer0/ffn/up"])
  scf.forall (%i) in (%n) {
    %w = arith.mulf %v, %v : f32
    memref.store %w, %a[%i] : memref<?xf32>
  } loc("layer0")
  return
}
