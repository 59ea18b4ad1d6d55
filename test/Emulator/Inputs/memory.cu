// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Memories and their order: tiles in shared memory, copies that run ahead,
// atomics, an array of each thread.

#include <cuda_pipeline.h>

/// `out [columns, rows]` = `in [rows, columns]` transposed; blocks of 32 by 8.
extern "C" __global__ void transpose(const float *in, float *out, int rows,
                                     int columns) {
  __shared__ float tile[32][33];
  int x = blockIdx.x * 32 + threadIdx.x, y = blockIdx.y * 32 + threadIdx.y;
#pragma unroll
  for (int i = 0; i != 32; i += 8)
    if (x < columns && y + i < rows)
      tile[threadIdx.y + i][threadIdx.x] = in[(y + i) * columns + x];
  __syncthreads();
  x = blockIdx.y * 32 + threadIdx.x;
  y = blockIdx.x * 32 + threadIdx.y;
#pragma unroll
  for (int i = 0; i != 32; i += 8)
    if (x < rows && y + i < columns)
      out[(y + i) * rows + x] = tile[threadIdx.x][threadIdx.y + i];
}

/// Sums of the columns of `in [rows, 256]`, by a block of 64 threads that
/// copies three rows ahead.
extern "C" __global__ void pipeline(const float4 *in, float4 *out, int rows) {
  __shared__ float4 stages[4][64];
  int thread = threadIdx.x;
  auto copy = [&](int row) {
    if (row < rows)
      __pipeline_memcpy_async(&stages[row % 4][thread], in + row * 64 + thread,
                              16);
    __pipeline_commit();
  };
  for (int row = 0; row != 3; ++row)
    copy(row);
  float4 sum = {0, 0, 0, 0};
  for (int row = 0; row < rows; ++row) {
    __pipeline_wait_prior(2);
    __syncthreads();
    // The neighbour's numbers, so that the barrier is needed.
    float4 x = stages[row % 4][thread ^ 1];
    sum.x += x.x;
    sum.y += x.y;
    sum.z += x.z;
    sum.w += x.w;
    copy(row + 3);
  }
  out[thread ^ 1] = sum;
}

/// A histogram of 64 bins: `out[0..63]`, then the largest, the smallest, a sum
/// of floats, how many came in, and a sum by compare and swap.
extern "C" __global__ void atomics(const int *in, int *out, int n) {
  __shared__ int bins[64];
  for (int i = threadIdx.x; i < 64; i += blockDim.x)
    bins[i] = 0;
  __syncthreads();
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    int x = in[i];
    atomicAdd(&bins[x & 63], 1);
    atomicMax(out + 64, x);
    atomicMin(out + 65, x);
    atomicAdd(reinterpret_cast<float *>(out) + 66, float(x & 7));
    atomicInc(reinterpret_cast<unsigned *>(out) + 67, 1000000u);
    int seen = out[68], expected;
    do {
      expected = seen;
      seen = atomicCAS(out + 68, expected, expected + (x & 3));
    } while (seen != expected);
    atomicOr(out + 69, x);
  }
  __syncthreads();
  for (int b = threadIdx.x; b < 64; b += blockDim.x)
    atomicAdd(out + b, bins[b]);
}

/// Sorts 16 numbers of each thread in an array that it indexes freely.
extern "C" __global__ void sortOwn(const short *in, short *out) {
  short own[16];
  int at = (blockIdx.x * blockDim.x + threadIdx.x) * 16;
  for (int i = 0; i != 16; ++i)
    own[i] = in[at + i];
  for (int i = 1; i != 16; ++i) {
    short x = own[i];
    int k = i;
    while (k > 0 && own[k - 1] > x) {
      own[k] = own[k - 1];
      --k;
    }
    own[k] = x;
  }
  for (int i = 0; i != 16; ++i)
    out[at + i] = own[i];
}

/// The last block to finish adds what all have left: a fence and a counter.
extern "C" __global__ void lastBlock(const float *in, float *parts,
                                     unsigned *finished, float *out) {
  __shared__ bool isLast;
  float sum = in[blockIdx.x * 32 + threadIdx.x];
  for (int step = 16; step; step >>= 1)
    sum += __shfl_down_sync(0xffffffffu, sum, step);
  if (threadIdx.x == 0) {
    parts[blockIdx.x] = sum;
    __threadfence();
    isLast = atomicAdd(finished, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!isLast || threadIdx.x != 0)
    return;
  __threadfence();
  float total = 0;
  for (unsigned i = 0; i != gridDim.x; ++i)
    total += reinterpret_cast<volatile float *>(parts)[i];
  *out = total;
}
