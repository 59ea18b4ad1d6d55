// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Where a kernel puts the rows that it makes, in the layout of their readers.

#include "RowStore.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <array>

using namespace mlir;
using namespace flow::cpu;

/// Quants, scale and `-128 * sum of quants` of a block of values.
static std::array<Value, 3> quantizeBlock(KernelBuilder &b, Value v) {
  int64_t block = cast<VectorType>(v.getType()).getDimSize(0);
  Value largest = b.reduceMax(math::AbsFOp::create(b, v).getResult());
  // Below, the inverse would overflow.
  Value isZero = arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, largest,
                                       b.f32(0x1p-120));
  auto zeroOr = [&](Value value) {
    return arith::SelectOp::create(b, isZero, b.f32(0), value).getResult();
  };
  Value inverse = zeroOr(arith::DivFOp::create(b, b.f32(127), largest));
  Value scale = zeroOr(arith::DivFOp::create(b, largest, b.f32(127)));
  Value rounded =
      math::RoundEvenOp::create(b, b.mul(v, b.splat(inverse, block)));
  Value wide =
      arith::FPToSIOp::create(b, b.vector(block, b.getI32Type()), rounded);
  Value quants =
      arith::TruncIOp::create(b, b.vector(block, b.getI8Type()), wide);
  return {quants, scale, b.mul(b.reduceAdd(wide), b.i32(-128))};
}

SmallVector<std::pair<int64_t, Type>, 3>
RowStore::extents(KernelBuilder &b) const {
  if (layout.kind == RowLayout::Kind::F32)
    return {{width, b.getF32Type()}};
  if (layout.kind == RowLayout::Kind::Bf16)
    return {{width, b.getBF16Type()}};
  int64_t blocks = width / layout.block;
  return {{width, b.getI8Type()},
          {blocks, b.getF32Type()},
          {blocks, b.getI32Type()}};
}

RowParts RowStore::empty(KernelBuilder &b, Value like) const {
  RowParts parts;
  for (auto [extent, element] : extents(b))
    parts.push_back(b.empty(
        RankedTensorType::get({typeOf(like).getDimSize(0), extent}, element),
        b.dim(like, 0)));
  return parts;
}

SmallVector<KernelBuilder::Slice> RowStore::slices(KernelBuilder &b,
                                                   Value t) const {
  SmallVector<KernelBuilder::Slice> slices;
  for (auto [extent, element] : extents(b))
    slices.push_back(b.rowSlice(t, extent));
  return slices;
}

SmallVector<Value> RowStore::fill(
    KernelBuilder &b, ValueRange row,
    llvm::function_ref<Value(KernelBuilder &, Value, int64_t)> make) const {
  return b.loop(
      b.index(0), b.index(width / lanes), 1, row,
      [&](KernelBuilder &b, Value piece,
          ValueRange outs) -> SmallVector<Value> {
        Value column = b.mul(piece, lanes);
        Value v = make(b, column, lanes);
        if (layout.kind == RowLayout::Kind::F32)
          return {b.write(v, outs[0], {column})};
        if (layout.kind == RowLayout::Kind::Bf16)
          return {b.write(b.narrow(v, b.getBF16Type()), outs[0], {column})};
        auto [quants, scale, sum] = quantizeBlock(b, v);
        return {b.write(quants, outs[0], {column}),
                b.insert(scale, outs[1], {piece}),
                b.insert(sum, outs[2], {piece})};
      });
}
