// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns products on packed panels into parallel loops over register tiles.

#include "ByteProduct.h"
#include "TileLoops.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "flow/Codegen/CPU/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace flow::cpu;

namespace flow {
#define GEN_PASS_DEF_TILECONTRACTIONS
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {

/// `C[m, n, ni] = sum over k of A[m, k] * W[n, k, ni]` in f32.
struct F32Product {
  Value rows, panels;
};

/// `C[m, n, ni] = sum over k of A[m, k] * W[n, k / 2, 2 ni + k mod 2]` of bf16
/// in f32.
struct Bf16Product {
  Value rows, panels;
};

std::optional<F32Product> matchF32(linalg::GenericOp generic) {
  if (generic.getNumDpsInputs() != 2 || generic.getNumReductionLoops() != 1 ||
      generic.getNumLoops() != 4)
    return std::nullopt;
  auto isFloat = [](Value value, int64_t rank) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    return type && type.getElementType().isF32() && type.getRank() == rank;
  };
  Value rows = generic.getDpsInputs()[0], panels = generic.getDpsInputs()[1];
  if (!isFloat(rows, 2) || !isFloat(panels, 3) ||
      !isFloat(generic.getDpsInits()[0], 3))
    return std::nullopt;
  SmallVector<Operation *> body;
  for (Operation &op : generic.getBody()->without_terminator())
    body.push_back(&op);
  if (body.size() != 1 || !isa<math::FmaOp>(body[0]))
    return std::nullopt;
  return F32Product{rows, panels};
}

std::optional<Bf16Product> matchBf16(linalg::GenericOp generic) {
  if (generic.getNumDpsInputs() != 2 || generic.getNumReductionLoops() != 2 ||
      generic.getNumLoops() != 5 ||
      !getElementTypeOrSelf(generic.getDpsInits()[0]).isF32())
    return std::nullopt;
  for (Operation &op : generic.getBody()->without_terminator())
    if (!isa<arith::ExtFOp, math::FmaOp>(op))
      return std::nullopt;
  Bf16Product product{behindReshapes(generic.getDpsInputs()[0]),
                      behindReshapes(generic.getDpsInputs()[1])};
  auto isBf16 = [](Value value, int64_t rank) {
    auto type = cast<RankedTensorType>(value.getType());
    return type.getElementType().isBF16() && type.getRank() == rank;
  };
  if (!isBf16(product.rows, 2) || !isBf16(product.panels, 3))
    return std::nullopt;
  return product;
}

Value emitF32(KernelBuilder &b, const F32Product &product, Value init,
              const Tiling &tiling) {
  int64_t depth = dimOf(product.rows, 1);
  bool isSingle = dimOf(init, 0) == 1;
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
        return b.loop(
            b.index(0), b.index(depth), 1, zeros,
            [&](KernelBuilder &b, Value k, ValueRange acc) {
              Value w = isSingle ? readPanelRow(b, product.panels, panel, k)
                                 : b.read(product.panels, {panel, k, column},
                                          shape.columns);
              SmallVector<Value> next;
              for (int64_t r = 0; r != shape.rows; ++r) {
                Value x = b.extract(product.rows, {b.add(row, r), k});
                next.push_back(b.fma(b.splat(x, shape.columns), w, acc[r]));
              }
              return next;
            });
      });
}

/// The numbers of pairs, each half wide.
struct WidePair {
  Value even, odd;
};

/// bf16 as f32: a bf16 is the upper half of one.
WidePair splitPair(KernelBuilder &b, Value w) {
  int64_t lanes = cast<VectorType>(w.getType()).getDimSize(0) / 2;
  Value words =
      vector::BitCastOp::create(b, b.vector(lanes, b.getI32Type()), w);
  auto asFloats = [&](Value v) -> Value {
    return vector::BitCastOp::create(b, b.f32Vector(lanes), v);
  };
  Value upper = b.splat(b.i32(static_cast<int32_t>(0xffff0000)), lanes);
  Value sixteen = b.splat(b.i32(16), lanes);
  return {asFloats(arith::ShLIOp::create(b, words, sixteen)),
          asFloats(arith::AndIOp::create(b, words, upper))};
}

Value emitBf16(KernelBuilder &b, const Bf16Product &product, Value init,
               const Tiling &tiling) {
  int64_t pairs = dimOf(product.panels, 1);
  bool isWide = typeOf(product.rows).getElementType().isF32();
  bool isSingle = dimOf(init, 0) == 1;
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
        return b.loop(
            b.index(0), b.index(pairs), 1, zeros,
            [&](KernelBuilder &b, Value pair, ValueRange acc) {
              Value w = isSingle ? readPanelRow(b, product.panels, panel, pair)
                                 : b.read(product.panels,
                                          {panel, pair, b.mul(column, 2)},
                                          2 * shape.columns);
              Value k = b.mul(pair, 2);
              SmallVector<Value> next;
              if (!isWide) {
                for (int64_t r = 0; r != shape.rows; ++r) {
                  Value x = b.read(product.rows, {b.add(row, r), k}, 2);
                  next.push_back(emitDot(b, w, x, acc[r]));
                }
                return next;
              }
              auto [even, odd] = splitPair(b, w);
              for (int64_t r = 0; r != shape.rows; ++r) {
                auto x = [&](int64_t offset) {
                  return b.splat(b.extract(product.rows,
                                           {b.add(row, r), b.add(k, offset)}),
                                 shape.columns);
                };
                next.push_back(b.fma(even, x(0), b.fma(odd, x(1), acc[r])));
              }
              return next;
            });
      });
}

struct TileContractions : flow::impl::TileContractionsBase<TileContractions> {
  using TileContractionsBase::TileContractionsBase;

  void runOnOperation() override {
    SmallVector<linalg::GenericOp> generics;
    getOperation()->walk(
        [&](linalg::GenericOp generic) { generics.push_back(generic); });
    for (linalg::GenericOp generic : generics) {
      std::optional<F32Product> f32 = matchF32(generic);
      std::optional<Bf16Product> bf16 = matchBf16(generic);
      std::optional<I8Product> i8 = matchI8(generic);
      if (!f32 && !bf16 && !i8)
        continue;
      tensor::CollapseShapeOp flat = flattening(generic);
      if (!flat)
        continue;
      KernelBuilder b(generic.getLoc(), generic);
      // The tile starts from zero in registers, so the result needs no fill.
      Value rows = f32 ? f32->rows : bf16 ? bf16->rows : i8->quants;
      Value init =
          b.empty(cast<RankedTensorType>(flat.getType()), b.dim(rows, 0));
      if (bf16 && widenBf16)
        bf16->rows = widenRows(b, b.getLoc(), bf16->rows);
      Value tiled =
          f32 ? emitF32(b, *f32, init, {{rowsF32, columnsF32}, rowUnit})
          : bf16
              ? emitBf16(b, *bf16, init, {{rowsBf16, columnsBf16}, rowUnit})
              : emitI8(
                    b, *i8, init,
                    {widenI8, {rowsI8, columnsI8}, {rowsNarrow, columnsNarrow}},
                    rowUnit);
      flat.replaceAllUsesWith(tiled);
      flat.erase();
      eraseDead(generic);
    }
    getOperation()->walk([&](linalg::LinalgOp op) {
      op.emitOpError("is left: it is no product on packed panels that can be "
                     "tiled");
      signalPassFailure();
    });
  }

  /// The reshape of the panels `[M, N/32, 32]` to rows `[M, N]`, if that is all
  /// that `product` is used for.
  static tensor::CollapseShapeOp flattening(linalg::GenericOp product) {
    if (!product.getResult(0).hasOneUse())
      return {};
    auto flat = dyn_cast<tensor::CollapseShapeOp>(*product->getUsers().begin());
    return flat && flat.getType().getRank() == 2 ? flat
                                                 : tensor::CollapseShapeOp();
  }

  /// Erases `op` and the producers that only it used.
  static void eraseDead(Operation *op) {
    SmallVector<Value> operands = llvm::to_vector(op->getOperands());
    op->erase();
    for (Value operand : operands)
      if (Operation *producer = operand.getDefiningOp();
          producer && isOpTriviallyDead(producer))
        eraseDead(producer);
  }
};
} // namespace
