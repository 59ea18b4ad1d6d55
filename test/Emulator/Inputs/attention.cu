// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Flash attention as one writes it in CUDA C++: a tile of keys and one of values
// at a time, each copied while the other is used, scores in registers.

#include <cstdint>
#include <cuda_bf16.h>
#include <cuda_pipeline.h>

namespace {

constexpr int kDim = 128, kRows = 64, kKeys = 64, kThreads = 128;
constexpr int kChunks = kDim / 8;

using Tile = __nv_bfloat16[kKeys * kDim];

/// Where chunk `chunk` of `row` lies, so that 8 rows fill all banks.
__device__ int place(int row, int chunk) {
  return row * kDim + (chunk ^ (row & 7)) * 8;
}

template <bool kTransposed>
__device__ void loadFour(uint32_t *r, const __nv_bfloat16 *row) {
  auto from = uint32_t(__cvta_generic_to_shared(row));
  if (kTransposed)
    asm volatile(
        "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
        : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
        : "r"(from));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(from));
}

__device__ void multiply(float *c, const uint32_t *a, const uint32_t *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                 "r"(b[1]));
}

__device__ float power(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

__device__ uint32_t pack(float low, float high) {
  __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<uint32_t *>(&pair);
}

__device__ void copyTile(Tile &to, const __nv_bfloat16 *from, int stride) {
#pragma unroll
  for (int i = 0; i != kKeys * kChunks / kThreads; ++i) {
    int row = (threadIdx.x + i * kThreads) / kChunks,
        chunk = threadIdx.x % kChunks;
    __pipeline_memcpy_async(&to[place(row, chunk)],
                            from + row * stride + chunk * 8, 16);
  }
}

} // namespace

/// Causal attention of `query [tokens, gridDim.y, 128]`, a head of keys and
/// values `[tokens, kvHeads, 128]` for as many heads as there are of each.
/// `scale` is that of scores times log2 e. Tokens are a multiple of 64.
extern "C" __global__ void __launch_bounds__(kThreads)
    attention(const __nv_bfloat16 *query, const __nv_bfloat16 *keys,
              const __nv_bfloat16 *values, __nv_bfloat16 *out, int kvHeads,
              float scale) {
  __shared__ alignas(128) Tile queryTile, keyTile, valueTile;
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int heads = gridDim.y, head = blockIdx.y, kvHead = head / (heads / kvHeads);
  int firstRow = (gridDim.x - 1 - blockIdx.x) * kRows;
  int stride = kvHeads * kDim;
  keys += kvHead * kDim;
  values += kvHead * kDim;
  copyTile(queryTile, query + (firstRow * heads + head) * kDim, heads * kDim);
  copyTile(keyTile, keys, stride);
  __pipeline_commit();

  float maxima[2] = {-1e20f, -1e20f}, sums[2] = {}, results[16][4] = {};
  for (int firstKey = 0; firstKey <= firstRow; firstKey += kKeys) {
    __pipeline_wait_prior(0);
    __syncthreads();
    copyTile(valueTile, values + firstKey * stride, stride);
    __pipeline_commit();

    float scores[8][4] = {};
#pragma unroll
    for (int step = 0; step != kDim / 16; ++step) {
      uint32_t a[4];
      loadFour<false>(a, queryTile + place(warp * 16 + lane % 16,
                                           step * 2 + lane / 16));
#pragma unroll
      for (int n = 0; n != 4; ++n) {
        uint32_t b[4];
        loadFour<false>(b, keyTile + place(n * 16 + lane / 16 * 8 + lane % 8,
                                           step * 2 + lane / 8 % 2));
        multiply(scores[2 * n], a, b);
        multiply(scores[2 * n + 1], a, b + 2);
      }
    }
    if (firstKey == firstRow)
#pragma unroll
      for (int n = 0; n != 8; ++n)
#pragma unroll
        for (int i = 0; i != 4; ++i)
          if (n * 8 + lane % 4 * 2 + i % 2 > warp * 16 + lane / 4 + i / 2 * 8)
            scores[n][i] = -1e30f;

    uint32_t weights[4][4];
#pragma unroll
    for (int half = 0; half != 2; ++half) {
      float maximum = maxima[half];
#pragma unroll
      for (int n = 0; n != 8; ++n)
        maximum = fmaxf(maximum, fmaxf(scores[n][2 * half],
                                       scores[n][2 * half + 1]));
      maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 1));
      maximum = fmaxf(maximum, __shfl_xor_sync(0xffffffffu, maximum, 2));
      float rescale = power((maxima[half] - maximum) * scale);
      maxima[half] = maximum;
      sums[half] *= rescale;
#pragma unroll
      for (int n = 0; n != 16; ++n) {
        results[n][2 * half] *= rescale;
        results[n][2 * half + 1] *= rescale;
      }
#pragma unroll
      for (int n = 0; n != 8; ++n) {
        float first = power(scores[n][2 * half] * scale - maximum * scale);
        float second = power(scores[n][2 * half + 1] * scale - maximum * scale);
        sums[half] += first + second;
        weights[n / 2][n % 2 * 2 + half] = pack(first, second);
      }
    }

    __pipeline_wait_prior(0);
    __syncthreads();
    if (firstKey < firstRow)
      copyTile(keyTile, keys + (firstKey + kKeys) * stride, stride);
    __pipeline_commit();
#pragma unroll
    for (int step = 0; step != kKeys / 16; ++step)
#pragma unroll
      for (int n = 0; n != 8; ++n) {
        uint32_t b[4];
        loadFour<true>(
            b, valueTile + place(step * 16 + lane % 16, n * 2 + lane / 16));
        multiply(results[2 * n], weights[step], b);
        multiply(results[2 * n + 1], weights[step], b + 2);
      }
  }
#pragma unroll
  for (int half = 0; half != 2; ++half) {
    float sum = sums[half];
    sum += __shfl_xor_sync(0xffffffffu, sum, 1);
    sum += __shfl_xor_sync(0xffffffffu, sum, 2);
    int row = firstRow + warp * 16 + lane / 4 + half * 8;
    auto *to = reinterpret_cast<uint32_t *>(out + (row * heads + head) * kDim);
#pragma unroll
    for (int n = 0; n != 16; ++n)
      to[n * 4 + lane % 4] =
          pack(results[n][2 * half] / sum, results[n][2 * half + 1] / sum);
  }
}
