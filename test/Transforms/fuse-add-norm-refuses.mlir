// RUN: flow-opt %s --flow-fuse-add-norm --remarks-filter-missed=flow-fuse-add-norm --allow-unregistered-dialect --split-input-file --verify-diagnostics | FileCheck %s

// T23
// CHECK-NOT: flow.add_rms_norm

func.func @no_weight(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %s = arith.addf %x, %x : tensor<?x8xf32>
  // expected-remark @+1 {{the norm has no weight}}
  %n = flow.rms_norm %s : tensor<?x8xf32>
  return %n : tensor<?x8xf32>
}

// -----

func.func @sum_is_weight(%x: tensor<8xf32>) -> tensor<8xf32> {
  %s = arith.addf %x, %x : tensor<8xf32>
  // expected-remark @+1 {{the sum is also the weight}}
  %n = flow.rms_norm %s scale %s : tensor<8xf32>, tensor<8xf32>
  return %n : tensor<8xf32>
}

// -----

func.func @sum_used_before(%x: tensor<?x8xf32>, %w: tensor<8xf32>) -> tensor<?x8xf32> {
  %s = arith.addf %x, %x : tensor<?x8xf32>
  "test.use"(%s) : (tensor<?x8xf32>) -> ()
  // expected-remark @+1 {{the sum is used before it}}
  %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}

// -----

func.func @sum_from_another_block(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %c: i1) -> tensor<?x8xf32> {
  %s = arith.addf %x, %x : tensor<?x8xf32>
  %r = scf.if %c -> tensor<?x8xf32> {
    // expected-remark @+1 {{the sum is from another block}}
    %n = flow.rms_norm %s scale %w : tensor<?x8xf32>, tensor<8xf32>
    scf.yield %n : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  return %r : tensor<?x8xf32>
}

// -----

func.func @sum_read_unscaled(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %c: tensor<1xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>) {
  %s = arith.addf %x, %x : tensor<?x8xf32>
  %t = flow.scale %s by %c : tensor<?x8xf32>, tensor<1xf32>
  // expected-remark @+1 {{the sum is read before it is scaled}}
  %n = flow.rms_norm %t scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n, %s : tensor<?x8xf32>, tensor<?x8xf32>
}

// -----

func.func @scale_of_another_type(%x: tensor<?x8xf32>, %w: tensor<8xf32>, %c: tensor<1xbf16>) -> tensor<?x8xf32> {
  %s = arith.addf %x, %x : tensor<?x8xf32>
  %t = flow.scale %s by %c : tensor<?x8xf32>, tensor<1xbf16>
  // expected-remark @+1 {{the factor has another type than the weight}}
  %n = flow.rms_norm %t scale %w : tensor<?x8xf32>, tensor<8xf32>
  return %n : tensor<?x8xf32>
}
