// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A function of stages that runs both as native code and interpreted.

#ifndef FLOW_TEST_UNIT_CODEGEN_COMPILEDFUNCTION_H
#define FLOW_TEST_UNIT_CODEGEN_COMPILEDFUNCTION_H

#include "../Reference/TestModule.h"

#include "flow/Compiler/LoadedCode.h"
#include "flow/Runtime/Plan.h"

#include <array>
#include <ostream>

namespace flow {

/// For whom code is made: a CPU by LLVM's name, or `native`, and the dot
/// instructions that products use: those of bytes, or `bf16` and `amx`. Those
/// of `vnni256` and `amx` are emulated where the machine lacks them.
struct CodeTarget {
  const char *cpu, *isa;
};

inline std::ostream &operator<<(std::ostream &out, const CodeTarget &target) {
  return out << target.cpu << '/' << target.isa;
}

/// Every pair that a product of bytes is compiled for.
constexpr CodeTarget kByteTargets[] = {
    {"native", "vnni"},      {"native", "avx2"},       {"native", "generic"},
    {"x86-64-v3", "amx"},    {"x86-64-v3", "vnni256"}, {"x86-64-v3", "avx2"},
    {"x86-64-v3", "generic"}};
/// The same for functions without a product of bytes, which are what `isa`
/// changes.
constexpr CodeTarget kFloatTargets[] = {{"native", "generic"},
                                        {"x86-64-v3", "generic"}};

/// Every pair that a product of bf16 is compiled for.
constexpr CodeTarget kBf16Targets[] = {{"native", "bf16"},
                                       {"native", "generic"},
                                       {"x86-64-v3", "amx"},
                                       {"x86-64-v3", "generic"}};

/// Whether this machine runs code for `target`.
bool canRun(const CodeTarget &target);

/// `native_vnni`, for the names of tests.
std::string targetName(const testing::TestParamInfo<CodeTarget> &info);

/// A buffer of generated code.
struct CodeBuffer {
  std::vector<int64_t> shape;
  std::vector<std::byte> bytes;
  /// Of a cache.
  runtime::ElementType element = runtime::ElementType::F32;
  bool areKeys = false;
};

/// One argument: the value that the interpreter sees and the buffers that the
/// code sees. An index has no buffer.
struct CodeArgument {
  InterpretedValue value;
  std::vector<CodeBuffer> buffers;
};

CodeArgument indexArgument(int64_t value);
CodeArgument plainArgument(const Tensor &tensor);
/// `tensor` as a cache of `element`, which is f32, bf16 or f16, holds it.
Tensor roundedTo(runtime::ElementType element, Tensor tensor);
/// Keys `[C, KV, D]`, kept as `[KV, C/32, D, 32]`, or slots of them, of values
/// that `element` holds.
CodeArgument
keyCacheArgument(const Tensor &keys,
                 runtime::ElementType element = runtime::ElementType::F32);
/// The same of values, kept as `[KV, D/32, C, 32]`.
CodeArgument
valueCacheArgument(const Tensor &values,
                   runtime::ElementType element = runtime::ElementType::F32);
/// Spans as rows `[N, 2]` of i32.
CodeArgument spansArgument(llvm::ArrayRef<PositionSpan> spans);
/// (slot, first row, rows, position of the first) of each sequence of a step.
using SequenceTable = std::vector<std::array<int32_t, 4>>;
CodeArgument sequencesArgument(const SequenceTable &table);
/// A weight `[N, K]` in f32 panels `[N/32, K, 32]`.
CodeArgument f32PanelsArgument(const Tensor &weight);

/// A weight `[N, K]` rounded to bf16 in panels of pairs `[N/32, K/2, 64]`.
CodeArgument bf16PanelsArgument(const Tensor &weight);

/// A weight `[N, K]` of bytes: element `[n, k]` is
/// `scale[n, b] * quant[n, k] + minimum[n, b]` with `b = k / block`, exactly.
/// Scales are multiples of 2^-8 up to 1, which f16 holds, and minima of 2^-2
/// from -64 on.
struct ByteWeight {
  /// Random quants, scales and, with `hasMinima`, minima. Quants raised by
  /// `offset` are numbers of `bits` bits. All quants of the first row are the
  /// largest and of the second the least, the extremes of a sum.
  ByteWeight(int64_t rows, int64_t cols, int64_t block, bool hasMinima,
             uint32_t seed, int64_t bits = 8, int64_t offset = 128);
  /// What the elements mean, and `|scale * quant| + |minimum|` of each.
  Tensor values() const;
  Tensor magnitudes() const;
  /// Panels of quants `[N/32, K/4, 32 * 4]` raised by the offset, or of half
  /// bytes and upper bits, scales `[N/32, K/block, 32]` as f16 or f32, and
  /// minima, if any, as f32. With `leading`, that many bits of quants of 8 are
  /// half bytes and upper bits, and the others lie behind them.
  CodeArgument argument(bool halfScales, int64_t leading = 0) const;

  int64_t rows, cols, block, bits, offset;
  bool hasMinima;
  std::vector<int8_t> quants;
  std::vector<float> scales, minima;
};

/// Rows `[T, K]` of bytes with a scale for each block.
struct ByteRows {
  /// Random quants in [-127, 127], all 127 in the first row and -127 in the
  /// second, and scales that are multiples of 2^-8 up to 1, so that every
  /// element `scale * quant` is exact.
  ByteRows(int64_t rows, int64_t cols, int64_t block, uint32_t seed);
  Tensor values() const;
  /// Quants, scales and -128 times the sum of each block.
  CodeArgument argument() const;

  int64_t rows, cols, block;
  std::vector<int8_t> quants;
  std::vector<float> scales;
};

/// The first `count` rows of a matrix to run code with, without the value that
/// the interpreter sees.
CodeArgument firstRows(CodeArgument matrix, int64_t count);

/// The results of one call, by both ways.
struct CallResults {
  std::vector<Tensor> computed, expected;
};

/// @f of a text, compiled. Constructed and called only when `canRun`.
///
/// Each buffer stands between guards that must survive; results are NaN before
/// the call; arguments other than caches must stay as they were; and parallel
/// loops run in several ranges, the last first.
class CompiledFunction {
public:
  /// `phase` is the step that @f belongs to, as the pipelines name it.
  CompiledFunction(const std::string &text, const CodeTarget &target,
                   const std::string &phase = "prefill");
  ~CompiledFunction();

  /// Calls @f both ways; the lists are empty after a failure.
  CallResults call(const std::vector<CodeArgument> &arguments);

  /// What the interpreter makes of `arguments`; empty after a failure.
  std::vector<Tensor> interpret(const std::vector<CodeArgument> &arguments);

  /// Calls the code alone: the results have `shapes`. A last argument of @f
  /// that is a buffer to be written counts as a result.
  std::vector<Tensor> run(const std::vector<CodeArgument> &arguments,
                          llvm::ArrayRef<llvm::SmallVector<int64_t, 4>> shapes);

private:
  void findResults();
  bool compile(const CodeTarget &target, const std::string &phase);

  std::unique_ptr<mlir::MLIRContext> context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  TestWeights weights;
  std::unique_ptr<Interpreter> interpreter;
  std::unique_ptr<LoadedCode> code;
  void (*entry)(void **) = nullptr;
  /// For each result the argument that it is a later state of, or -1.
  std::vector<int> cacheOfResult;
  /// Whether each result is i32; it comes out as the same numbers in f32.
  std::vector<bool> isIntegers;
};

/// `tensor` with rows from `count` on that are padding: large numbers, which
/// must not reach the rows before them.
Tensor withPadding(Tensor tensor, int64_t count);

/// The largest `|computed - expected| / bound` over the first `count` rows of
/// two tensors, the bound being of each element; infinite where a result is no
/// number.
double worstRatio(const Tensor &computed, const Tensor &expected, int64_t count,
                  llvm::ArrayRef<double> bounds);
double worstRatio(const Tensor &computed, const Tensor &expected, int64_t count,
                  llvm::function_ref<double(size_t)> bound);

/// True when all values of both are the same numbers.
bool sameValues(const Tensor &computed, const Tensor &expected, int64_t count);

} // namespace flow

#endif // FLOW_TEST_UNIT_CODEGEN_COMPILEDFUNCTION_H
