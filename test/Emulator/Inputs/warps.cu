// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the lanes of a warp tell one another: shuffles, votes, reductions.

constexpr unsigned kAll = 0xffffffffu;

/// One warp a block; 16 results for each thread.
extern "C" __global__ void shuffles(const int *in, int *out) {
  int lane = threadIdx.x, at = blockIdx.x * 32 + lane;
  int value = in[at];
  int *to = out + at * 16;
  to[0] = __shfl_sync(kAll, value, 5);
  to[1] = __shfl_sync(kAll, value, lane + 7, 8);
  to[2] = __shfl_up_sync(kAll, value, 3);
  to[3] = __shfl_up_sync(kAll, value, 2, 16);
  to[4] = __shfl_down_sync(kAll, value, 9);
  to[5] = __shfl_down_sync(kAll, value, 1, 4);
  to[6] = __shfl_xor_sync(kAll, value, 16);
  to[7] = __shfl_xor_sync(kAll, value, 3, 8);
  long long wide = (long long)value * 1000003ll;
  wide = __shfl_xor_sync(kAll, wide, 1);
  to[8] = int(wide);
  to[9] = int(wide >> 32);
  to[10] = __float_as_int(__shfl_down_sync(kAll, __int2float_rn(value), 4));
  // Part of the warp on its own.
  to[11] = 0;
  if (lane < 16)
    to[11] = __shfl_xor_sync(0xffffu, value, 8);
  for (int i = 12; i != 16; ++i)
    to[i] = 0;
}

/// 16 results for each thread.
extern "C" __global__ void votes(const int *in, int *out) {
  int lane = threadIdx.x, at = blockIdx.x * 32 + lane;
  int value = in[at];
  int *to = out + at * 16;
  bool isOdd = value & 1;
  to[0] = __ballot_sync(kAll, isOdd);
  to[1] = __any_sync(kAll, value == 7);
  to[2] = __all_sync(kAll, value > -1000);
  to[3] = 0;
  if (isOdd)
    to[3] = __popc(__activemask() & ((1u << lane) - 1));
  __syncwarp();
  to[4] = __popc(value);
  to[5] = __clz(value);
  to[6] = __ffs(value);
  to[7] = __brev(value);
  to[8] = __reduce_add_sync(kAll, value);
  to[9] = __reduce_min_sync(kAll, value);
  to[10] = __reduce_max_sync(kAll, (unsigned)value);
  to[11] = __reduce_xor_sync(kAll, (unsigned)value);
  to[12] = __match_any_sync(kAll, value & 3);
  int same;
  to[13] = __match_all_sync(kAll, value & 0, &same);
  to[14] = same;
  to[15] = __match_all_sync(kAll, lane >> 4, &same);
}

/// Sum, largest and smallest of rows of 256, a block each, of 128 threads.
extern "C" __global__ void reduceRows(const float *in, float *out) {
  __shared__ float parts[3][4];
  const float *row = in + blockIdx.x * 256;
  float sum = 0, most = -INFINITY, least = INFINITY;
  for (int i = threadIdx.x; i < 256; i += blockDim.x) {
    sum += row[i];
    most = fmaxf(most, row[i]);
    least = fminf(least, row[i]);
  }
  for (int step = 16; step; step >>= 1) {
    sum += __shfl_xor_sync(kAll, sum, step);
    most = fmaxf(most, __shfl_xor_sync(kAll, most, step));
    least = fminf(least, __shfl_xor_sync(kAll, least, step));
  }
  if (threadIdx.x % 32 == 0) {
    parts[0][threadIdx.x / 32] = sum;
    parts[1][threadIdx.x / 32] = most;
    parts[2][threadIdx.x / 32] = least;
  }
  __syncthreads();
  if (threadIdx.x != 0)
    return;
  for (int i = 1; i != 4; ++i) {
    sum += parts[0][i];
    most = fmaxf(most, parts[1][i]);
    least = fminf(least, parts[2][i]);
  }
  out[blockIdx.x * 3] = sum;
  out[blockIdx.x * 3 + 1] = most;
  out[blockIdx.x * 3 + 2] = least;
}
