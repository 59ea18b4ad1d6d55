// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds the linalg ops of products on packed weights.
//
// The 8-bit product is written as what the machine does: the integer dot of
// each block starts from what the row's block sum, `-128 * sum(a)`, gives for
// the offset of the weights, so that unsigned weights `q + offset` give
// `sum(q * a)`; a second op scales each block and adds the blocks in order.
// Weights of fewer bits are made bytes by an op of their own.

#include "PackedProducts.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace flow;

namespace {

constexpr auto kParallel = utils::IteratorType::parallel;
constexpr auto kReduction = utils::IteratorType::reduction;

RankedTensorType typeOf(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// An uninitialised tensor with the rows of `like` and further dimensions.
Value emptyRows(ImplicitLocOpBuilder &b, Value like, ArrayRef<int64_t> dims,
                Type element) {
  SmallVector<OpFoldResult> sizes{tensor::getMixedSize(b, b.getLoc(), like, 0)};
  for (int64_t dim : dims)
    sizes.push_back(b.getIndexAttr(dim));
  return tensor::EmptyOp::create(b, sizes, element);
}

/// Splits the dimensions of `value` into groups of static sizes; -1 stands for
/// the number of rows.
Value expand(ImplicitLocOpBuilder &b, Value value,
             ArrayRef<SmallVector<int64_t>> groups) {
  SmallVector<ReassociationIndices> reassociation;
  SmallVector<OpFoldResult> sizes;
  SmallVector<int64_t> shape;
  for (ArrayRef<int64_t> group : groups) {
    ReassociationIndices &indices = reassociation.emplace_back();
    for (int64_t size : group) {
      indices.push_back(shape.size());
      OpFoldResult mixed = size == -1
                               ? tensor::getMixedSize(b, b.getLoc(), value, 0)
                               : OpFoldResult(b.getIndexAttr(size));
      sizes.push_back(mixed);
      shape.push_back(
          getConstantIntValue(mixed).value_or(ShapedType::kDynamic));
    }
  }
  auto type = RankedTensorType::get(shape, typeOf(value).getElementType());
  return tensor::ExpandShapeOp::create(b, type, value, reassociation, sizes);
}

/// `[T, N/32, 32]` as `[T, N]`.
Value flattenPanels(ImplicitLocOpBuilder &b, Value value) {
  return tensor::CollapseShapeOp::create(
      b, value, SmallVector<ReassociationIndices>{{0}, {1, 2}});
}

Value zeroRows(ImplicitLocOpBuilder &b, Value like, int64_t panels) {
  Value empty = emptyRows(b, like, {panels, cpu::kPanel}, b.getF32Type());
  Value zero = arith::ConstantOp::create(b, b.getF32FloatAttr(0));
  return linalg::FillOp::create(b, zero, empty).getResult(0);
}

Value generic(
    ImplicitLocOpBuilder &b, ValueRange inputs, Value init,
    ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
    llvm::function_ref<Value(ImplicitLocOpBuilder &, ValueRange)> body) {
  return linalg::GenericOp::create(
             b, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &nested, Location loc, ValueRange args) {
               ImplicitLocOpBuilder inner(loc, nested);
               linalg::YieldOp::create(inner, body(inner, args));
             })
      .getResult(0);
}

/// Half bytes `[N/32, K/8, 128]`, with upper bits `[N/32, K/c, 128]` or none,
/// as bytes `[N/32, K/4, 128]`.
Value unpackHalves(ImplicitLocOpBuilder &b, Value halves, Value upperBits) {
  int64_t panels = typeOf(halves).getDimSize(0);
  int64_t bytes = typeOf(halves).getDimSize(1), lanes = 4 * cpu::kPanel;
  int64_t groups = upperBits ? typeOf(upperBits).getDimSize(1) : bytes;
  int64_t perGroup = bytes / groups;
  AffineExpr n, group, j, half, lane;
  bindDims(b.getContext(), n, group, j, half, lane);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(5, 0, results, b.getContext());
  };
  SmallVector<Value> inputs{
      expand(b, halves, {{panels}, {groups, perGroup}, {lanes}})};
  SmallVector<AffineMap> maps{map({n, group, j, lane})};
  if (upperBits) {
    inputs.push_back(upperBits);
    maps.push_back(map({n, group, lane}));
  }
  maps.push_back(map({n, group, j, half, lane}));
  Value empty = tensor::EmptyOp::create(
      b, ArrayRef<int64_t>{panels, groups, perGroup, 2, lanes}, b.getI8Type());
  int64_t upper = 4 / perGroup;
  Value unpacked = generic(
      b, inputs, empty, maps, SmallVector<utils::IteratorType>(5, kParallel),
      [&](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
        auto constant = [&](int64_t value) {
          return arith::ConstantOp::create(b, b.getI8IntegerAttr(value));
        };
        auto position = [&](unsigned dim) -> Value {
          return arith::IndexCastOp::create(
              b, b.getI8Type(), linalg::IndexOp::create(b, dim).getResult());
        };
        auto bits = [&](Value value, Value from, int64_t count) -> Value {
          Value shifted = arith::ShRUIOp::create(b, value, from);
          return arith::AndIOp::create(b, shifted, constant((1 << count) - 1));
        };
        Value half = position(3);
        Value low =
            bits(args[0], arith::MulIOp::create(b, half, constant(4)), 4);
        if (!upperBits)
          return low;
        Value quad = arith::AddIOp::create(
            b, arith::MulIOp::create(b, position(2), constant(2)).getResult(),
            half);
        Value high = bits(
            args[1], arith::MulIOp::create(b, quad, constant(upper)), upper);
        return arith::OrIOp::create(
            b, low, arith::ShLIOp::create(b, high, constant(4)).getResult());
      });
  return tensor::CollapseShapeOp::create(
      b, unpacked, SmallVector<ReassociationIndices>{{0}, {1, 2, 3}, {4}});
}

/// Leading bits `[N/32, K/4, 128]` as bytes, with `[N/32, l K/32, 128]` of `l`
/// bits below them.
Value joinLowBits(ImplicitLocOpBuilder &b, Value leading, Value lowBits) {
  int64_t panels = typeOf(leading).getDimSize(0);
  int64_t steps = typeOf(leading).getDimSize(1) / 8, lanes = 4 * cpu::kPanel;
  int64_t count = typeOf(lowBits).getDimSize(1) / steps;
  AffineExpr n, step, quad, lane;
  bindDims(b.getContext(), n, step, quad, lane);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(4, 0, results, b.getContext());
  };
  Value rows = expand(b, lowBits, {{panels}, {steps, count}, {lanes}});
  SmallVector<Value> inputs{
      expand(b, leading, {{panels}, {steps, 8}, {lanes}})};
  SmallVector<AffineMap> maps{map({n, step, quad, lane})};
  for (int64_t bit = 0; bit != count; ++bit) {
    inputs.push_back(rows);
    maps.push_back(map({n, step, b.getAffineConstantExpr(bit), lane}));
  }
  maps.push_back(maps[0]);
  Value empty = tensor::EmptyOp::create(
      b, ArrayRef<int64_t>{panels, steps, 8, lanes}, b.getI8Type());
  Value joined = generic(
      b, inputs, empty, maps, SmallVector<utils::IteratorType>(4, kParallel),
      [&](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
        auto constant = [&](int64_t value) {
          return arith::ConstantOp::create(b, b.getI8IntegerAttr(value));
        };
        Value position = arith::IndexCastOp::create(
            b, b.getI8Type(), linalg::IndexOp::create(b, 2).getResult());
        Value byte = arith::ShLIOp::create(b, args[0], constant(count));
        for (int64_t bit = 0; bit != count; ++bit) {
          Value shifted = arith::ShRUIOp::create(b, args[1 + bit], position);
          Value alone = arith::AndIOp::create(b, shifted, constant(1));
          byte = arith::OrIOp::create(
              b, byte,
              arith::ShLIOp::create(b, alone, constant(bit)).getResult());
        }
        return byte;
      });
  return tensor::CollapseShapeOp::create(
      b, joined, SmallVector<ReassociationIndices>{{0}, {1, 2}, {3}});
}

/// The quants of `panels`, of rows of `cols` values, as bytes `[N/32, K/4,
/// 128]`.
Value unpackQuants(ImplicitLocOpBuilder &b, const I8Panels &panels,
                   int64_t cols) {
  if (typeOf(panels.quants).getDimSize(1) * 4 == cols)
    return panels.quants;
  Value bytes = unpackHalves(b, panels.quants, panels.upperBits);
  return panels.lowBits ? joinLowBits(b, bytes, panels.lowBits) : bytes;
}

/// What the integer dots of `rows` start from, `[T, N/32, blocks, 32] i32`:
/// `-offset` times the sum of each block.
Value startOfDots(ImplicitLocOpBuilder &b, const cpu::QuantizedRows &rows,
                  int64_t panels, int64_t offset) {
  int64_t blocks = typeOf(rows.sums).getDimSize(1);
  Value empty =
      emptyRows(b, rows.quants, {panels, blocks, cpu::kPanel}, b.getI32Type());
  if (offset == 0) {
    Value zero = arith::ConstantOp::create(b, b.getI32IntegerAttr(0));
    return linalg::FillOp::create(b, zero, empty).getResult(0);
  }
  AffineExpr m, n, blk, ni;
  bindDims(b.getContext(), m, n, blk, ni);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(4, 0, results, b.getContext());
  };
  return generic(b, rows.sums, empty, {map({m, blk}), map({m, n, blk, ni})},
                 {kParallel, kParallel, kParallel, kParallel},
                 [&](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
                   if (offset == 128)
                     return args[0];
                   // Exact: the sum is a multiple of 128.
                   Value shift = arith::ConstantOp::create(
                       b, b.getI32IntegerAttr(7 - llvm::Log2_64(offset)));
                   return arith::ShRSIOp::create(b, args[0], shift);
                 });
}

} // namespace

Value flow::buildF32Product(OpBuilder &builder, Location loc, Value rows,
                            Value panels) {
  ImplicitLocOpBuilder b(loc, builder);
  AffineExpr m, n, k, ni;
  bindDims(b.getContext(), m, n, k, ni);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(4, 0, results, b.getContext());
  };
  Value init = zeroRows(b, rows, typeOf(panels).getDimSize(0));
  Value product = generic(
      b, {rows, panels}, init, {map({m, k}), map({n, k, ni}), map({m, n, ni})},
      {kParallel, kParallel, kReduction, kParallel},
      [](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
        return math::FmaOp::create(b, args[0], args[1], args[2]);
      });
  return flattenPanels(b, product);
}

Value flow::buildBf16Product(OpBuilder &builder, Location loc, Value rows,
                             Value panels) {
  ImplicitLocOpBuilder b(loc, builder);
  int64_t panelCount = typeOf(panels).getDimSize(0);
  int64_t pairs = typeOf(panels).getDimSize(1);
  AffineExpr m, n, pair, ni, kk;
  bindDims(b.getContext(), m, n, pair, ni, kk);
  auto map = [&](ArrayRef<AffineExpr> results) {
    return AffineMap::get(5, 0, results, b.getContext());
  };
  Value product = generic(
      b,
      {expand(b, rows, {{-1}, {pairs, 2}}),
       expand(b, panels, {{panelCount}, {pairs}, {cpu::kPanel, 2}})},
      zeroRows(b, rows, panelCount),
      {map({m, pair, kk}), map({n, pair, ni, kk}), map({m, n, ni})},
      {kParallel, kParallel, kReduction, kParallel, kReduction},
      [](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
        auto widen = [&](Value v) {
          return arith::ExtFOp::create(b, b.getF32Type(), v).getResult();
        };
        return math::FmaOp::create(b, widen(args[0]), widen(args[1]), args[2]);
      });
  return flattenPanels(b, product);
}

Value flow::buildI8Product(OpBuilder &builder, Location loc,
                           const cpu::QuantizedRows &rows,
                           const I8Panels &panels) {
  ImplicitLocOpBuilder b(loc, builder);
  int64_t panelCount = typeOf(panels.scales).getDimSize(0);
  // A block of weights is one block of the rows, or two.
  int64_t blocks = typeOf(rows.scales).getDimSize(1);
  int64_t block = typeOf(rows.quants).getDimSize(1) / blocks;
  int64_t rowBlocks = blocks / typeOf(panels.scales).getDimSize(1);
  AffineExpr m, n, blk, ni, quad, kk;
  bindDims(b.getContext(), m, n, blk, ni, quad, kk);
  auto map = [&](unsigned dims, ArrayRef<AffineExpr> results) {
    return AffineMap::get(dims, 0, results, b.getContext());
  };

  Value start = startOfDots(b, rows, panelCount, panels.offset);
  Value bytes = unpackQuants(b, panels, typeOf(rows.quants).getDimSize(1));

  Value quants = expand(b, rows.quants, {{-1}, {blocks, block / 4, 4}});
  Value weights =
      expand(b, bytes, {{panelCount}, {blocks, block / 4}, {cpu::kPanel, 4}});
  Value dots = generic(
      b, {quants, weights}, start,
      {map(6, {m, blk, quad, kk}), map(6, {n, blk, quad, ni, kk}),
       map(6, {m, n, blk, ni})},
      {kParallel, kParallel, kParallel, kParallel, kReduction, kReduction},
      [](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
        Value a = arith::ExtSIOp::create(b, b.getI32Type(), args[0]);
        Value w = arith::ExtUIOp::create(b, b.getI32Type(), args[1]);
        return arith::AddIOp::create(
            b, args[2], arith::MulIOp::create(b, a, w).getResult());
      });

  SmallVector<Value> inputs{dots, rows.scales, panels.scales};
  AffineExpr panelBlock = blk.floorDiv(rowBlocks);
  SmallVector<AffineMap> maps{map(4, {m, n, blk, ni}), map(4, {m, blk}),
                              map(4, {n, panelBlock, ni})};
  if (panels.minima) {
    inputs.append({rows.sums, panels.minima});
    maps.append({map(4, {m, blk}), map(4, {n, panelBlock, ni})});
  }
  maps.push_back(map(4, {m, n, ni}));
  Value product = generic(
      b, inputs, zeroRows(b, rows.quants, panelCount), maps,
      {kParallel, kParallel, kReduction, kParallel},
      [&](ImplicitLocOpBuilder &b, ValueRange args) -> Value {
        auto toFloat = [&](Value v) {
          return arith::SIToFPOp::create(b, b.getF32Type(), v).getResult();
        };
        Value scale = args[2];
        if (!scale.getType().isF32())
          scale = arith::ExtFOp::create(b, b.getF32Type(), scale);
        Value sum = math::FmaOp::create(
            b, toFloat(args[0]),
            arith::MulFOp::create(b, args[1], scale).getResult(), args.back());
        if (!panels.minima)
          return sum;
        return math::FmaOp::create(
            b, toFloat(args[3]),
            arith::MulFOp::create(b, args[1], args[4]).getResult(), sum);
      });
  return flattenPanels(b, product);
}
