// RUN: flow-opt %s --flow-fuse-norm-quantize --remarks-filter-missed=flow-fuse-norm-quantize --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-NOT: flow.rms_norm{{.*}}->

func.func @read_as_it_is(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32>, tensor<?x64xf32, #flow.bf16_rows>) {
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark @+1 {{others read the norm}}
  %q = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  return %n, %q : tensor<?x64xf32>, tensor<?x64xf32, #flow.bf16_rows>
}

// -----

func.func @two_layouts(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> (tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<?x64xf32, #flow.bf16_rows>) {
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  // expected-remark @+1 {{others read the norm}}
  %p = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.quantized_rows<block = 32>>
  // expected-remark @+1 {{others read the norm}}
  %q = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
  return %p, %q : tensor<?x64xf32, #flow.quantized_rows<block = 32>>, tensor<?x64xf32, #flow.bf16_rows>
}

// -----

func.func @another_block(%x: tensor<?x64xf32>, %w: tensor<64xf32>, %r: tensor<?x64xf32, #flow.bf16_rows>, %c: i1) -> tensor<?x64xf32, #flow.bf16_rows> {
  %n = flow.rms_norm %x scale %w : tensor<?x64xf32>, tensor<64xf32>
  %y = scf.if %c -> tensor<?x64xf32, #flow.bf16_rows> {
    // expected-remark @+1 {{the norm stands in another block}}
    %q = flow.quantize_rows %n : tensor<?x64xf32> -> tensor<?x64xf32, #flow.bf16_rows>
    scf.yield %q : tensor<?x64xf32, #flow.bf16_rows>
  } else {
    scf.yield %r : tensor<?x64xf32, #flow.bf16_rows>
  }
  return %y : tensor<?x64xf32, #flow.bf16_rows>
}
