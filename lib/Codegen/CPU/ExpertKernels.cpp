// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels around the experts' products: who is chosen, and rows sorted by it.

#include "KernelBuilder.h"
#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace flow::cpu;

using Slice = KernelBuilder::Slice;

namespace {

/// The largest of `count` values of `z` and the first place where it is. A NaN
/// is larger than nothing, so that there always is such a place.
std::pair<Value, Value> emitArgMax(KernelBuilder &b, Value z, int64_t count) {
  SmallVector<Value> best = b.loop(
      b.index(1), b.index(count), 1,
      ValueRange{b.extract(z, {b.index(0)}), b.index(0)},
      [&](KernelBuilder &b, Value e, ValueRange args) -> SmallVector<Value> {
        Value x = b.extract(z, {e});
        Value isMore =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, args[0]);
        return {arith::SelectOp::create(b, isMore, x, args[0]),
                arith::SelectOp::create(b, isMore, e, args[1])};
      });
  return {best[0], best[1]};
}

/// `factor * logits` of row `t`.
Value emitScaledLogits(KernelBuilder &b, Value logits, Value t, double factor) {
  int64_t experts = typeOf(logits).getDimSize(1), lanes = lanesFor(experts);
  return b.loop(
      b.index(0), b.index(experts), lanes, b.empty(experts, b.getF32Type()),
      [&](KernelBuilder &b, Value e, ValueRange args) -> SmallVector<Value> {
        Value z =
            b.mul(b.read(logits, {t, e}, lanes), b.splatF32(factor, lanes));
        return {b.write(z, args[0], {e})};
      })[0];
}

} // namespace

std::pair<Value, Value>
flow::cpu::buildRouteExperts(OpBuilder &builder, Location loc, Value logits,
                             Value expertScale, double factor, int64_t chosen) {
  KernelBuilder b(loc, builder);
  int64_t experts = typeOf(logits).getDimSize(1);
  int64_t staticRows = typeOf(logits).getDimSize(0);
  Value rows = b.dim(logits, 0);
  SmallVector<Value> outputs{
      b.empty(RankedTensorType::get({staticRows, chosen}, b.getI32Type()),
              rows),
      b.empty(RankedTensorType::get({staticRows, chosen}, b.getF32Type()),
              rows)};
  SmallVector<Value> results = b.forall(
      rows, outputs,
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, chosen), b.rowSlice(t, chosen)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        Value z = emitScaledLogits(b, logits, t, factor);
        auto scaleOf = [&](KernelBuilder &b, Value expert) {
          return b.extract(expertScale, {expert});
        };
        if (chosen == 1) {
          // The only share is 1 before it is scaled.
          Value expert = emitArgMax(b, z, experts).second;
          return {b.insert(b.toI32(expert), outs[0], {}),
                  b.insert(scaleOf(b, expert), outs[1], {})};
        }
        // The best one goes out of the row, and the next is the best.
        SmallVector<Value> picked = b.loop(
            b.index(0), b.index(chosen), 1,
            ValueRange{outs[0], outs[1], z, b.empty(chosen, b.getF32Type())},
            [&](KernelBuilder &b, Value j,
                ValueRange args) -> SmallVector<Value> {
              auto [best, expert] = emitArgMax(b, args[2], experts);
              Value out = b.f32(-std::numeric_limits<float>::infinity());
              return {b.insert(b.toI32(expert), args[0], {j}),
                      b.insert(best, args[1], {j}),
                      b.insert(out, args[2], {expert}),
                      b.insert(scaleOf(b, expert), args[3], {j})};
            });
        Value zero = b.index(0);
        Value best = b.read(picked[1], {zero}, chosen);
        Value largest = b.splat(b.extract(picked[1], {zero}), chosen);
        Value powers = math::ExpOp::create(b, b.sub(best, largest)).getResult();
        Value total = b.splat(b.reduceAdd(powers), chosen);
        Value shares = arith::DivFOp::create(b, powers, total);
        shares = b.mul(shares, b.read(picked[3], {zero}, chosen));
        return {picked[0], b.write(shares, picked[1], {zero})};
      });
  return {results[0], results[1]};
}

ExpertGroups flow::cpu::buildExpertGroups(OpBuilder &builder, Location loc,
                                          Value chosen, int64_t experts,
                                          int64_t tile) {
  KernelBuilder b(loc, builder);
  Type i32 = b.getI32Type();
  Value zero = b.index(0), rows = b.dim(chosen, 0);
  int64_t perRow = typeOf(chosen).getDimSize(1);
  using Values = SmallVector<Value>;
  // `body` for the expert of each choice: row, number in the row and expert.
  auto forEachChoice = [&](KernelBuilder &b, ValueRange carried,
                           llvm::function_ref<Values(KernelBuilder &, Value,
                                                     Value, Value, ValueRange)>
                               body) {
    return b.loop(zero, rows, 1, carried,
                  [&](KernelBuilder &b, Value t, ValueRange outer) -> Values {
                    return b.loop(b.index(0), b.index(perRow), 1, outer,
                                  [&](KernelBuilder &b, Value j,
                                      ValueRange args) -> Values {
                                    Value e =
                                        b.toIndex(b.extract(chosen, {t, j}));
                                    return body(b, t, j, e, args);
                                  });
                  });
  };
  auto bump = [&](KernelBuilder &b, Value list, Value at) {
    return b.insert(b.add(b.extract(list, {at}), b.i32(1)), list, {at});
  };

  Value counts = b.loop(zero, b.index(experts), 1, b.empty(experts, i32),
                        [&](KernelBuilder &b, Value e, ValueRange args) {
                          return Values{b.insert(b.i32(0), args[0], {e})};
                        })[0];
  counts = forEachChoice(
      b, counts,
      [&](KernelBuilder &b, Value, Value, Value e, ValueRange args) -> Values {
        return {bump(b, args[0], e)};
      })[0];

  // A group for each expert that was chosen: its first row, how many rows it
  // has up to a whole number of tiles, and where the next of them goes.
  ExpertGroups groups;
  Values laid = b.loop(
      zero, b.index(experts), 1,
      ValueRange{b.empty(experts, i32), b.empty(experts, i32),
                 b.empty(experts, i32), b.empty(experts, i32), zero, zero},
      [&](KernelBuilder &b, Value e, ValueRange args) -> Values {
        Value count = b.toIndex(b.extract(counts, {e}));
        Value padded = b.mul(b.div(b.add(count, tile - 1), tile), tile);
        Value first = b.toI32(args[4]);
        // An expert without rows leaves its place to the next one.
        Value isUsed = arith::CmpIOp::create(b, arith::CmpIPredicate::ne, count,
                                             b.index(0));
        Value step = arith::SelectOp::create(b, isUsed, b.index(1), b.index(0));
        return {b.insert(b.toI32(e), args[0], {args[5]}),
                b.insert(first, args[1], {args[5]}),
                b.insert(b.toI32(padded), args[2], {args[5]}),
                b.insert(first, args[3], {e}),
                b.add(args[4], padded),
                b.add(args[5], step)};
      });
  groups.experts = laid[0];
  groups.firsts = laid[1];
  groups.sizes = laid[2];
  groups.count = laid[5];

  // Rows that only fill a tile are those of row 0 once more.
  Value capacity = laid[4];
  Value owners =
      b.empty(RankedTensorType::get({ShapedType::kDynamic}, i32), capacity);
  owners = b.loop(zero, capacity, 1, owners,
                  [&](KernelBuilder &b, Value r, ValueRange args) -> Values {
                    return {b.insert(b.i32(0), args[0], {r})};
                  })[0];
  Value places = b.empty(
      RankedTensorType::get({typeOf(chosen).getDimSize(0), perRow}, i32), rows);
  Values placed = forEachChoice(
      b, ValueRange{owners, places, laid[3]},
      [&](KernelBuilder &b, Value t, Value j, Value e,
          ValueRange args) -> Values {
        Value place = b.extract(args[2], {e});
        return {b.insert(b.toI32(t), args[0], {b.toIndex(place)}),
                b.insert(place, args[1], {t, j}), bump(b, args[2], e)};
      });
  groups.owners = placed[0];
  groups.places = placed[1];
  return groups;
}

Value flow::cpu::buildGatherRows(OpBuilder &builder, Location loc, Value rows,
                                 Value owners) {
  KernelBuilder b(loc, builder);
  RankedTensorType type = typeOf(rows);
  int64_t width = type.getDimSize(1), lanes = lanesFor(width);
  Value count = b.dim(owners, 0);
  return b.forall(
      count, b.empty(type.clone({ShapedType::kDynamic, width}), count),
      [&](KernelBuilder &b, Value r) -> SmallVector<Slice> {
        return {b.rowSlice(r, width)};
      },
      [&](KernelBuilder &b, Value r, ValueRange outs) -> SmallVector<Value> {
        Value owner = b.toIndex(b.extract(owners, {r}));
        if (width == 1)
          return {b.insert(b.extract(rows, {owner, b.index(0)}), outs[0], {})};
        return b.loop(b.index(0), b.index(width), lanes, outs,
                      [&](KernelBuilder &b, Value i,
                          ValueRange outs) -> SmallVector<Value> {
                        Value v = b.read(rows, {owner, i}, lanes);
                        return {b.write(v, outs[0], {i})};
                      });
      })[0];
}

Value flow::cpu::buildCombineExperts(OpBuilder &builder, Location loc,
                                     Value outputs, Value places,
                                     Value shares) {
  KernelBuilder b(loc, builder);
  int64_t width = typeOf(outputs).getDimSize(1), lanes = lanesFor(width);
  int64_t perRow = typeOf(shares).getDimSize(1);
  auto type = typeOf(outputs).clone({typeOf(shares).getDimSize(0), width});
  Value rows = b.dim(shares, 0);
  return b.forall(
      rows, b.empty(type, rows),
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, width)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        return b.loop(
            b.index(0), b.index(width), lanes, outs,
            [&](KernelBuilder &b, Value i,
                ValueRange outs) -> SmallVector<Value> {
              Value sum = b.loop(
                  b.index(0), b.index(perRow), 1, b.splatF32(0, lanes),
                  [&](KernelBuilder &b, Value j,
                      ValueRange acc) -> SmallVector<Value> {
                    Value place = b.toIndex(b.extract(places, {t, j}));
                    Value share = b.splat(b.extract(shares, {t, j}), lanes);
                    return {b.fma(share, b.read(outputs, {place, i}, lanes),
                                  acc[0])};
                  })[0];
              return {b.write(sum, outs[0], {i})};
            });
      })[0];
}
