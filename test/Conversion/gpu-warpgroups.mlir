// RUN: flow-opt %s --convert-flow-to-gpu=warpgroups=true | FileCheck %s

// With wgmma the first parameters of a product of rows are tensor maps, whose
// boxes the kernel names: 256 columns where they fill a GPU, else 128. One row is
// multiplied as elsewhere.
flow.model @tiny <hidden = 64, vocab = 512, positions = 256> {
  flow.weight @wide : tensor<4352x64xf32>
  flow.weight @narrow : tensor<64x64xf32>
}

// CHECK-LABEL: func.func @many_rows
func.func @many_rows(%tokens: tensor<?xi32>, %start: index, %rows: index) -> (tensor<?x4352xf32>, tensor<?x64xf32>) {
  %w = flow.weight_ref @tiny::@wide : tensor<4352x64xf32, #flow.panels<bf16>>
  %n = flow.weight_ref @tiny::@narrow : tensor<64x64xf32, #flow.panels<bf16>>
  %t = flow.weight_ref @tiny::@wide : tensor<4352x64xf32>
  %e = flow.embed %tokens, %t scale 8.0 : tensor<?xi32>, tensor<4352x64xf32> -> tensor<?x64xf32>
  %x = flow.rms_norm %e : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  // CHECK: flow.launch @kernels::@warpgroup_product_4352x64_f32({{.*}}) step({{.*}}) grid [17, rows per 128, 1] threads 288 shared 196672 : (tensor<?x64xbf16>, tensor<4352x64xbf16>) -> tensor<?x4352xf32>
  %y = flow.linear %x, %w : tensor<?x64xf32, #flow.bf16_rows>, tensor<4352x64xf32, #flow.panels<bf16>> -> tensor<?x4352xf32>
  // CHECK: flow.launch @kernels::@warpgroup_product_64x64_f32({{.*}}) step({{.*}}) grid [1, rows per 128, 1] threads 288 shared 131136
  %z = flow.linear %x, %n : tensor<?x64xf32, #flow.bf16_rows>, tensor<64x64xf32, #flow.panels<bf16>> -> tensor<?x64xf32>
  return %y, %z : tensor<?x4352xf32>, tensor<?x64xf32>
}

// CHECK-LABEL: func.func @one_row
func.func @one_row(%tokens: tensor<1xi32>, %start: index, %rows: index) -> tensor<1x4352xf32> {
  %w = flow.weight_ref @tiny::@wide : tensor<4352x64xf32, #flow.panels<bf16>>
  %t = flow.weight_ref @tiny::@wide : tensor<4352x64xf32>
  %e = flow.embed %tokens, %t scale 8.0 : tensor<1xi32>, tensor<4352x64xf32> -> tensor<1x64xf32>
  %x = flow.rms_norm %e : tensor<1x64xf32> -> tensor<1x64xf32, #flow.bf16_rows>
  // CHECK: flow.launch @kernels::@vector_product_4352x64_f32(
  %y = flow.linear %x, %w : tensor<1x64xf32, #flow.bf16_rows>, tensor<4352x64xf32, #flow.panels<bf16>> -> tensor<1x4352xf32>
  return %y : tensor<1x4352xf32>
}

// CHECK: gpu.func @warpgroup_product_4352x64_f32(%{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr, %{{.*}}: !llvm.ptr<1>, %{{.*}}: !llvm.ptr<1> {{.*}}) kernel attributes {flow.boxes = array<i64: 128, 64, 256, 64>
// CHECK: gpu.func @warpgroup_product_64x64_f32({{.*}}) kernel attributes {flow.boxes = array<i64: 128, 64, 128, 64>
