// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The largest values of long rows: first the groups that hold them, then they.
//
// A row is cut into groups of neighbouring columns. Each of its k largest
// values stands in one of the k groups with the largest maxima, of equal maxima
// the first: a value of another group has k maxima before it. So the row is
// read once, in pieces and with nothing but a maximum for each group, and what
// is searched serially are the maxima and the columns of k groups.

#include "SelectionKernel.h"

#include "flow/Codegen/CPU/Kernels.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace flow::cpu;

using Slice = KernelBuilder::Slice;
using Values = SmallVector<Value>;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// How a row is cut. A group is what a piece finds a maximum of.
struct Cut {
  /// `lanes` columns of a group at most.
  Cut(int64_t width, int64_t lanes)
      : group(std::min(lanesFor(width), lanes)), groups(width / group),
        groupsOfPiece(groups) {
    for (int64_t count : {64, 32, 16, 8, 4})
      if (groups % count == 0) {
        groupsOfPiece = count;
        break;
      }
  }
  int64_t pieces() const { return groups / groupsOfPiece; }

  int64_t group, groups, groupsOfPiece;
};

/// The rows to choose from.
struct Rows {
  Value values;
  /// Cap on a value before it is compared, if any.
  std::optional<double> cap;

  /// `lanes` values from `column` on, minus infinity in the place of NaN.
  Value read(KernelBuilder &b, Value row, Value column, int64_t lanes) const {
    Value x = b.read(values, {row, column}, lanes);
    if (cap)
      x = b.softcap(x, *cap);
    Value nothing = b.splatF32(-kInfinity, lanes);
    Value isNumber =
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, nothing);
    return arith::SelectOp::create(b, isNumber, x, nothing);
  }
};

/// The best found so far, best first, with their indices.
///
/// Place 0 is before everything and never moves, so that each place has one
/// before it. There are places for a whole number of vectors: those behind the
/// last that is asked for hold what fell behind it.
class BestList {
public:
  explicit BestList(int64_t count)
      : count(count), lanes(count <= 16 ? 16 : 32),
        vectors(llvm::divideCeil(count, lanes)) {}

  /// A list of `-infinity` at -1.
  Values create(KernelBuilder &b) const {
    int64_t places = 1 + vectors * lanes;
    Value values = b.empty(places, b.getF32Type());
    Value indices = b.empty(places, b.getI32Type());
    values = b.insert(b.f32(kInfinity), values, {b.index(0)});
    indices = b.insert(b.i32(-1), indices, {b.index(0)});
    return b.loop(b.index(1), b.index(places), lanes,
                  ValueRange{values, indices},
                  [&](KernelBuilder &b, Value i, ValueRange list) -> Values {
                    return {b.write(b.splatF32(-kInfinity, lanes), list[0], i),
                            b.write(b.splat(b.i32(-1), lanes), list[1], i)};
                  });
  }

  /// Puts in what belongs there of `source[from ... from + width)`, the index
  /// of the first being `index`.
  Values insertFrom(KernelBuilder &b, Value source, Value from, Value index,
                    int64_t width, ValueRange list) const {
    Value candidates = b.read(source, from, width);
    Value worst = b.splat(last(b, list), width);
    Value isAny = vector::ReductionOp::create(
        b, vector::CombiningKind::OR,
        arith::CmpFOp::create(b, arith::CmpFPredicate::OGE, candidates, worst)
            .getResult());
    // As long as a list is not full, its worst is equal to what is never taken.
    Value end = onlyIf(b, isAny, width);
    return b.loop(b.index(0), end, 1, list,
                  [&](KernelBuilder &b, Value lane, ValueRange list) -> Values {
                    Value x = b.extract(source, {b.add(from, lane)});
                    return insert(b, x, b.add(index, b.toI32(lane)), list);
                  });
  }

  /// The value of the last that is asked for.
  Value last(KernelBuilder &b, ValueRange list) const {
    return at(b, list[0], count);
  }

  /// The best `count` in the tensors `outs`, which have as many elements.
  Values copyTo(KernelBuilder &b, ValueRange list, ValueRange outs) const {
    Values results;
    int64_t step = lanesFor(count);
    for (auto [from, out] : llvm::zip(list, outs)) {
      if (count == 1) {
        results.push_back(b.insert(b.extract(from, b.index(1)), out, {}));
        continue;
      }
      results.push_back(b.loop(b.index(0), b.index(count), step, out,
                               [&, from = from](KernelBuilder &b, Value i,
                                                ValueRange outs) -> Values {
                                 Value v = b.read(from, b.add(i, 1), step);
                                 return {b.write(v, outs[0], i)};
                               })[0]);
    }
    return results;
  }

private:
  static Value at(KernelBuilder &b, Value tensor, int64_t place) {
    return b.extract(tensor, b.index(place));
  }

  /// `bound` where the condition holds, or 0: a loop that runs or not.
  static Value onlyIf(KernelBuilder &b, Value condition, int64_t bound) {
    return arith::SelectOp::create(b, condition, b.index(bound), b.index(0));
  }

  /// Whether `(x, i)` comes before `(y, j)`; of vectors, in each lane.
  static Value isBefore(KernelBuilder &b, Value x, Value i, Value y, Value j) {
    Value isMore = arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, x, y);
    Value isEqual = arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y);
    Value isFirst = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, i, j);
    return arith::OrIOp::create(
        b, isMore, arith::AndIOp::create(b, isEqual, isFirst).getResult());
  }

  /// The list with `(x, index)` in its place, if it has one.
  Values insert(KernelBuilder &b, Value x, Value index, ValueRange list) const {
    Value isIn =
        isBefore(b, x, index, at(b, list[0], count), at(b, list[1], count));
    Value newValue = b.splat(x, lanes), newIndex = b.splat(index, lanes);
    // From the end, as each vector takes over the last place before it.
    return b.loop(
        b.index(0), onlyIf(b, isIn, vectors), 1, list,
        [&](KernelBuilder &b, Value i, ValueRange list) -> Values {
          Value before = b.mul(b.sub(b.index(vectors - 1), i), lanes);
          Value place = b.add(before, 1);
          Value value = b.read(list[0], place, lanes);
          Value itsIndex = b.read(list[1], place, lanes);
          Value valueBefore = b.read(list[0], before, lanes);
          Value indexBefore = b.read(list[1], before, lanes);
          Value stays = isBefore(b, value, itsIndex, newValue, newIndex);
          Value isPlace =
              isBefore(b, valueBefore, indexBefore, newValue, newIndex);
          auto pick = [&](Value own, Value fresh, Value moved) -> Value {
            Value other = arith::SelectOp::create(b, isPlace, fresh, moved);
            return arith::SelectOp::create(b, stays, own, other);
          };
          return {
              b.write(pick(value, newValue, valueBefore), list[0], place),
              b.write(pick(itsIndex, newIndex, indexBefore), list[1], place)};
        });
  }

  int64_t count, lanes, vectors;
};

/// The maximum of each group of each row, `[T, groups]`.
Value buildGroupMaxima(KernelBuilder &b, const Rows &rows, const Cut &cut) {
  Value count = b.dim(rows.values, 0);
  auto type = RankedTensorType::get(
      {typeOf(rows.values).getDimSize(0), cut.groups}, b.getF32Type());
  auto firstGroup = [&](KernelBuilder &b, Value iv) {
    return b.mul(b.rem(iv, cut.pieces()), cut.groupsOfPiece);
  };
  return b.forall(
      b.mul(count, cut.pieces()), b.empty(type, count),
      [&](KernelBuilder &b, Value iv) -> SmallVector<Slice> {
        return {{{b.div(iv, cut.pieces()), firstGroup(b, iv)},
                 {b.getIndexAttr(1), b.getIndexAttr(cut.groupsOfPiece)}}};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> Values {
        Value row = b.div(iv, cut.pieces()), first = firstGroup(b, iv);
        if (cut.groupsOfPiece == 1) {
          Value column = b.mul(first, cut.group);
          Value x = rows.read(b, row, column, cut.group);
          return {b.insert(b.reduceMax(x), outs[0], {})};
        }
        return b.loop(
            b.index(0), b.index(cut.groupsOfPiece), 1, outs,
            [&](KernelBuilder &b, Value g, ValueRange outs) -> Values {
              Value column = b.mul(b.add(first, g), cut.group);
              Value x = rows.read(b, row, column, cut.group);
              return {b.insert(b.reduceMax(x), outs[0], {g})};
            });
      })[0];
}

/// Row `t` of `tensor`, as a tensor of rank 1.
Value takeRow(KernelBuilder &b, Value tensor, Value t) {
  int64_t width = typeOf(tensor).getDimSize(1);
  return tensor::ExtractSliceOp::create(
      b, RankedTensorType::get({width}, b.getF32Type()), tensor,
      ArrayRef<OpFoldResult>{t, b.getIndexAttr(0)},
      ArrayRef<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(width)},
      ArrayRef<OpFoldResult>{b.getIndexAttr(1), b.getIndexAttr(1)});
}

/// The list of the best of `values [n]`, which are numbers.
Values emitBest(KernelBuilder &b, Value values, const BestList &list) {
  int64_t size = typeOf(values).getDimSize(0), lanes = lanesFor(size);
  return b.loop(b.index(0), b.index(size), lanes, list.create(b),
                [&](KernelBuilder &b, Value i, ValueRange args) -> Values {
                  return list.insertFrom(b, values, i, b.toI32(i), lanes, args);
                });
}

} // namespace

Value flow::cpu::emitLastOfBest(KernelBuilder &b, Value values, int64_t count) {
  BestList list(count);
  return list.last(b, emitBest(b, values, list));
}

std::pair<Value, Value> flow::cpu::buildTopK(OpBuilder &builder, Location loc,
                                             Value x, int64_t count,
                                             std::optional<double> cap) {
  KernelBuilder b(loc, builder);
  RankedTensorType type = typeOf(x);
  // A cap needs registers of its own.
  Cut cut(type.getDimSize(1), cap ? 32 : 64);
  Rows source{x, cap};
  Value maxima = buildGroupMaxima(b, source, cut);
  int64_t groupCount = std::min(count, cut.groups);
  Value rows = b.dim(x, 0);
  auto resultOf = [&](Type element) {
    return b.empty(RankedTensorType::get({type.getDimSize(0), count}, element),
                   rows);
  };
  SmallVector<Value> outputs{resultOf(b.getF32Type()),
                             resultOf(b.getI32Type())};
  SmallVector<Value> results = b.forall(
      rows, outputs,
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, count), b.rowSlice(t, count)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> Values {
        // Those whose maxima are the largest.
        Value groups =
            emitBest(b, takeRow(b, maxima, t), BestList(groupCount))[1];
        BestList list(count);
        Values best = list.create(b);
        best.push_back(b.empty(cut.group, b.getF32Type()));
        best = b.loop(
            b.index(1), b.index(groupCount + 1), 1, best,
            [&](KernelBuilder &b, Value j, ValueRange args) -> Values {
              Value group = b.extract(groups, {j});
              // A row of nothing but NaN has no such groups.
              Value isGroup = arith::CmpIOp::create(
                  b, arith::CmpIPredicate::sge, group, b.i32(0));
              Value once =
                  arith::SelectOp::create(b, isGroup, b.index(1), b.index(0));
              return b.loop(
                  b.index(0), once, 1, args,
                  [&](KernelBuilder &b, Value, ValueRange args) -> Values {
                    Value column = b.mul(b.toIndex(group), cut.group);
                    Value values = b.write(source.read(b, t, column, cut.group),
                                           args[2], {b.index(0)});
                    Values better =
                        list.insertFrom(b, values, b.index(0), b.toI32(column),
                                        cut.group, args.take_front(2));
                    return {better[0], better[1], values};
                  });
            });
        return list.copyTo(b, best, outs);
      });
  return {results[0], results[1]};
}
