// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Turns products on packed panels into parallel loops over register tiles.

#include "AmxTiles.h"
#include "ByteProduct.h"
#include "ScreenedProduct.h"
#include "TileLoops.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "flow/Codegen/CPU/Passes.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/ADT/SetVector.h"

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
  int64_t run = runOf(product.rows, tiling.rowLanes);
  bool isSingle = dimOf(init, 0) == 1;
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
        return b.loop(
            b.index(0), b.index(depth), run, zeros,
            [&](KernelBuilder &b, Value k, ValueRange acc) {
              RowReader reader(product.rows, run);
              SmallVector<Value> next = llvm::to_vector(acc);
              for (int64_t i = 0; i != run; ++i) {
                Value at = b.add(k, i);
                Value w = isSingle ? readPanelRow(b, product.panels, panel, at)
                                   : b.read(product.panels, {panel, at, column},
                                            shape.columns);
                for (int64_t r = 0; r != shape.rows; ++r) {
                  Value x = reader.number(b, b.add(row, r), r, k, i);
                  next[r] = b.fma(b.splat(x, shape.columns), w, next[r]);
                }
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
  int64_t run = runOf(product.rows, tiling.rowLanes),
          step = std::max<int64_t>(run / 2, 1);
  bool isWide = typeOf(product.rows).getElementType().isF32();
  bool isSingle = dimOf(init, 0) == 1;
  return emitTiles(
      b, init, tiling,
      [&](KernelBuilder &b, Value panel, Value column, Value row,
          TileShape shape) {
        SmallVector<Value> zeros(shape.rows, b.splatF32(0, shape.columns));
        return b.loop(
            b.index(0), b.index(pairs), step, zeros,
            [&](KernelBuilder &b, Value pair, ValueRange acc) {
              Value k = b.mul(pair, 2);
              RowReader reader(product.rows, run);
              SmallVector<Value> next = llvm::to_vector(acc);
              for (int64_t i = 0; i != step; ++i) {
                Value at = b.add(pair, i);
                Value w = isSingle ? readPanelRow(b, product.panels, panel, at)
                                   : b.read(product.panels,
                                            {panel, at, b.mul(column, 2)},
                                            2 * shape.columns);
                WidePair wide;
                if (isWide)
                  wide = splitPair(b, w);
                for (int64_t r = 0; r != shape.rows; ++r) {
                  Value rowAt = b.add(row, r);
                  if (!isWide) {
                    Value x = reader.numbers(b, rowAt, r, k, 2 * i, 2);
                    next[r] = emitDot(b, w, x, next[r]);
                    continue;
                  }
                  auto x = [&](int64_t offset) {
                    return b.splat(
                        reader.number(b, rowAt, r, k, 2 * i + offset),
                        shape.columns);
                  };
                  next[r] =
                      b.fma(wide.even, x(0), b.fma(wide.odd, x(1), next[r]));
                }
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
      bool hasTiles = bf16 && amx && fitAmxTiles(bf16->rows, bf16->panels);
      if (bf16 && widenBf16 && !hasTiles)
        bf16->rows = widenRows(b, b.getLoc(), bf16->rows);
      Value tiled;
      if (f32)
        tiled =
            emitF32(b, *f32, init, {{rowsF32, columnsF32}, rowUnit, rowLanes});
      else if (hasTiles)
        tiled = emitAmxProduct(b, bf16->rows, bf16->panels, init);
      else if (bf16)
        tiled = emitBf16(b, *bf16, init,
                         {{rowsBf16, columnsBf16}, rowUnit, rowLanes});
      else
        tiled = emitBytes(b, *i8, init, matchScreen(generic, *i8));
      flat.replaceAllUsesWith(tiled);
      flat.erase();
      eraseDead(generic);
    }
    getOperation()->walk([&](linalg::LinalgOp op) {
      if (amx && isLeftForAmxTiles(op))
        return;
      op.emitOpError("is left: it is no product on packed panels that can be "
                     "tiled");
      signalPassFailure();
    });
  }

  Value emitBytes(KernelBuilder &b, const I8Product &product, Value init,
                  std::optional<Screen> screen) const {
    ByteArithmetic arithmetic{widenI8,
                              signedI8,
                              rowLanes,
                              {rowsI8, columnsI8},
                              {rowsNarrow, columnsNarrow},
                              amx};
    return screen ? emitScreened(b, product, init, arithmetic, *screen)
                  : emitI8(b, product, init, arithmetic, rowUnit);
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
    // A set, since an operand may be there twice.
    llvm::SetVector<Operation *> producers;
    auto erase = [&](Operation *dead) {
      for (Value operand : dead->getOperands())
        if (Operation *producer = operand.getDefiningOp())
          producers.insert(producer);
      dead->erase();
    };
    erase(op);
    while (!producers.empty()) {
      Operation *producer = producers.pop_back_val();
      if (isOpTriviallyDead(producer))
        erase(producer);
    }
  }
};
} // namespace
