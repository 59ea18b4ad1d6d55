// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Matches dot products of short numbers, and lowers them for any machine.

#include "Dots.h"

using namespace mlir;
using namespace flow::cpu;

/// The dot of `contract` if `LhsExt` and `RhsExt` widened its operands, `count`
/// of `isNarrow` elements side by side, to those of the accumulator.
template <typename LhsExt, typename RhsExt>
static std::optional<Dot> matchDot(vector::ContractionOp contract,
                                   int64_t count,
                                   llvm::function_ref<bool(Type)> isNarrow,
                                   llvm::function_ref<bool(Type)> isWide) {
  auto weights = contract.getLhs().getDefiningOp<LhsExt>();
  auto row = contract.getRhs().getDefiningOp<RhsExt>();
  auto isVector = [](Type type, ArrayRef<int64_t> shape,
                     llvm::function_ref<bool(Type)> isElement) {
    auto vector = dyn_cast<VectorType>(type);
    return vector && vector.getShape() == shape &&
           isElement(vector.getElementType());
  };
  auto result = dyn_cast<VectorType>(contract.getResultType());
  if (!weights || !row || !result || result.getRank() != 1 ||
      !isWide(result.getElementType()) ||
      !isVector(weights.getIn().getType(), {result.getDimSize(0), count},
                isNarrow) ||
      !isVector(row.getIn().getType(), {count}, isNarrow) ||
      contract.getKind() != vector::CombiningKind::ADD)
    return std::nullopt;
  MLIRContext *context = contract.getContext();
  AffineExpr n = getAffineDimExpr(0, context), k = getAffineDimExpr(1, context);
  if (contract.getIndexingMapsArray() !=
      AffineMap::inferFromExprList({ArrayRef<AffineExpr>{n, k}, {k}, {n}},
                                   context))
    return std::nullopt;
  return Dot{weights.getIn(), row.getIn(), contract.getAcc()};
}

std::optional<Dot> flow::cpu::matchByteDot(vector::ContractionOp contract) {
  return matchDot<arith::ExtUIOp, arith::ExtSIOp>(
      contract, 4, [](Type t) { return t.isInteger(8); },
      [](Type t) { return t.isInteger(32); });
}

std::optional<Dot>
flow::cpu::matchSignedByteDot(vector::ContractionOp contract) {
  return matchDot<arith::ExtSIOp, arith::ExtSIOp>(
      contract, 4, [](Type t) { return t.isInteger(8); },
      [](Type t) { return t.isInteger(32); });
}

std::optional<Dot> flow::cpu::matchPairDot(vector::ContractionOp contract) {
  return matchDot<arith::ExtSIOp, arith::ExtSIOp>(
      contract, 2, [](Type t) { return t.isInteger(16); },
      [](Type t) { return t.isInteger(32); });
}

std::optional<Dot> flow::cpu::matchBf16Dot(vector::ContractionOp contract) {
  return matchDot<arith::ExtFOp, arith::ExtFOp>(
      contract, 2, [](Type t) { return t.isBF16(); },
      [](Type t) { return t.isF32(); });
}

Value flow::cpu::flatWeights(KernelBuilder &b, const Dot &dot) {
  auto type = cast<VectorType>(dot.weights.getType());
  return vector::ShapeCastOp::create(
      b, b.vector(type.getNumElements(), type.getElementType()), dot.weights);
}

static Value slice(KernelBuilder &b, Value vec, int64_t first, int64_t count) {
  return vector::ExtractStridedSliceOp::create(b, vec, ArrayRef<int64_t>{first},
                                               ArrayRef<int64_t>{count},
                                               ArrayRef<int64_t>{1});
}

static Value join(KernelBuilder &b, ArrayRef<Value> parts, VectorType type) {
  Value result = arith::ConstantOp::create(b, b.getZeroAttr(type));
  int64_t offset = 0;
  for (Value part : parts) {
    result = vector::InsertStridedSliceOp::create(
        b, part, result, ArrayRef<int64_t>{offset}, ArrayRef<int64_t>{1});
    offset += cast<VectorType>(part.getType()).getDimSize(0);
  }
  return result;
}

Value flow::cpu::callIntrinsic(KernelBuilder &b, StringRef name, Type result,
                               ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, result, b.getStringAttr(name),
                                       operands)
      .getResult(0);
}

Value flow::cpu::asWord(KernelBuilder &b, Value row) {
  Value one = vector::BitCastOp::create(b, b.vector(1, b.getI32Type()), row);
  return vector::ExtractOp::create(b, one, ArrayRef<int64_t>{0});
}

Value flow::cpu::perRegister(
    KernelBuilder &b, const Dot &dot, Value weights, int64_t lanes,
    llvm::function_ref<Value(Value acc, Value words)> emit) {
  int64_t elements = cast<VectorType>(weights.getType()).getDimSize(0);
  int64_t perLane = elements / dot.columns();
  SmallVector<Value> parts;
  for (int64_t first = 0; first != dot.columns(); first += lanes)
    parts.push_back(emit(slice(b, dot.acc, first, lanes),
                         slice(b, weights, first * perLane, lanes * perLane)));
  return join(b, parts, cast<VectorType>(dot.acc.getType()));
}

Value flow::cpu::emitByteProducts(KernelBuilder &b, const Dot &dot) {
  int64_t lanes = dot.columns();
  auto words = b.vector(lanes, b.getI32Type());
  Value w = vector::BitCastOp::create(b, words, flatWeights(b, dot));
  Value x = arith::ExtSIOp::create(b, b.vector(4, b.getI32Type()), dot.row);
  Value sum = dot.acc, mask = b.splat(b.i32(255), lanes);
  for (int64_t k = 0; k != 4; ++k) {
    Value shifted = arith::ShRUIOp::create(b, w, b.splat(b.i32(8 * k), lanes));
    Value byte = arith::AndIOp::create(b, shifted, mask);
    Value xk = vector::ExtractOp::create(b, x, ArrayRef<int64_t>{k});
    sum = b.add(sum, b.mul(byte, b.splat(xk, lanes)));
  }
  return sum;
}

// A bf16 is the upper half of an f32.
Value flow::cpu::emitFmaPairs(KernelBuilder &b, const Dot &dot) {
  int64_t lanes = dot.columns();
  auto words = b.vector(lanes, b.getI32Type());
  Value w = vector::BitCastOp::create(b, words, flatWeights(b, dot));
  Value x = b.splat(asWord(b, dot.row), lanes);
  auto asFloats = [&](Value v) -> Value {
    return vector::BitCastOp::create(b, b.f32Vector(lanes), v);
  };
  auto odd = [&](Value v) {
    return asFloats(arith::AndIOp::create(
        b, v, b.splat(b.i32(static_cast<int32_t>(0xffff0000)), lanes)));
  };
  auto even = [&](Value v) {
    return asFloats(arith::ShLIOp::create(b, v, b.splat(b.i32(16), lanes)));
  };
  Value oddW = odd(w), oddX = odd(x), evenW = even(w), evenX = even(x);
  return b.fma(evenW, evenX, b.fma(oddW, oddX, dot.acc));
}

LogicalResult flow::cpu::replaceContractions(
    Operation *root,
    llvm::function_ref<Value(KernelBuilder &, vector::ContractionOp)> emit) {
  SmallVector<vector::ContractionOp> contracts;
  root->walk([&](vector::ContractionOp op) { contracts.push_back(op); });
  for (vector::ContractionOp contract : contracts) {
    KernelBuilder b(contract.getLoc(), contract);
    Value result = emit(b, contract);
    if (!result)
      return contract.emitOpError(
          "is no dot product of unsigned by signed bytes, of signed bytes, of "
          "pairs of 16 bits or of bf16 that the target has instructions for");
    Operation *lhs = contract.getLhs().getDefiningOp();
    Operation *rhs = contract.getRhs().getDefiningOp();
    contract.replaceAllUsesWith(result);
    contract.erase();
    for (Operation *extension : {lhs, rhs})
      if (extension->use_empty())
        extension->erase();
  }
  return success();
}
