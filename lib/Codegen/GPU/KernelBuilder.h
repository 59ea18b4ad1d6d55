// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Short forms of the ops that GPU kernels are made of.

#ifndef FLOW_LIB_CODEGEN_GPU_KERNELBUILDER_H
#define FLOW_LIB_CODEGEN_GPU_KERNELBUILDER_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace flow::cuda {

class KernelBuilder;

/// A value of a kernel with the operators of its type: i1, i32 or i64 without
/// sign, f32 or f64, or a pointer. A number beside it becomes a constant of its
/// type, and what can be computed now is folded, so that a formula costs what
/// is left of it.
class Val {
public:
  Val() = default;
  Val(KernelBuilder &k, mlir::Value value) : k(&k), value(value) {}

  operator mlir::Value() const { return value; }
  mlir::Type type() const { return value.getType(); }
  bool isFloat() const { return mlir::isa<mlir::FloatType>(type()); }
  KernelBuilder &builder() const { return *k; }

  Val operator+(Val other) const;
  Val operator-(Val other) const;
  Val operator*(Val other) const;
  /// Of integers, those that are not negative.
  Val operator/(Val other) const;
  Val operator%(Val other) const;
  Val operator&(Val other) const;
  Val operator|(Val other) const;
  Val operator^(Val other) const;
  Val operator<<(Val other) const;
  /// Zeros come in from above.
  Val operator>>(Val other) const;

  /// Comparisons are of signed integers or of ordered floats.
  Val operator<(Val other) const;
  Val operator<=(Val other) const;
  Val operator>(Val other) const;
  Val operator>=(Val other) const;
  Val equals(Val other) const;
  Val max(Val other) const;
  Val min(Val other) const;

  /// An integer or a float beside a value of the same kind.
  Val constant(double number) const;
  template <typename Number,
            typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  Val like(Number number) const {
    return constant(static_cast<double>(number));
  }

private:
  KernelBuilder *k = nullptr;
  mlir::Value value;
};

#define FLOW_WITH_NUMBER(op)                                                   \
  template <typename Number,                                                   \
            typename = std::enable_if_t<std::is_arithmetic_v<Number>>>         \
  Val operator op(Val a, Number b) {                                           \
    return a op a.like(b);                                                     \
  }
FLOW_WITH_NUMBER(+)
FLOW_WITH_NUMBER(-)
FLOW_WITH_NUMBER(*)
FLOW_WITH_NUMBER(/)
FLOW_WITH_NUMBER(%)
FLOW_WITH_NUMBER(&)
FLOW_WITH_NUMBER(|)
FLOW_WITH_NUMBER(^)
FLOW_WITH_NUMBER(<<)
FLOW_WITH_NUMBER(>>)
FLOW_WITH_NUMBER(<)
FLOW_WITH_NUMBER(<=)
FLOW_WITH_NUMBER(>)
FLOW_WITH_NUMBER(>=)
#undef FLOW_WITH_NUMBER

using Vals = llvm::SmallVector<Val>;

/// Builds the body of one kernel. It stands where the next op goes; `loop` and
/// `when` move it into their regions and out again.
class KernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  using ImplicitLocOpBuilder::ImplicitLocOpBuilder;

  Val wrap(mlir::Value value) { return Val(*this, value); }
  Val i32(int64_t number);
  Val i64(int64_t number);
  Val f32(double number);
  Val f64(double number);
  llvm::SmallVector<Val> zeros(int64_t count) {
    return llvm::SmallVector<Val>(count, f32(0));
  }

  /// Of the thread: its number in the CTA, and the CTA's in the grid.
  Val threadId();
  Val blockIdX();
  Val blockIdY();
  Val blockIdZ();
  Val gridDimX();
  Val gridDimZ();
  /// The front of the CTA's dynamic shared memory.
  Val sharedMemory();

  /// `pointer` and so many bytes, i32 or i64.
  Val at(Val pointer, Val bytes);
  Val at(Val pointer, int64_t bytes);
  /// i32, not negative, to i64.
  Val wide(Val value);
  Val load(mlir::Type type, Val pointer, int64_t align);
  Val loadI32(Val pointer) { return load(getI32Type(), pointer, 4); }
  Val loadF32(Val pointer) { return load(getF32Type(), pointer, 4); }
  void store(Val value, Val pointer, int64_t align);
  /// 16 bytes as four i32 or four f32, one access.
  Vals load4(mlir::Type element, Val pointer);
  /// The same of 8 bytes.
  Vals load2(mlir::Type element, Val pointer);
  void store4(const Vals &values, Val pointer);
  void store2(Val first, Val second, Val pointer);

  /// Adds to an i32 in global memory and gives what was there. What the CTA did
  /// before a barrier in front of it comes before what a CTA does after a
  /// barrier behind it that has added later.
  Val atomicAdd(Val pointer, Val value);

  Val select(Val condition, Val yes, Val no);
  Val bitcast(mlir::Type type, Val value);
  /// The low half of an i32, as i16.
  Val lowHalf(Val bits);
  /// The bytes of two i32, those of `low` first, that the four lower digits of
  /// `selector` name, its lowest digit the lowest byte.
  Val selectBytes(Val low, Val high, Val selector);
  Val fma(Val a, Val b, Val c);
  /// i32, not negative, to f64, which is exact.
  Val toF64(Val value);
  /// To the nearest f32.
  Val toF32(Val value);
  /// The low 32 bits of an f64.
  Val lowWord(Val value);
  /// `2^x`, `1 / x` and `1 / sqrt(x)` by the special function unit, within 2
  /// units in the last place, denormals flushed.
  Val exp2(Val x);
  Val reciprocal(Val x);
  Val reciprocalSqrt(Val x);
  /// tanh from exp2 and reciprocal, within a few units in the last place of 1:
  /// `1 - 2 / (1 + 2^(2 x log2 e))`.
  Val tanh(Val x);
  /// `x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`.
  Val gelu(Val x);

  /// Two f32 as bf16 in one i32, the first one in the low half; to the nearest,
  /// ties to even.
  Val packBf16(Val low, Val high);
  /// The two bf16 in an i32 as f32.
  std::pair<Val, Val> unpackBf16(Val pair);
  /// `a + b` of the two bf16 in each, rounded once.
  Val addBf16(Val a, Val b);
  /// The f16 in the low half of an i32 as f32.
  Val widenF16(Val bits);

  using LoopBody = llvm::function_ref<Vals(Val iv, const Vals &carried)>;
  /// `for (iv = lower; iv < upper; iv += step)` over i32 with carried values.
  Vals loop(Val lower, Val upper, int64_t step, const Vals &carried,
            LoopBody body);
  void when(Val condition, llvm::function_ref<void()> body);
  /// What `body` gives where `condition` holds, else `otherwise`.
  Vals when(Val condition, const Vals &otherwise,
            llvm::function_ref<Vals()> body);

  /// All threads of the CTA, or `threads` of them at barrier `id`.
  void barrier();
  void barrier(Val id, int64_t threads);
  /// Starts a copy of 16 bytes to shared memory, of which the first `bytes` are
  /// read and the others are zero.
  void copyAsync16(Val shared, Val global, Val bytes);
  /// The same of 4, 8 or 16 bytes that lie near what others read: through L1.
  void copyAsyncCached(Val shared, Val global, int64_t size, Val bytes);
  void commitCopies();
  /// Waits until at most so many groups of this thread's copies are under way.
  void waitForCopies(int64_t groups);

  /// The value of the lane whose number differs by `mask`.
  Val shuffleXor(Val value, int64_t mask);
  /// Over the lanes of the warp, in each of them.
  Val warpSum(Val value);
  Val warpMax(Val value);

  /// Four 8x8 matrices of 16 bits; lane l gives the address of row l % 8 of
  /// matrix l / 8. Register i of a lane has columns 2 (l % 4) and the next of
  /// row l / 4 of matrix i; transposed, of column l / 4 two rows.
  Vals loadMatrices(Val shared, bool transposed = false);
  /// `a [16, 16] b [16, 8] + c [16, 8]` in the fragments of mma.m16n8k16.
  Vals mma(llvm::ArrayRef<Val> a, llvm::ArrayRef<Val> b, llvm::ArrayRef<Val> c);

  /// Makes the 8 bytes at `barrier` an mbarrier whose phases end when so many
  /// arrivals, and the bytes that they expect, have come.
  void initBarrier(Val barrier, int64_t arrivals);
  /// What this thread wrote to shared memory, mbarriers too, becomes visible to
  /// copies of boxes and to wgmma.
  void fenceAsyncProxy();
  /// Arrives, and expects so many bytes of copies in the phase.
  void expectBytes(Val barrier, int64_t bytes);
  void arrive(Val barrier);
  /// Waits until the phase of this parity, 0 or 1, is over.
  void waitForPhase(Val barrier, Val parity);
  /// Starts a copy of the box of `map` at `row` and `column` to `shared`, which
  /// arrives at `barrier` with its bytes.
  void fetchBox(Val shared, Val map, Val row, Val column, Val barrier);

  /// The descriptor of a matrix at `shared` for wgmma: rows of 128 bytes one
  /// after the other, from a multiple of 1024 bytes on, swizzled as copies of
  /// boxes leave them. A row is 64 of the depth.
  Val matrixDescriptor(Val shared);
  /// The same of a matrix whose rows are of one depth each, of 64 columns; the
  /// next 64 columns are `blockBytes` further.
  Val transposedDescriptor(Val shared, int64_t blockBytes);
  /// Orders what was done to `values`, sums and factors in registers, before
  /// what wgmma does with them.
  Vals fenceProducts(const Vals &values);
  /// `a [64, 16] b [columns, 16] transposed + sums`, of four warps: warp w of
  /// them has rows 16 w to 16 w + 15, and of each 8 columns what a lane has of
  /// an mma. Sums must not be touched before `waitForProducts` gives them back.
  Vals multiplyMatrices(Val a, Val b, const Vals &sums);
  /// The same of the fragment `a [16, 16]` of each warp, as mma has it, and a
  /// transposed `b [16, columns]`.
  Vals multiplyFragments(llvm::ArrayRef<Val> a, Val b, const Vals &sums);
  void commitProducts();
  /// Waits until at most so many groups of products are under way, and returns
  /// `sums`, which none of them may be adding to if they are to be used.
  Vals waitForProducts(int64_t groups, const Vals &sums);
};

/// 16-byte chunk `chunk` of row `row` lies at this chunk of the row, so that
/// eight rows at one chunk touch all banks. A row has 4 chunks, or 8 or more.
inline Val swizzle(Val row, Val chunk, int64_t chunksOfRow) {
  return chunksOfRow == 4 ? chunk ^ ((row >> 1) & 3) : chunk ^ (row & 7);
}

} // namespace flow::cuda

#endif // FLOW_LIB_CODEGEN_GPU_KERNELBUILDER_H
