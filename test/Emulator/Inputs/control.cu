// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lanes that part: loops of different lengths, nested branches, early exits,
// and arithmetic of integers that compilers like to rewrite.

/// Steps that the Collatz sequence of each number takes to 1.
extern "C" __global__ void collatz(const unsigned *in, unsigned *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  unsigned x = in[i], steps = 0;
  while (x != 1) {
    if (x % 2 == 0) {
      x /= 2;
    } else {
      x = 3 * x + 1;
    }
    ++steps;
  }
  out[i] = steps;
}

/// A switch, a loop with `break` and `continue`, and returns on the way.
extern "C" __global__ void decisions(const int *in, int *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  int x = in[i], result = 0;
  switch (x & 7) {
  case 0:
    result = x * 3;
    break;
  case 1:
    result = x - 11;
    break;
  case 2:
    result = x ^ 0x55;
    [[fallthrough]];
  case 3:
    result += 100;
    break;
  case 4:
    out[i] = -x;
    return;
  case 5:
    for (int k = 0; k != 50; ++k) {
      if ((x + k) % 7 == 0)
        continue;
      if (k * k > x)
        break;
      result += k;
    }
    break;
  case 6:
    result = x / 10 + x % 10;
    break;
  default:
    result = x << (x & 15);
  }
  out[i] = result;
}

/// Quotients and remainders, of signed, unsigned and 64-bit numbers.
extern "C" __global__ void divisions(const int *in, long long *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n)
    return;
  int a = in[i], b = (a & 15) + 1;
  long long wide = (long long)a * 123456789ll;
  out[i * 6] = a / b;
  out[i * 6 + 1] = a % b;
  out[i * 6 + 2] = (unsigned)a / (unsigned)b;
  out[i * 6 + 3] = wide / (b + 1000);
  out[i * 6 + 4] = wide % (b + 1000);
  out[i * 6 + 5] = (long long)(((unsigned long long)wide * 3) >> (a & 31));
}
