// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Rows of a transformer in f32: softmax, norm, gelu.

#include <cuda_bf16.h>

namespace {

/// The sum or the maximum over the block, of 128 threads, for everybody.
template <typename Merge>
__device__ float merge(float value, float *parts, Merge merge) {
  for (int step = 16; step; step >>= 1)
    value = merge(value, __shfl_xor_sync(0xffffffffu, value, step));
  __syncthreads();
  if (threadIdx.x % 32 == 0)
    parts[threadIdx.x / 32] = value;
  __syncthreads();
  return merge(merge(parts[0], parts[1]), merge(parts[2], parts[3]));
}

} // namespace

/// Softmax of rows, a block each.
extern "C" __global__ void softmax(const float *in, float *out, int columns) {
  __shared__ float parts[4];
  const float *x = in + blockIdx.x * columns;
  float *y = out + blockIdx.x * columns;
  float most = -INFINITY;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    most = fmaxf(most, x[i]);
  most = merge(most, parts, [](float a, float b) { return fmaxf(a, b); });
  float sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) {
    y[i] = __expf(x[i] - most);
    sum += y[i];
  }
  sum = merge(sum, parts, [](float a, float b) { return a + b; });
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    y[i] /= sum;
}

/// RMS norm of rows, a block each, rounded to bf16.
extern "C" __global__ void rmsNorm(const float *in, const float *weight,
                                __nv_bfloat16 *out, int columns, float eps) {
  __shared__ float parts[4];
  const float *x = in + blockIdx.x * columns;
  float sum = 0;
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    sum += x[i] * x[i];
  sum = merge(sum, parts, [](float a, float b) { return a + b; });
  float factor = rsqrtf(sum / columns + eps);
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    out[blockIdx.x * columns + i] =
        __float2bfloat16_rn(x[i] * factor * weight[i]);
}

/// gelu by tanh, and functions that CUDA's library computes in software.
extern "C" __global__ void functions(const float *in, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  float x = in[i];
  out[i * 8] =
      x / 2 * (1 + tanhf(0.7978845608f * (x + 0.044715f * x * x * x)));
  out[i * 8 + 1] = expf(x);
  out[i * 8 + 2] = logf(x * x + 1);
  out[i * 8 + 3] = sqrtf(x * x + 0.5f);
  out[i * 8 + 4] = sinf(x);
  out[i * 8 + 5] = 1 / (x * x + 1);
  out[i * 8 + 6] = powf(x * x + 1, 0.3f);
  out[i * 8 + 7] = __half2float(__float2half_rn(x));
}
