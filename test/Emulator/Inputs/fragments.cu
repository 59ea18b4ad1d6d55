// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Tensor cores by inline assembly: one warp, one tile, operands by ldmatrix as
// they lie in memory or transposed, and by plain loads.

#include <cstdint>

namespace {

__device__ uint32_t sharedAddress(const void *pointer) {
  return uint32_t(__cvta_generic_to_shared(pointer));
}

__device__ void loadFour(uint32_t (&r)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(sharedAddress(row)));
}

__device__ void loadTwo(uint32_t (&r)[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(sharedAddress(row)));
}

__device__ void loadTwoTransposed(uint32_t (&r)[2], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(sharedAddress(row)));
}

__device__ void multiply(float (&c)[4], const uint32_t (&a)[4],
                         const uint32_t (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]),
                 "r"(b[1]));
}

/// c [16, 8] as the fragment lies: row `lane / 4`, columns `2 (lane % 4)`.
__device__ void storeTile(float *out, const float (&c)[4]) {
  int row = threadIdx.x / 4, column = threadIdx.x % 4 * 2;
  out[row * 8 + column] = c[0];
  out[row * 8 + column + 1] = c[1];
  out[(row + 8) * 8 + column] = c[2];
  out[(row + 8) * 8 + column + 1] = c[3];
}

} // namespace

/// a [16, 16] times b [8, 16] transposed, both by ldmatrix.
extern "C" __global__ void fragments(const uint16_t *a, const uint16_t *b,
                                     float *out) {
  __shared__ alignas(16) uint16_t as[16 * 16], bs[8 * 16];
  int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32)
    as[i] = a[i];
  for (int i = lane; i < 128; i += 32)
    bs[i] = b[i];
  __syncwarp();
  uint32_t ra[4], rb[2];
  loadFour(ra, as + lane % 16 * 16 + lane / 16 * 8);
  loadTwo(rb, bs + lane % 8 * 16 + lane / 8 % 2 * 8);
  float c[4] = {0, 0, 0, 0};
  multiply(c, ra, rb);
  storeTile(out, c);
}

/// a [16, 16] times b [16, 8], which ldmatrix transposes.
extern "C" __global__ void fragmentsTransposed(const uint16_t *a,
                                               const uint16_t *b, float *out) {
  __shared__ alignas(16) uint16_t as[16 * 16], bs[16 * 8];
  int lane = threadIdx.x;
  for (int i = lane; i < 256; i += 32)
    as[i] = a[i];
  for (int i = lane; i < 128; i += 32)
    bs[i] = b[i];
  __syncwarp();
  uint32_t ra[4], rb[2];
  loadFour(ra, as + lane % 16 * 16 + lane / 16 * 8);
  loadTwoTransposed(rb, bs + lane % 16 * 8);
  float c[4] = {1, 1, 1, 1};
  multiply(c, ra, rb);
  storeTile(out, c);
}

/// a [16, 16] times b [8, 16] transposed, by loads of pairs from where the PTX
/// ISA says that each lane's elements are.
extern "C" __global__ void fragmentsByHand(const uint32_t *a, const uint32_t *b,
                                           float *out) {
  int row = threadIdx.x / 4, pair = threadIdx.x % 4;
  uint32_t ra[4] = {a[row * 8 + pair], a[(row + 8) * 8 + pair],
                    a[row * 8 + pair + 4], a[(row + 8) * 8 + pair + 4]};
  uint32_t rb[2] = {b[row * 8 + pair], b[row * 8 + pair + 4]};
  float c[4] = {0, 0, 0, 0};
  multiply(c, ra, rb);
  storeTile(out, c);
}

/// Bytes: a [16, 32] times b [8, 32] transposed, sums of 32 bits.
extern "C" __global__ void fragmentsOfBytes(const uint32_t *a,
                                            const uint32_t *b, int *out) {
  int row = threadIdx.x / 4, word = threadIdx.x % 4;
  int c[4] = {0, 0, 0, 0};
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
      : "r"(a[row * 8 + word]), "r"(a[(row + 8) * 8 + word]),
        "r"(a[row * 8 + word + 4]), "r"(a[(row + 8) * 8 + word + 4]),
        "r"(b[row * 8 + word]), "r"(b[row * 8 + word + 4]));
  out[row * 8 + word * 2] = c[0];
  out[row * 8 + word * 2 + 1] = c[1];
  out[(row + 8) * 8 + word * 2] = c[2];
  out[(row + 8) * 8 + word * 2 + 1] = c[3];
}
