// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The parallel loop over pieces of results, conversions, and the cap on logits.

#include "KernelBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace flow::cpu;

/// The type of a slice without its unit dimensions.
static RankedTensorType reducedType(RankedTensorType source,
                                    ArrayRef<OpFoldResult> sizes) {
  SmallVector<int64_t> shape;
  for (OpFoldResult size : sizes) {
    std::optional<int64_t> constant = getConstantIntValue(size);
    if (!constant)
      shape.push_back(ShapedType::kDynamic);
    else if (*constant != 1)
      shape.push_back(*constant);
  }
  return RankedTensorType::get(shape, source.getElementType());
}

Value KernelBuilder::widen(Value vec) {
  auto type = cast<VectorType>(vec.getType());
  if (type.getElementType().isF32())
    return vec;
  return arith::ExtFOp::create(*this, type.clone(getF32Type()), vec);
}

/// A vector rounded to bf16, in integers: the conversions of some machines
/// flush denormals, and others have none and would call a library.
static Value roundToBf16(KernelBuilder &b, Value v) {
  int64_t lanes = cast<VectorType>(v.getType()).getDimSize(0);
  auto constant = [&](int32_t value) { return b.splat(b.i32(value), lanes); };
  Value bits = vector::BitCastOp::create(b, b.vector(lanes, b.getI32Type()), v);
  Value high = arith::ShRUIOp::create(b, bits, constant(16));
  Value odd = arith::AndIOp::create(b, high, constant(1));
  Value sum = b.add(b.add(bits, constant(0x7fff)), odd);
  Value half = arith::TruncIOp::create(
      b, b.vector(lanes, b.getI16Type()),
      arith::ShRUIOp::create(b, sum, constant(16)).getResult());
  return vector::BitCastOp::create(b, b.vector(lanes, b.getBF16Type()), half);
}

Value KernelBuilder::narrow(Value vec, Type element) {
  if (element.isF32())
    return vec;
  if (element.isBF16())
    return roundToBf16(*this, vec);
  return arith::TruncFOp::create(
      *this, cast<VectorType>(vec.getType()).clone(element), vec);
}

Value KernelBuilder::softcap(Value vec, double cap) {
  Value all = splatF32(cap, cast<VectorType>(vec.getType()).getNumElements());
  Value ratio = arith::DivFOp::create(*this, vec, all);
  return mul(math::TanhOp::create(*this, ratio).getResult(), all);
}

Value KernelBuilder::reduceAdd(Value vec) {
  if (!isFloat(vec))
    return vector::ReductionOp::create(*this, vector::CombiningKind::ADD, vec);
  int64_t lanes = cast<VectorType>(vec.getType()).getDimSize(0);
  auto half = [&](int64_t first) -> Value {
    return vector::ExtractStridedSliceOp::create(
        *this, vec, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{lanes},
        ArrayRef<int64_t>{1});
  };
  while (lanes % 2 == 0) {
    lanes /= 2;
    vec = add(half(0), half(lanes));
  }
  auto lane = [&](int64_t at) -> Value {
    return vector::ExtractOp::create(*this, vec, ArrayRef<int64_t>{at});
  };
  Value sum = lane(0);
  for (int64_t at = 1; at != lanes; ++at)
    sum = add(sum, lane(at));
  return sum;
}

SmallVector<Value> KernelBuilder::forall(Value count, ValueRange outputs,
                                         ForallSlices slices, ForallBody body) {
  auto op = scf::ForallOp::create(
      *this, ArrayRef<OpFoldResult>{getAsOpFoldResult(count)}, outputs,
      std::nullopt, [&](OpBuilder &b, Location loc, ValueRange args) {
        KernelBuilder inner(loc, b);
        Value iv = args.front();
        ValueRange shared = args.drop_front();
        SmallVector<Slice> pieces = slices(inner, iv);
        // Constants as attributes, so that slice types are as static as can be.
        for (Slice &piece : pieces)
          for (OpFoldResult &size : piece.sizes)
            if (auto value = dyn_cast<Value>(size))
              size = getAsOpFoldResult(value);
        SmallVector<Value> inputs;
        for (auto [piece, output] : llvm::zip_equal(pieces, shared)) {
          SmallVector<OpFoldResult> strides(piece.sizes.size(),
                                            b.getIndexAttr(1));
          inputs.push_back(tensor::ExtractSliceOp::create(
              inner,
              reducedType(cast<RankedTensorType>(output.getType()),
                          piece.sizes),
              output, piece.offsets, piece.sizes, strides));
        }
        SmallVector<Value> results = body(inner, iv, inputs);
        auto terminator = scf::InParallelOp::create(inner);
        OpBuilder::InsertionGuard guard(inner);
        inner.setInsertionPointToStart(terminator.getBody());
        for (auto [piece, output, result] :
             llvm::zip_equal(pieces, shared, results)) {
          SmallVector<OpFoldResult> strides(piece.sizes.size(),
                                            b.getIndexAttr(1));
          tensor::ParallelInsertSliceOp::create(
              inner, result, output, piece.offsets, piece.sizes, strides);
        }
      });
  return llvm::to_vector_of<Value>(op.getResults());
}
