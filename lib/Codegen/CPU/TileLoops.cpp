// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Builds the loops around register tiles and the dot products in them.

#include "TileLoops.h"

#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace flow::cpu;

Value flow::cpu::behindReshapes(Value value) {
  while (true) {
    if (auto expand = value.getDefiningOp<tensor::ExpandShapeOp>())
      value = expand.getSrc();
    else if (auto collapse = value.getDefiningOp<tensor::CollapseShapeOp>())
      value = collapse.getSrc();
    else
      return value;
  }
}

using PanelBody =
    llvm::function_ref<Value(KernelBuilder &, Value panel, Value out)>;

/// `init` with what `body` makes of the columns of each panel, in parallel.
static Value emitPanels(KernelBuilder &b, Value init, PanelBody body) {
  OpFoldResult extent = dimOf(init, 0) == 1 ? OpFoldResult(b.getIndexAttr(1))
                                            : OpFoldResult(b.dim(init, 0));
  return b.forall(
      b.index(dimOf(init, 1) / kPanel), init,
      [&](KernelBuilder &b, Value panel) -> SmallVector<KernelBuilder::Slice> {
        return {{{b.getIndexAttr(0), b.mul(panel, kPanel)},
                 {extent, b.getIndexAttr(kPanel)}}};
      },
      [&](KernelBuilder &b, Value panel, ValueRange outs)
          -> SmallVector<Value> { return {body(b, panel, outs[0])}; })[0];
}

Value flow::cpu::emitTiles(KernelBuilder &b, Value init, const Tiling &tiling,
                           TileBody tile, PrepareBody prepare) {
  bool single = dimOf(init, 0) == 1;
  Value rows = b.dim(init, 0);
  int64_t tileRows = tiling.tile.rows, columns = tiling.tile.columns;
  Value wholeTiles =
      tiling.leavesRows() ? b.mul(b.div(rows, tileRows), tileRows) : rows;
  return emitPanels(
      b, init, [&](KernelBuilder &b, Value panel, Value out) -> Value {
        Value zero = b.index(0);
        if (single) {
          SmallVector<Value> acc = tile(b, panel, zero, zero, {1, kPanel});
          return b.write(acc[0], out, {zero});
        }
        if (prepare)
          prepare(b, panel);
        auto emit = [&](Value begin, Value end, TileShape shape, Value out) {
          return b.loop(begin, end, shape.rows, out,
                        [&](KernelBuilder &b, Value row, ValueRange outs) {
                          return b.loop(
                              zero, b.index(kPanel), shape.columns, outs,
                              [&](KernelBuilder &b, Value column,
                                  ValueRange outs) -> SmallVector<Value> {
                                SmallVector<Value> acc =
                                    tile(b, panel, column, row, shape);
                                Value result = outs[0];
                                for (int64_t r = 0; r != shape.rows; ++r)
                                  result = b.write(acc[r], result,
                                                   {b.add(row, r), column});
                                return {result};
                              });
                        })[0];
        };
        Value done = emit(zero, wholeTiles, tiling.tile, out);
        return tiling.leavesRows() ? emit(wholeTiles, rows, {1, columns}, done)
                                   : done;
      });
}

Value flow::cpu::emitPassingTiles(KernelBuilder &b, Value init,
                                  const Tiling &tiling, PassingBody tile,
                                  PrepareBody prepare) {
  Value rows = b.dim(init, 0);
  return emitPanels(b, init, [&](KernelBuilder &b, Value panel, Value out) {
    if (prepare)
      prepare(b, panel);
    return b.loop(
        b.index(0), rows, tiling.tile.rows, out,
        [&](KernelBuilder &b, Value row, ValueRange outs) {
          Value count = b.index(tiling.tile.rows);
          if (tiling.leavesRows())
            count = arith::MinUIOp::create(b, count, b.sub(rows, row));
          return b.loop(b.index(0), b.index(kPanel), tiling.tile.columns, outs,
                        [&](KernelBuilder &b, Value column,
                            ValueRange outs) -> SmallVector<Value> {
                          return {tile(b, panel, column, row, count, outs[0])};
                        });
        })[0];
  });
}

/// `panels` in memory, for prefetches. Panels follow each other: what is behind
/// a panel is the next one. Behind the last one is nothing, which a prefetch
/// may ask for.
static Value bufferOf(KernelBuilder &b, Value panels) {
  RankedTensorType type = typeOf(panels);
  int64_t lanes = type.getDimSize(2);
  // They may be a part of others: those of one expert.
  auto layout = StridedLayoutAttr::get(
      b.getContext(), ShapedType::kDynamic,
      ArrayRef<int64_t>{type.getDimSize(1) * lanes, lanes, 1});
  return bufferization::ToBufferOp::create(
      b, MemRefType::get(type.getShape(), type.getElementType(), layout),
      panels,
      /*read_only=*/true);
}

Value flow::cpu::readPanelRow(KernelBuilder &b, Value panels, Value panel,
                              Value row) {
  constexpr int64_t kRowsAhead = 8;
  int64_t lanes = dimOf(panels, 2);
  Value buffer = bufferOf(b, panels);
  for (int64_t lane : {int64_t(0), lanes / 2})
    memref::PrefetchOp::create(
        b, buffer, ValueRange{panel, b.add(row, kRowsAhead), b.index(lane)},
        /*isWrite=*/false, /*localityHint=*/3, /*isDataCache=*/true);
  return b.read(panels, {panel, row, b.index(0)}, lanes);
}

void flow::cpu::prefetchNextPanel(KernelBuilder &b, Value panels, Value panel,
                                  Value row, Value column) {
  memref::PrefetchOp::create(
      b, bufferOf(b, panels), ValueRange{b.add(panel, 1), row, column},
      /*isWrite=*/false, /*localityHint=*/2, /*isDataCache=*/true);
}

int64_t flow::cpu::runOf(Value rows, bool rowLanes) {
  int64_t bits = typeOf(rows).getElementTypeBitWidth(), run = 128 / bits;
  return rowLanes && dimOf(rows, 1) % run == 0 ? run : 1;
}

Value RowReader::number(KernelBuilder &b, Value row, int64_t r, Value k,
                        int64_t i) {
  if (run == 1)
    return b.extract(rows, {row, b.add(k, i)});
  return vector::ExtractOp::create(b, whole(b, row, r, k),
                                   ArrayRef<int64_t>{i});
}

Value RowReader::numbers(KernelBuilder &b, Value row, int64_t r, Value k,
                         int64_t first, int64_t count) {
  if (run < first + count)
    return b.read(rows, {row, b.add(k, first)}, count);
  return vector::ExtractStridedSliceOp::create(
      b, whole(b, row, r, k), ArrayRef<int64_t>{first},
      ArrayRef<int64_t>{count}, ArrayRef<int64_t>{1});
}

Value RowReader::whole(KernelBuilder &b, Value row, int64_t r, Value k) {
  auto [known, isNew] = runs.try_emplace(r);
  if (isNew)
    known->second = b.read(rows, {row, k}, run);
  return known->second;
}

Value flow::cpu::emitDot(KernelBuilder &b, Value w, Value x, Value acc,
                         bool isSigned) {
  auto shortType = cast<VectorType>(x.getType());
  int64_t count = shortType.getDimSize(0);
  Type element = shortType.getElementType();
  auto widen = [&](Value v, bool isSigned) -> Value {
    Type wide = cast<VectorType>(v.getType())
                    .clone(getElementTypeOrSelf(acc.getType()));
    if (isa<FloatType>(element))
      return arith::ExtFOp::create(b, wide, v);
    return isSigned ? Value(arith::ExtSIOp::create(b, wide, v))
                    : Value(arith::ExtUIOp::create(b, wide, v));
  };
  auto grouped = VectorType::get(
      {cast<VectorType>(acc.getType()).getDimSize(0), count}, element);
  Value w32 = widen(vector::ShapeCastOp::create(b, grouped, w),
                    isSigned || !element.isInteger(8));
  Value x32 = widen(x, /*isSigned=*/true);
  AffineExpr n = b.getAffineDimExpr(0), k = b.getAffineDimExpr(1);
  return vector::ContractionOp::create(
      b, w32, x32, acc, ArrayRef<ArrayRef<AffineExpr>>{{n, k}, {k}, {n}},
      ArrayRef<vector::IteratorType>{vector::IteratorType::parallel,
                                     vector::IteratorType::reduction});
}

/// `loc` with "widen" behind its name, so that profiles tell the loops apart.
static Location widenLoc(Location loc) {
  Location result = loc;
  loc->walk([&](Location part) {
    auto named = dyn_cast<NameLoc>(part);
    if (!named)
      return WalkResult::advance();
    auto name =
        StringAttr::get(loc.getContext(), named.getName().strref() + "/widen");
    result = NameLoc::get(name, loc);
    return WalkResult::interrupt();
  });
  return result;
}

Value flow::cpu::widenRows(OpBuilder &builder, Location loc, Value rows) {
  KernelBuilder b(widenLoc(loc), builder);
  RankedTensorType type = typeOf(rows);
  if (type.getDimSize(0) == 1)
    return rows;
  bool isFloat = type.getElementType().isBF16();
  Type element = isFloat ? Type(b.getF32Type()) : Type(b.getI16Type());
  int64_t width = type.getDimSize(1), lanes = lanesFor(width);
  SmallVector<int64_t> order;
  for (int64_t lane = 0; lane != lanes; ++lane)
    order.push_back(lane % 4 % 3 == 0 ? lane : lane ^ 3);
  return b.forall(
      b.dim(rows, 0), b.empty(type.clone(element), b.dim(rows, 0)),
      [&](KernelBuilder &b, Value t) -> SmallVector<KernelBuilder::Slice> {
        return {b.rowSlice(t, width)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) {
        return b.loop(b.index(0), b.index(width), lanes, outs,
                      [&](KernelBuilder &b, Value i,
                          ValueRange outs) -> SmallVector<Value> {
                        Value v = b.read(rows, {t, i}, lanes);
                        auto wide = b.vector(lanes, element);
                        if (isFloat) {
                          v = arith::ExtFOp::create(b, wide, v);
                        } else {
                          v = arith::ExtSIOp::create(b, wide, v);
                          v = vector::ShuffleOp::create(b, v, v, order);
                        }
                        return {b.write(v, outs[0], {i})};
                      });
      })[0];
}
