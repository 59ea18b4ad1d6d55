// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Products of bf16 as one writes them in CUDA C++: rows by tiles with cp.async,
// ldmatrix and mma, one row by a stream of the weights.

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_pipeline.h>

namespace {

constexpr int kTile = 128, kDepth = 32, kStages = 3, kThreads = 128;
/// Chunks of 16 bytes of a row of a tile.
constexpr int kChunks = kDepth / 8;

/// Where chunk `chunk` of `row` lies, so that 8 rows fill all banks.
__device__ int place(int row, int chunk) {
  return (row * kChunks + (chunk ^ (row >> 1 & 3))) * 8;
}

__device__ void loadFour(uint32_t *r, const __nv_bfloat16 *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(uint32_t(__cvta_generic_to_shared(row))));
}

} // namespace

/// `x [rows, depth]` times `weights [columns, depth]` transposed, f32. Rows and
/// columns are multiples of 128, the depth of 32.
extern "C" __global__ void __launch_bounds__(kThreads)
    product(const __nv_bfloat16 *x, const __nv_bfloat16 *weights, float *out,
            int columns, int depth) {
  __shared__ alignas(128) __nv_bfloat16 tiles[kStages][2][kTile * kDepth];
  int thread = threadIdx.x, lane = thread % 32, warp = thread / 32;
  const __nv_bfloat16 *from[2] = {x + blockIdx.y * kTile * depth,
                                  weights + blockIdx.x * kTile * depth};
  auto copy = [&](int tile) {
    if (tile * kDepth < depth)
#pragma unroll
      for (int operand = 0; operand != 2; ++operand)
#pragma unroll
        for (int i = 0; i != kTile * kChunks / kThreads; ++i) {
          int row = (thread + i * kThreads) / kChunks, chunk = thread % kChunks;
          __pipeline_memcpy_async(
              &tiles[tile % kStages][operand][place(row, chunk)],
              from[operand] + row * depth + tile * kDepth + chunk * 8, 16);
        }
    __pipeline_commit();
  };
#pragma unroll
  for (int tile = 0; tile != kStages - 1; ++tile)
    copy(tile);

  float sums[4][8][4] = {};
  int rowOfWarp = warp / 2 * 64, columnOfWarp = warp % 2 * 64;
  for (int tile = 0; tile * kDepth < depth; ++tile) {
    __pipeline_wait_prior(kStages - 2);
    __syncthreads();
    copy(tile + kStages - 1);
    const __nv_bfloat16 *a = tiles[tile % kStages][0],
                        *b = tiles[tile % kStages][1];
#pragma unroll
    for (int step = 0; step != kDepth / 16; ++step) {
      uint32_t ra[4][4], rb[4][4];
#pragma unroll
      for (int m = 0; m != 4; ++m)
        loadFour(ra[m], a + place(rowOfWarp + m * 16 + lane % 16,
                                  step * 2 + lane / 16));
#pragma unroll
      for (int n = 0; n != 4; ++n)
        loadFour(rb[n],
                 b + place(columnOfWarp + n * 16 + lane / 16 * 8 + lane % 8,
                           step * 2 + lane / 8 % 2));
#pragma unroll
      for (int m = 0; m != 4; ++m)
#pragma unroll
        for (int n = 0; n != 8; ++n) {
          float *c = sums[m][n];
          uint32_t *r = &rb[n / 2][n % 2 * 2];
          asm volatile(
              "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
              "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
              : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
              : "r"(ra[m][0]), "r"(ra[m][1]), "r"(ra[m][2]), "r"(ra[m][3]),
                "r"(r[0]), "r"(r[1]));
        }
    }
  }
#pragma unroll
  for (int m = 0; m != 4; ++m)
#pragma unroll
    for (int n = 0; n != 8; ++n) {
      int row = blockIdx.y * kTile + rowOfWarp + m * 16 + lane / 4;
      int column = blockIdx.x * kTile + columnOfWarp + n * 8 + lane % 4 * 2;
      float2 *to = reinterpret_cast<float2 *>(out + row * columns + column);
      *to = make_float2(sums[m][n][0], sums[m][n][1]);
      to[4 * columns] = make_float2(sums[m][n][2], sums[m][n][3]);
    }
}

/// `weights [columns, depth]` times `x [depth]`, a warp a column and four in a
/// block. The depth is a multiple of 8.
extern "C" __global__ void __launch_bounds__(128)
    vectorProduct(const __nv_bfloat16 *x, const __nv_bfloat16 *weights,
                  float *out, int columns, int depth) {
  int column = blockIdx.x * 4 + threadIdx.x / 32, lane = threadIdx.x % 32;
  if (column >= columns)
    return;
  auto *w = reinterpret_cast<const uint4 *>(weights + size_t(column) * depth);
  auto *v = reinterpret_cast<const uint4 *>(x);
  float sum = 0;
#pragma unroll 4
  for (int i = lane; i < depth / 8; i += 32) {
    uint4 packedWeights = __ldg(w + i), packedX = __ldg(v + i);
    auto *ws = reinterpret_cast<const __nv_bfloat162 *>(&packedWeights);
    auto *xs = reinterpret_cast<const __nv_bfloat162 *>(&packedX);
#pragma unroll
    for (int k = 0; k != 4; ++k) {
      float2 f = __bfloat1622float2(ws[k]), g = __bfloat1622float2(xs[k]);
      sum = fmaf(f.x, g.x, sum);
      sum = fmaf(f.y, g.y, sum);
    }
  }
#pragma unroll
  for (int step = 16; step; step >>= 1)
    sum += __shfl_xor_sync(0xffffffffu, sum, step);
  if (lane == 0)
    out[column] = sum;
}
