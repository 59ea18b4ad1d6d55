// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds the loops whose speed is the machine's.

#include "PeakKernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/STLFunctionalExtras.h"

using namespace mlir;
using namespace flow;

namespace {

/// What a loop does with accumulator `chain` in the round `at`.
using Round = llvm::function_ref<Value(ImplicitLocOpBuilder &b, Value at,
                                       int64_t chain, Value accumulator)>;

class KernelWriter {
public:
  KernelWriter(MLIRContext &context, const CpuTarget &target)
      : target(target), loc(UnknownLoc::get(&context)),
        pointer(LLVM::LLVMPointerType::get(&context)),
        i64(IntegerType::get(&context, 64)) {}

  PeakKernels write();

private:
  /// Of the widest registers.
  int64_t vectorBytes() const {
    return target.avx512 ? 64 : target.avx2 ? 32 : 16;
  }
  /// Chains that do not wait for each other. Two units with a latency of six
  /// cycles want twelve, which fit into sixteen registers beside two operands.
  /// Where there are thirty-two registers, sixteen are on the safe side, as
  /// they are for four units with a latency of four.
  int64_t chains() const { return target.avx512 || target.neon ? 16 : 12; }
  /// Tiles have 16 rows of 64 bytes. A product of two takes 16 cycles, and the
  /// next that adds to its sums waits 52.
  static constexpr int64_t kTileRows = 16, kTileBytes = 64, kTileChains = 4;
  VectorType vectorOf(Type element) const {
    return VectorType::get(
        {8 * vectorBytes() / element.getIntOrFloatBitWidth()}, element);
  }

  Value constant(ImplicitLocOpBuilder &b, int64_t value) const {
    return LLVM::ConstantOp::create(b, i64, b.getI64IntegerAttr(value));
  }
  Value address(ImplicitLocOpBuilder &b, Value base, Value offset) const {
    return LLVM::GEPOp::create(b, pointer, b.getI8Type(), base,
                               ArrayRef<LLVM::GEPArg>{offset});
  }
  /// The vector of `type` with this number in the array at `base`; a tile has
  /// it in each row.
  Value load(ImplicitLocOpBuilder &b, Type type, Value base,
             int64_t number) const {
    Value from = address(b, base, constant(b, number * vectorBytes()));
    if (!isTile(type))
      return LLVM::LoadOp::create(b, type, from, /*alignment=*/vectorBytes());
    return LLVM::CallIntrinsicOp::create(
               b, type, b.getStringAttr("llvm.x86.tileloadd64.internal"),
               ValueRange{i16(b, kTileRows), i16(b, kTileBytes), from,
                          constant(b, 0)})
        .getResult(0);
  }
  /// Its opposite; of a tile, the last row.
  void store(ImplicitLocOpBuilder &b, Value value, Value base,
             int64_t number) const {
    Value to = address(b, base, constant(b, number * vectorBytes()));
    if (isTile(value.getType()))
      LLVM::CallIntrinsicOp::create(
          b, b.getStringAttr("llvm.x86.tilestored64.internal"),
          ValueRange{i16(b, kTileRows), i16(b, kTileBytes), to, constant(b, 0),
                     value});
    else
      LLVM::StoreOp::create(b, value, to);
  }
  static bool isTile(Type type) { return isa<LLVM::LLVMX86AMXType>(type); }
  static Value i16(ImplicitLocOpBuilder &b, int64_t value) {
    return LLVM::ConstantOp::create(b, b.getI16Type(),
                                    b.getI16IntegerAttr(value));
  }

  /// A function that raises a counter by `step` until it is no less than its
  /// integer, with `count` accumulators that begin as the vectors at `data`
  /// and end at `results`. `prepare` gives the loop what it needs of `data`.
  void
  addLoop(StringRef name, Type type, int64_t count, int64_t step,
          llvm::function_ref<void(ImplicitLocOpBuilder &, Value data)> prepare,
          Round round);
  /// A loop of `count` times `instruction(accumulator, x, y)`; its operations
  /// in a round, if an instruction does `perVector`.
  int64_t
  addPeak(StringRef name, Type type, Type operandType, int64_t count,
          int64_t perVector,
          llvm::function_ref<Value(ImplicitLocOpBuilder &, Value, Value, Value)>
              instruction);
  /// The same of tiles whose rows have `depth` numbers.
  int64_t addTilePeak(StringRef name, StringRef intrinsic, int64_t depth);

  const CpuTarget &target;
  Location loc;
  Type pointer, i64;
  ModuleOp module;
};

} // namespace

void KernelWriter::addLoop(
    StringRef name, Type type, int64_t count, int64_t step,
    llvm::function_ref<void(ImplicitLocOpBuilder &, Value)> prepare,
    Round round) {
  ImplicitLocOpBuilder b(loc, module.getBodyRegion());
  auto function = LLVM::LLVMFuncOp::create(
      b, ("_mlir_ciface_" + name).str(),
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(b.getContext()),
                                  {pointer, i64, pointer, pointer}));
  Block *entry = function.addEntryBlock(b);
  Value limit = entry->getArgument(1), data = entry->getArgument(2),
        results = entry->getArgument(3);
  SmallVector<Type> types(count + 1, type);
  types.front() = i64;
  Block *loop = b.createBlock(&function.getBody(), {}, types,
                              SmallVector<Location>(types.size(), loc));
  Block *end = b.createBlock(&function.getBody());

  b.setInsertionPointToEnd(entry);
  SmallVector<Value> values = {constant(b, 0)};
  for (int64_t chain = 0; chain != count; ++chain)
    values.push_back(load(b, type, data, chain));
  prepare(b, data);
  LLVM::BrOp::create(b, values, loop);

  b.setInsertionPointToEnd(loop);
  Value at = loop->getArgument(0);
  values = {LLVM::AddOp::create(b, at, constant(b, step))};
  for (int64_t chain = 0; chain != count; ++chain)
    values.push_back(round(b, at, chain, loop->getArgument(1 + chain)));
  Value more =
      LLVM::ICmpOp::create(b, LLVM::ICmpPredicate::ult, values.front(), limit);
  LLVM::CondBrOp::create(b, more, loop, values, end, ValueRange());

  b.setInsertionPointToEnd(end);
  for (int64_t chain = 0; chain != count; ++chain)
    store(b, values[1 + chain], results, chain);
  LLVM::ReturnOp::create(b, ValueRange());
}

int64_t KernelWriter::addPeak(
    StringRef name, Type type, Type operandType, int64_t count,
    int64_t perVector,
    llvm::function_ref<Value(ImplicitLocOpBuilder &, Value, Value, Value)>
        instruction) {
  Value x, y;
  addLoop(
      name, type, count, /*step=*/1,
      [&](ImplicitLocOpBuilder &b, Value data) {
        x = load(b, operandType, data, count);
        y = load(b, operandType, data, count + 1);
      },
      [&](ImplicitLocOpBuilder &b, Value, int64_t, Value accumulator) {
        return instruction(b, accumulator, x, y);
      });
  return count * perVector;
}

/// Calls the instruction that LLVM calls `intrinsic`.
static Value callDot(ImplicitLocOpBuilder &b, StringRef intrinsic,
                     Value accumulator, Value x, Value y) {
  return LLVM::CallIntrinsicOp::create(b, accumulator.getType(),
                                       b.getStringAttr(intrinsic),
                                       ValueRange{accumulator, x, y})
      .getResult(0);
}

int64_t KernelWriter::addTilePeak(StringRef name, StringRef intrinsic,
                                  int64_t depth) {
  Type tile = LLVM::LLVMX86AMXType::get(module.getContext());
  return addPeak(
      name, tile, tile, kTileChains, 2 * 16 * 16 * depth,
      [&](ImplicitLocOpBuilder &b, Value accumulator, Value x, Value y) {
        Value bytes = i16(b, kTileBytes);
        return LLVM::CallIntrinsicOp::create(
                   b, accumulator.getType(), b.getStringAttr(intrinsic),
                   ValueRange{i16(b, kTileRows), bytes, bytes, accumulator, x,
                              y})
            .getResult(0);
      });
}

PeakKernels KernelWriter::write() {
  PeakKernels kernels;
  kernels.module = ModuleOp::create(loc);
  module = *kernels.module;
  Builder b(module.getContext());
  VectorType floats = vectorOf(b.getF32Type()),
             words = vectorOf(b.getI32Type());

  // The accumulator is a factor, so that without a fused instruction there is a
  // product in each round and not one in front of the loop.
  kernels.f32 = addPeak(
      "peak_f32", floats, floats, chains(), 2 * floats.getNumElements(),
      [](ImplicitLocOpBuilder &b, Value accumulator, Value x, Value y) {
        return LLVM::FMulAddOp::create(b, accumulator, x, y).getResult();
      });
  if (target.amx) {
    // Each of 16 x 16 sums gets as many products as a row has numbers.
    kernels.bf16 =
        addTilePeak("peak_bf16", "llvm.x86.tdpbf16ps.internal", kTileBytes / 2);
    kernels.int8 =
        addTilePeak("peak_int8", "llvm.x86.tdpbssd.internal", kTileBytes);
  }
  if (target.bf16 && !target.amx)
    kernels.bf16 = addPeak(
        "peak_bf16", floats, vectorOf(b.getBF16Type()), chains(),
        4 * floats.getNumElements(),
        [&](ImplicitLocOpBuilder &b, Value accumulator, Value x, Value y) {
          if (!target.neon)
            return callDot(b, "llvm.x86.avx512bf16.dpbf16ps.512", accumulator,
                           x, y);
          accumulator =
              callDot(b, "llvm.aarch64.neon.bfmlalt", accumulator, x, y);
          return callDot(b, "llvm.aarch64.neon.bfmlalb", accumulator, x, y);
        });
  if ((target.vnni || target.vnni256 || target.dotprod) && !target.amx)
    kernels.int8 = addPeak(
        "peak_int8", words, vectorOf(b.getI8Type()), chains(),
        8 * words.getNumElements(),
        [&](ImplicitLocOpBuilder &b, Value accumulator, Value x, Value y) {
          StringRef name = target.i8mm ? "llvm.aarch64.neon.usdot.v4i32.v16i8"
                           : target.dotprod
                               ? "llvm.aarch64.neon.sdot.v4i32.v16i8"
                           : target.vnni ? "llvm.x86.avx512.vpdpbusd.512"
                                         : "llvm.x86.avx512.vpdpbusd.256";
          return callDot(b, name, accumulator, x, y);
        });

  // Four loads a round, each into an accumulator of its own.
  constexpr int64_t kLoads = 4;
  kernels.readStep = kLoads * vectorBytes();
  Value data;
  addLoop(
      "read", words, kLoads, kernels.readStep,
      [&](ImplicitLocOpBuilder &, Value from) { data = from; },
      [&](ImplicitLocOpBuilder &b, Value at, int64_t chain, Value accumulator) {
        Value next = load(b, words, address(b, data, at), chain);
        return LLVM::XOrOp::create(b, accumulator, next).getResult();
      });
  return kernels;
}

PeakKernels flow::buildPeakKernels(MLIRContext &context,
                                   const CpuTarget &target) {
  context.loadDialect<LLVM::LLVMDialect>();
  return KernelWriter(context, target).write();
}
