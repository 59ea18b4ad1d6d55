// RUN: flow-opt %s --cpu-aarch64-contract='bf16=true' | FileCheck %s --check-prefix=BF16
// RUN: flow-opt %s --cpu-aarch64-contract | FileCheck %s --check-prefix=FMA

#nk = affine_map<(n, k) -> (n, k)>
#k = affine_map<(n, k) -> (k)>
#n = affine_map<(n, k) -> (n)>

// The odd number of a pair comes first, as it does without the instructions.
// BF16-LABEL: @dot
// BF16-SAME: %{{.*}}, %[[X:.*]]: vector<2xbf16>
// BF16: %[[X0:.*]] = vector.extract %[[X]][0]
// BF16: %[[EVEN:.*]] = vector.broadcast %[[X0]] : bf16 to vector<8xbf16>
// BF16: %[[X1:.*]] = vector.extract %[[X]][1]
// BF16: %[[ODD:.*]] = vector.broadcast %[[X1]] : bf16 to vector<8xbf16>
// BF16: %[[T:.*]] = llvm.call_intrinsic "llvm.aarch64.neon.bfmlalt"(%{{.*}}, %[[W:.*]], %[[ODD]])
// BF16: llvm.call_intrinsic "llvm.aarch64.neon.bfmlalb"(%[[T]], %[[W]], %[[EVEN]])
// BF16: llvm.call_intrinsic "llvm.aarch64.neon.bfmlalt"
// BF16: llvm.call_intrinsic "llvm.aarch64.neon.bfmlalb"
// BF16-NOT: llvm.call_intrinsic
// BF16-NOT: vector.contract
// FMA-LABEL: @dot
// FMA: arith.constant -65536
// FMA-COUNT-2: vector.fma
// FMA-NOT: vector.contract
func.func @dot(%w: vector<8x2xbf16>, %x: vector<2xbf16>, %acc: vector<8xf32>) -> vector<8xf32> {
  %w32 = arith.extf %w : vector<8x2xbf16> to vector<8x2xf32>
  %x32 = arith.extf %x : vector<2xbf16> to vector<2xf32>
  %r = vector.contract {indexing_maps = [#nk, #k, #n], iterator_types = ["parallel", "reduction"], kind = #vector.kind<add>} %w32, %x32, %acc : vector<8x2xf32>, vector<2xf32> into vector<8xf32>
  return %r : vector<8xf32>
}
