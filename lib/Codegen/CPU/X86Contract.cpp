// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Lowers dot products of bytes and of bf16 to x86 instructions.

#include "Dots.h"
#include "flow/Codegen/CPU/Passes.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace flow::cpu;

namespace flow {
#define GEN_PASS_DEF_X86CONTRACT
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {

enum class Isa { Generic, Avx2, Vnni256, Avx512, Vnni };

/// `acc [n] + factor * (sum over k of numbers [n, k])`.
struct PairSum {
  Value numbers, acc;
  int16_t factor;
};

/// A pair of 16-bit numbers onto i32, each times a constant.
std::optional<PairSum> matchPairSum(vector::ContractionOp contract) {
  auto numbers = contract.getLhs().getDefiningOp<arith::ExtSIOp>();
  auto result = dyn_cast<VectorType>(contract.getResultType());
  DenseElementsAttr factors;
  if (!numbers || !result || result.getRank() != 1 ||
      !result.getElementType().isInteger(32) ||
      !matchPattern(contract.getRhs(), m_Constant(&factors)) ||
      !factors.isSplat() || !factors.getSplatValue<APInt>().isSignedIntN(16) ||
      contract.getKind() != vector::CombiningKind::ADD)
    return std::nullopt;
  MLIRContext *context = contract.getContext();
  AffineExpr n = getAffineDimExpr(0, context), k = getAffineDimExpr(1, context);
  if (numbers.getIn().getType() !=
          VectorType::get({result.getDimSize(0), 2},
                          IntegerType::get(context, 16)) ||
      contract.getIndexingMapsArray() !=
          AffineMap::inferFromExprList({ArrayRef<AffineExpr>{n, k}, {k}, {n}},
                                       context))
    return std::nullopt;
  return PairSum{
      numbers.getIn(), contract.getAcc(),
      static_cast<int16_t>(factors.getSplatValue<APInt>().getSExtValue())};
}

/// Two pairs of unsigned by signed bytes onto two i16, whose sums fit: weights
/// `[n, 2, 2]`, row `[2, 2]`, accumulator `[n, 2]`.
std::optional<Dot> matchShortDot(vector::ContractionOp contract) {
  auto weights = contract.getLhs().getDefiningOp<arith::ExtUIOp>();
  auto row = contract.getRhs().getDefiningOp<arith::ExtSIOp>();
  auto result = dyn_cast<VectorType>(contract.getResultType());
  if (!weights || !row || !result || result.getRank() != 2 ||
      !result.getElementType().isInteger(16) ||
      contract.getKind() != vector::CombiningKind::ADD)
    return std::nullopt;
  MLIRContext *context = contract.getContext();
  Type byte = IntegerType::get(context, 8);
  AffineExpr n, p, k;
  bindDims(context, n, p, k);
  if (weights.getIn().getType() !=
          VectorType::get({result.getDimSize(0), 2, 2}, byte) ||
      row.getIn().getType() != VectorType::get({2, 2}, byte) ||
      contract.getIndexingMapsArray() !=
          AffineMap::inferFromExprList(
              {ArrayRef<AffineExpr>{n, p, k}, {p, k}, {n, p}}, context))
    return std::nullopt;
  return Dot{weights.getIn(), row.getIn(), contract.getAcc()};
}

/// `vpdpbusd`. It does not saturate, and 4 * 255 * 127 fits.
Value emitVnni(KernelBuilder &b, const Dot &dot, Value weights, int64_t lanes) {
  StringRef name = lanes == 16 ? "llvm.x86.avx512.vpdpbusd.512"
                               : "llvm.x86.avx512.vpdpbusd.256";
  auto words = b.vector(lanes, b.getI32Type());
  auto bytes = b.vector(4 * lanes, b.getI8Type());
  Value x =
      vector::BitCastOp::create(b, bytes, b.splat(asWord(b, dot.row), lanes));
  return perRegister(b, dot, weights, lanes, [&](Value acc, Value w) {
    return callIntrinsic(b, name, words, {acc, w, x});
  });
}

/// `vpmaddwd` of `2 * lanes` halves, added to `acc`.
Value addPairs(KernelBuilder &b, Value acc, Value w, Value x, int64_t lanes) {
  StringRef name =
      lanes == 16 ? "llvm.x86.avx512.pmaddw.d.512" : "llvm.x86.avx2.pmadd.wd";
  return b.add(acc, callIntrinsic(b, name, acc.getType(), {w, x}));
}

Value emitPairs(KernelBuilder &b, const Dot &dot, Value weights,
                int64_t lanes) {
  Value x = vector::BitCastOp::create(b, b.vector(2 * lanes, b.getI16Type()),
                                      b.splat(asWord(b, dot.row), lanes));
  return perRegister(b, dot, weights, lanes, [&](Value acc, Value w) {
    return addPairs(b, acc, w, x, lanes);
  });
}

/// `vpmaddubsw` on `2 * lanes` sums, added to `dot.acc`. It saturates, but sums
/// fit.
Value emitShorts(KernelBuilder &b, const Dot &dot, int64_t lanes) {
  auto flat = [&](Value v) -> Value {
    auto type = cast<VectorType>(v.getType());
    return vector::ShapeCastOp::create(
        b, b.vector(type.getNumElements(), type.getElementType()), v);
  };
  StringRef name = lanes == 16 ? "llvm.x86.avx512.pmaddubs.w.512"
                               : "llvm.x86.avx2.pmadd.ub.sw";
  auto shorts = b.vector(2 * lanes, b.getI16Type());
  Value x = vector::BitCastOp::create(b, b.vector(4 * lanes, b.getI8Type()),
                                      b.splat(asWord(b, flat(dot.row)), lanes));
  Dot flattened{flat(dot.weights), dot.row, flat(dot.acc)};
  Value sums = perRegister(
      b, flattened, flattened.weights, 2 * lanes, [&](Value acc, Value w) {
        return b.add(acc, callIntrinsic(b, name, shorts, {w, x}));
      });
  return vector::ShapeCastOp::create(b, dot.acc.getType(), sums);
}

/// `vpmaddwd` adds the products of two 16-bit halves of a word: once for the
/// bytes 0 and 2, once for the bytes 1 and 3.
Value emitHalves(KernelBuilder &b, const Dot &dot, Value weights,
                 int64_t lanes) {
  auto words = b.vector(lanes, b.getI32Type());
  auto halves = b.vector(2 * lanes, b.getI16Type());
  Value mask = b.splat(b.i32(0x00ff00ff), lanes);
  Value eight = b.splat(b.i32(8), lanes);
  auto asHalves = [&](Value v) {
    return vector::BitCastOp::create(b, halves, v).getResult();
  };
  // The signed bytes of x widened to 16 bits: (x0, x2) and (x1, x3).
  Value wide = arith::ExtSIOp::create(b, b.vector(4, b.getI16Type()), dot.row);
  auto pair = [&](int64_t first) {
    Value two = vector::ShuffleOp::create(b, wide, wide,
                                          ArrayRef<int64_t>{first, first + 2});
    Value one = vector::BitCastOp::create(b, b.vector(1, b.getI32Type()), two);
    return asHalves(b.splat(
        vector::ExtractOp::create(b, one, ArrayRef<int64_t>{0}), lanes));
  };
  Value even = pair(0), odd = pair(1);
  return perRegister(b, dot, weights, lanes, [&](Value acc, Value bytes) {
    Value w = vector::BitCastOp::create(b, words, bytes);
    Value low = arith::AndIOp::create(b, w, mask);
    Value high = arith::AndIOp::create(
        b, arith::ShRUIOp::create(b, w, eight).getResult(), mask);
    acc = addPairs(b, acc, asHalves(low), even, lanes);
    return addPairs(b, acc, asHalves(high), odd, lanes);
  });
}

/// `vdpbf16ps`.
Value emitBf16Dot(KernelBuilder &b, const Dot &dot, Value weights) {
  auto floats = b.f32Vector(16);
  auto halves = b.vector(32, b.getBF16Type());
  Value x =
      vector::BitCastOp::create(b, halves, b.splat(asWord(b, dot.row), 16));
  return perRegister(b, dot, weights, 16, [&](Value acc, Value w) {
    return callIntrinsic(b, "llvm.x86.avx512bf16.dpbf16ps.512", floats,
                         {acc, w, x});
  });
}

struct X86Contract : flow::impl::X86ContractBase<X86Contract> {
  using X86ContractBase::X86ContractBase;

  void runOnOperation() override {
    std::optional<Isa> target = llvm::StringSwitch<std::optional<Isa>>(isa)
                                    .Case("vnni", Isa::Vnni)
                                    .Case("avx512", Isa::Avx512)
                                    .Case("vnni256", Isa::Vnni256)
                                    .Case("avx2", Isa::Avx2)
                                    .Case("generic", Isa::Generic)
                                    .Default(std::nullopt);
    if (!target) {
      getOperation()->emitError("unknown isa '")
          << isa << "', expected vnni, avx512, vnni256, avx2 or generic";
      return signalPassFailure();
    }
    if (failed(replaceContractions(
            getOperation(),
            [&](KernelBuilder &b, vector::ContractionOp contract) {
              return emit(b, contract, *target);
            })))
      signalPassFailure();
  }

  /// What replaces `contract`; null if it is none of the dots, or of columns
  /// that do not fill registers.
  Value emit(KernelBuilder &b, vector::ContractionOp contract, Isa target) {
    if (std::optional<Dot> dot = matchBf16Dot(contract)) {
      if (!bf16)
        return emitFmaPairs(b, *dot);
      return dot->columns() % 16 == 0
                 ? emitBf16Dot(b, *dot, flatWeights(b, *dot))
                 : Value();
    }
    int64_t lanes = 16;
    if (target == Isa::Generic)
      lanes = 1;
    else if (target == Isa::Avx2 || target == Isa::Vnni256)
      lanes = 8;
    std::optional<Dot> pairs = matchPairDot(contract);
    if (std::optional<PairSum> sum = matchPairSum(contract)) {
      auto type = b.vector(2, b.getI16Type());
      Value row = arith::ConstantOp::create(
          b, DenseElementsAttr::get(type, sum->factor));
      pairs = Dot{sum->numbers, row, sum->acc};
    }
    if (pairs && target != Isa::Generic && pairs->columns() % lanes == 0)
      return emitPairs(b, *pairs, flatWeights(b, *pairs), lanes);
    std::optional<Dot> shorts = matchShortDot(contract);
    if (shorts && target != Isa::Generic && shorts->columns() % lanes == 0)
      return emitShorts(b, *shorts, lanes);
    std::optional<Dot> dot = matchByteDot(contract);
    if (!dot || dot->columns() % lanes != 0)
      return {};
    if (target == Isa::Generic)
      return emitByteProducts(b, *dot);
    Value weights = flatWeights(b, *dot);
    return target == Isa::Vnni || target == Isa::Vnni256
               ? emitVnni(b, *dot, weights, lanes)
               : emitHalves(b, *dot, weights, lanes);
  }
};
} // namespace
