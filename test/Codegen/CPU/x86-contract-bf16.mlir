// RUN: flow-opt %s --cpu-x86-contract='bf16=true' | FileCheck %s --check-prefix=BF16
// RUN: flow-opt %s --cpu-x86-contract | FileCheck %s --check-prefix=FMA

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// BF16-LABEL: @dot
// BF16-COUNT-2: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// BF16-NOT: vector.contract

// The upper halves of words, cut out, are the odd numbers; they come first.
// FMA-LABEL: @dot
// FMA: arith.constant -65536
// FMA: %[[W1:.*]] = arith.andi
// FMA: %[[ODD_W:.*]] = vector.bitcast %[[W1]]
// FMA: %[[X1:.*]] = arith.andi
// FMA: %[[ODD_X:.*]] = vector.bitcast %[[X1]]
// FMA: %[[ODD:.*]] = vector.fma %[[ODD_W]], %[[ODD_X]], %{{.*}}
// FMA: vector.fma %{{.*}}, %{{.*}}, %[[ODD]]
// FMA-NOT: vector.contract
func.func @dot(%w: vector<32x2xbf16>, %x: vector<2xbf16>, %acc: vector<32xf32>) -> vector<32xf32> {
  %w32 = arith.extf %w : vector<32x2xbf16> to vector<32x2xf32>
  %x32 = arith.extf %x : vector<2xbf16> to vector<2xf32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<32x2xf32>, vector<2xf32> into vector<32xf32>
  return %r : vector<32xf32>
}
