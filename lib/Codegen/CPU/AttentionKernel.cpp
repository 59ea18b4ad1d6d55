// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention over panels of cached keys: scores, softmax, weighted values.
//
// A tile is the query heads of one key/value head for a few tokens: its rows
// share every key and value that they read. Three passes over the visible
// panels keep the scores of the tile in the cache and never rescale:
//
//   1. scores  S[row][key] = mask(cap(scale * <q, k>)), and the row's maximum
//   2. weights S = exp(S - max), exactly 0 where masked, and their sum
//   3. values  O[row][:] = sum over keys of S * v, divided by the sum
//
// Panels are blocks of 32 absolute positions, so which keys meet in one vector
// does not depend on the tile, the chunk or the capacity of the ring; a masked
// key adds an exact zero. A row's result is therefore the same in every call.
//
// What a row sees is one interval of positions under every mask, whose ends
// never move back from a row to the next. Spans therefore only widen the bounds
// of rows, before the passes, and the first and the last row bound the tile.
//
// In a step whose sequences have one row each, a tile is one token, which looks
// up its position and its caches in the table.
//
// The only row of a step has as many tiles as there are key/value heads, often
// one. There each pass is a parallel loop of its own: over panels of keys, over
// heads, and over columns of the result. No sum is cut, so nothing that a row
// computes depends on which of the two forms it takes.

#include "SequenceTable.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace flow::cpu;

namespace {

/// Rows that share what they read of the caches.
constexpr int64_t kTileRows = kRowTile;

/// The largest divisor of `value` that is at most `bound`.
int64_t divisorOf(int64_t value, int64_t bound) {
  int64_t divisor = std::min(value, bound);
  while (value % divisor != 0)
    --divisor;
  return divisor;
}

class AttentionTile {
public:
  /// Of one sequence: the first row stands at `start`.
  AttentionTile(Value query, const KvTensors &cache, Value start, Value total,
                Value spans, const AttentionShape &shape)
      : query(query), cache(cache), start(start), total(total), spans(spans),
        shape(shape) {
    setSizes(typeOf(query).getDimSize(0) == 1);
  }
  /// Of several, a row of each: `sequences` says where it stands.
  AttentionTile(Value query, const KvTensors &slots, Value sequences,
                const AttentionShape &shape)
      : query(query), slots(slots), sequences(sequences), shape(shape) {
    setSizes(/*singleRows=*/true);
  }

  Value build(KernelBuilder &b) {
    bool onlyRow = !sequences && typeOf(query).getDimSize(0) == 1;
    return onlyRow ? buildPasses(b) : buildTiles(b);
  }

private:
  /// A loop over tiles, each of which makes all passes.
  Value buildTiles(KernelBuilder &b);
  /// A loop for each pass.
  Value buildPasses(KernelBuilder &b);
  void setSizes(bool singleRows) {
    RankedTensorType keys = typeOf(sequences ? slots.keys : cache.keys);
    heads = typeOf(query).getDimSize(1);
    headDim = typeOf(query).getDimSize(2);
    kvHeads = keys.getDimSize(keys.getRank() - 4);
    group = heads / kvHeads;
    tokens = singleRows || kTileRows % group != 0
                 ? 1
                 : divisorOf(shape.rowUnit, kTileRows / group);
    rows = tokens * group;
    partRows = divisorOf(rows, shape.registers.rows);
    partColumns = divisorOf(kPanel, shape.registers.columns);
  }
  /// Finds the caches and the position of the tile, whose token is a sequence.
  void lookUp(KernelBuilder &b) {
    SequencePlace place = placeOf(b, sequences, firstToken);
    cache = takeSlot(b, slots, place.slot);
    start = place.start;
    total = b.add(start, int64_t(1));
  }
  /// The position of token `t` of the tile.
  Value positionOf(KernelBuilder &b, int64_t t) {
    return sequences ? start : b.add(start, b.add(firstToken, t));
  }
  /// First and one-past-last visible position of tile row `r`.
  std::pair<Value, Value> boundsOf(KernelBuilder &b, int64_t r);
  /// Widens the bounds of all rows to their spans.
  void widenToSpans(KernelBuilder &b);
  /// The ring's panel that holds absolute panel `panel`.
  Value slotOf(KernelBuilder &b, Value panel) {
    return b.rem(panel, b.dim(cache.keys, 1));
  }
  /// Sets `bounds` and the panels between them, for the tokens from
  /// `firstToken` on.
  void findPanels(KernelBuilder &b);
  /// Columns of scores: the keys of all panels.
  Value width(KernelBuilder &b) {
    return b.mul(b.sub(lastPanel, firstPanel), kPanel);
  }
  /// Products of the tile's queries with the keys of `slot`: for each row, 32.
  SmallVector<Value> dots(KernelBuilder &b, Value slot);
  /// Hands the scores of each row with the keys of `panel`, minus infinity
  /// where they are hidden, to `take`, which is to store them: all are more
  /// than registers hold.
  void panelScores(KernelBuilder &b, Value panel,
                   llvm::function_ref<void(int64_t, Value)> take);
  /// Turns the scores at `row` into weights; `row` is where they begin in
  /// `scores`, of which the last index is a column. Returns the scores with
  /// them and the inverse of their sum.
  std::pair<Value, Value> weights(KernelBuilder &b, Value scores,
                                  ArrayRef<Value> row, Value maximum);
  /// `partColumns` columns of the results of the tile's rows from `first` on.
  /// Weights are those of `weights` from row `weightRow` on.
  SmallVector<Value> values(KernelBuilder &b, Value weights, Value weightRow,
                            int64_t first, Value column,
                            ArrayRef<Value> inverseSums);

  Value query;
  /// Null where there is one sequence.
  KvTensors slots;
  Value sequences;
  /// Of the only sequence, or of that of the tile at hand.
  KvTensors cache;
  Value start, total;
  /// Null if the mask has none.
  Value spans;
  AttentionShape shape;
  int64_t heads, headDim, kvHeads, group, tokens, rows;
  /// The part of a tile, `rows` by 32, whose sums are in registers at a time.
  int64_t partRows, partColumns;

  // Of the tile at hand.
  Value kvHead, firstToken, firstPanel, lastPanel;
  SmallVector<std::pair<Value, Value>> bounds;
};

std::pair<Value, Value> AttentionTile::boundsOf(KernelBuilder &b, int64_t r) {
  Value position = positionOf(b, r / group);
  Value high = shape.causal ? b.add(position, int64_t(1)) : total;
  Value low = b.index(0);
  if (shape.window != 0) {
    Value begin = b.sub(b.add(position, int64_t(1)), b.index(shape.window));
    low = arith::MaxSIOp::create(b, begin, low);
  }
  return {low, high};
}

void AttentionTile::widenToSpans(KernelBuilder &b) {
  // Begin and end of the span of each token; without one, of the token alone.
  SmallVector<Value> positions, ends;
  for (int64_t t = 0; t != tokens; ++t) {
    positions.push_back(positionOf(b, t));
    ends.push_back(positions.back());
    ends.push_back(b.add(positions.back(), int64_t(1)));
  }
  auto bound = [&](KernelBuilder &b, Value i, int64_t which) -> Value {
    return arith::IndexCastOp::create(b, b.getIndexType(),
                                      b.extract(spans, {i, b.index(which)}));
  };
  ends = b.loop(b.index(0), b.dim(spans, 0), 1, ends,
                [&](KernelBuilder &b, Value i, ValueRange known) {
                  Value begin = bound(b, i, 0), end = bound(b, i, 1);
                  SmallVector<Value> next;
                  for (auto [t, position] : llvm::enumerate(positions)) {
                    Value behind = arith::CmpIOp::create(
                        b, arith::CmpIPredicate::sge, position, begin);
                    Value before = arith::CmpIOp::create(
                        b, arith::CmpIPredicate::slt, position, end);
                    Value holds = arith::AndIOp::create(b, behind, before);
                    next.push_back(
                        arith::SelectOp::create(b, holds, begin, known[2 * t]));
                    next.push_back(arith::SelectOp::create(b, holds, end,
                                                           known[2 * t + 1]));
                  }
                  return next;
                });
  // No further than the keys that are present.
  Value capacity = b.mul(b.dim(cache.keys, 1), kPanel);
  Value oldest = arith::MaxSIOp::create(b, b.sub(total, capacity), b.index(0));
  for (auto [r, row] : llvm::enumerate(bounds)) {
    Value begin = ends[r / group * 2], end = ends[r / group * 2 + 1];
    end = arith::MinSIOp::create(b, end, total);
    row.second = arith::MaxSIOp::create(b, row.second, end);
    if (!shape.freeSpans || shape.window == 0)
      continue;
    begin = arith::MaxSIOp::create(b, begin, oldest);
    row.first = arith::MinSIOp::create(b, row.first, begin);
  }
}

SmallVector<Value> AttentionTile::dots(KernelBuilder &b, Value slot) {
  SmallVector<Value> dots;
  for (int64_t first = 0; first != rows; first += partRows) {
    SmallVector<Value> whole(partRows, b.splatF32(0, kPanel));
    for (int64_t column = 0; column != kPanel; column += partColumns) {
      SmallVector<Value> zeros(partRows, b.splatF32(0, partColumns));
      SmallVector<Value> part = b.loop(
          b.index(0), b.index(headDim), 1, zeros,
          [&](KernelBuilder &b, Value i, ValueRange acc) {
            Value keys = b.widen(b.read(
                cache.keys, {kvHead, slot, i, b.index(column)}, partColumns));
            SmallVector<Value> next;
            for (int64_t r = 0; r != partRows; ++r) {
              Value q = b.extract(
                  query, {b.add(firstToken, (first + r) / group),
                          b.add(b.mul(kvHead, group), (first + r) % group), i});
              next.push_back(b.fma(b.splat(q, partColumns), keys, acc[r]));
            }
            return next;
          });
      for (int64_t r = 0; r != partRows; ++r)
        whole[r] = b.insertLanes(part[r], whole[r], column);
    }
    llvm::append_range(dots, whole);
  }
  return dots;
}

void AttentionTile::panelScores(KernelBuilder &b, Value panel,
                                llvm::function_ref<void(int64_t, Value)> take) {
  const float infinity = std::numeric_limits<float>::infinity();
  SmallVector<int32_t> lanes(kPanel);
  for (int64_t i = 0; i != kPanel; ++i)
    lanes[i] = i;
  SmallVector<Value> dots = this->dots(b, slotOf(b, panel));
  Value lane = arith::ConstantOp::create(
      b, DenseIntElementsAttr::get(b.vector(kPanel, b.getI32Type()),
                                   ArrayRef<int32_t>(lanes)));
  Value base = b.mul(panel, kPanel);
  auto toLane = [&](Value bound) {
    return b.splat(b.toI32(b.sub(bound, base)), kPanel);
  };
  Value hidden = b.splatF32(-infinity, kPanel);
  for (int64_t r = 0; r != rows; ++r) {
    Value s = b.mul(dots[r], b.splatF32(shape.scale, kPanel));
    if (shape.softcap != 0)
      s = b.softcap(s, shape.softcap);
    Value above = arith::CmpIOp::create(b, arith::CmpIPredicate::sge, lane,
                                        toLane(bounds[r].first));
    Value below = arith::CmpIOp::create(b, arith::CmpIPredicate::slt, lane,
                                        toLane(bounds[r].second));
    Value visible = arith::AndIOp::create(b, above, below);
    take(r, arith::SelectOp::create(b, visible, s, hidden));
  }
}

std::pair<Value, Value> AttentionTile::weights(KernelBuilder &b, Value scores,
                                               ArrayRef<Value> row,
                                               Value maximum) {
  const float infinity = std::numeric_limits<float>::infinity();
  Value largest = b.splat(maximum, partColumns);
  SmallVector<Value> out = b.loop(
      b.index(0), width(b), partColumns, {scores, b.splatF32(0, partColumns)},
      [&](KernelBuilder &b, Value column,
          ValueRange args) -> SmallVector<Value> {
        SmallVector<Value> place(row);
        place.push_back(column);
        Value s = b.read(args[0], place, partColumns);
        Value masked =
            arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, s,
                                  b.splatF32(-infinity, partColumns));
        Value e = math::ExpOp::create(b, b.sub(s, largest));
        Value p =
            arith::SelectOp::create(b, masked, b.splatF32(0, partColumns), e);
        return {b.write(p, args[0], place), b.add(args[1], p)};
      });
  // A row that sees nothing has weights and sum 0 and gives zeros.
  Value sum = b.reduceAdd(out[1]);
  Value none =
      arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, sum, b.f32(0));
  Value inverse = arith::DivFOp::create(b, b.f32(1), sum);
  return {out[0], arith::SelectOp::create(b, none, b.f32(0), inverse)};
}

SmallVector<Value> AttentionTile::values(KernelBuilder &b, Value weights,
                                         Value weightRow, int64_t first,
                                         Value column,
                                         ArrayRef<Value> inverseSums) {
  SmallVector<Value> zeros(partRows, b.splatF32(0, partColumns));
  Value valuePanel = b.div(column, kPanel), lane = b.rem(column, kPanel);
  SmallVector<Value> sums = b.loop(
      firstPanel, lastPanel, 1, zeros,
      [&](KernelBuilder &b, Value panel, ValueRange acc) {
        Value firstRow = b.mul(slotOf(b, panel), kPanel);
        Value firstWeight = b.mul(b.sub(panel, firstPanel), kPanel);
        return b.loop(
            b.index(0), b.index(kPanel), 1, acc,
            [&](KernelBuilder &b, Value j, ValueRange acc) {
              Value v = b.widen(b.read(
                  cache.values, {kvHead, valuePanel, b.add(firstRow, j), lane},
                  partColumns));
              SmallVector<Value> next;
              for (int64_t r = 0; r != partRows; ++r) {
                Value p = b.extract(weights, {b.add(weightRow, first + r),
                                              b.add(firstWeight, j)});
                next.push_back(b.fma(b.splat(p, partColumns), v, acc[r]));
              }
              return next;
            });
      });
  for (int64_t r = 0; r != partRows; ++r)
    sums[r] = b.mul(sums[r], b.splat(inverseSums[first + r], partColumns));
  return sums;
}

void AttentionTile::findPanels(KernelBuilder &b) {
  bounds.clear();
  for (int64_t r = 0; r != rows; ++r)
    bounds.push_back(boundsOf(b, r));
  if (spans)
    widenToSpans(b);
  firstPanel =
      shape.startsAtWindow ? b.div(bounds.front().first, kPanel) : b.index(0);
  lastPanel = b.div(b.add(bounds.back().second, kPanel - 1), kPanel);
}

Value AttentionTile::buildTiles(KernelBuilder &b) {
  Value tokenCount = b.dim(query, 0);
  Value tiles = b.mul(b.div(tokenCount, tokens), kvHeads);
  return b.forall(
      tiles, b.empty(typeOf(query), tokenCount),
      [&](KernelBuilder &b, Value iv) -> SmallVector<KernelBuilder::Slice> {
        Value token = b.mul(b.div(iv, kvHeads), tokens);
        Value head = b.mul(b.rem(iv, kvHeads), group);
        return {{{token, head, b.getIndexAttr(0)},
                 {b.getIndexAttr(tokens), b.getIndexAttr(group),
                  b.getIndexAttr(headDim)}}};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> SmallVector<Value> {
        firstToken = b.mul(b.div(iv, kvHeads), tokens);
        kvHead = b.rem(iv, kvHeads);
        if (sequences)
          lookUp(b);
        findPanels(b);

        SmallVector<Value> scored{tensor::EmptyOp::create(
            b, ArrayRef<OpFoldResult>{b.getIndexAttr(rows), width(b)},
            b.getF32Type())};
        scored.append(
            rows, b.splatF32(-std::numeric_limits<float>::infinity(), kPanel));
        scored = b.loop(
            firstPanel, lastPanel, 1, scored,
            [&](KernelBuilder &b, Value panel, ValueRange args) {
              Value column = b.mul(b.sub(panel, firstPanel), kPanel);
              SmallVector<Value> next{args[0]};
              panelScores(b, panel, [&](int64_t r, Value s) {
                next[0] = b.write(s, next[0], {b.index(r), column});
                next.push_back(arith::MaxNumFOp::create(b, args[1 + r], s));
              });
              return next;
            });

        Value weighted = scored[0];
        SmallVector<Value> inverseSums(rows);
        for (int64_t r = 0; r != rows; ++r)
          std::tie(weighted, inverseSums[r]) =
              weights(b, weighted, b.index(r), b.reduceMax(scored[1 + r]));

        return b.loop(
            b.index(0), b.index(headDim), partColumns, outs[0],
            [&](KernelBuilder &b, Value column,
                ValueRange outs) -> SmallVector<Value> {
              Value result = outs[0];
              for (int64_t first = 0; first != rows; first += partRows)
                for (auto [i, o] :
                     llvm::enumerate(values(b, weighted, b.index(0), first,
                                            column, inverseSums))) {
                  SmallVector<Value> place;
                  if (tokens != 1)
                    place.push_back(b.index((first + i) / group));
                  if (group != 1)
                    place.push_back(b.index((first + i) % group));
                  place.push_back(column);
                  result = b.write(o, result, place);
                }
              return {result};
            });
      })[0];
}

Value AttentionTile::buildPasses(KernelBuilder &b) {
  using Slice = KernelBuilder::Slice;
  OpFoldResult zero = b.getIndexAttr(0), one = b.getIndexAttr(1);
  // Slices have no unit dimensions, so a group of one has no rows.
  auto rowOf = [&](KernelBuilder &b, int64_t r) {
    return group == 1 ? SmallVector<Value>() : SmallVector<Value>{b.index(r)};
  };
  firstToken = b.index(0);
  findPanels(b);
  Value panels = b.sub(lastPanel, firstPanel), columns = width(b);

  Value scores = b.forall(
      b.mul(panels, kvHeads),
      tensor::EmptyOp::create(
          b, ArrayRef<OpFoldResult>{b.getIndexAttr(heads), columns},
          b.getF32Type())
          .getResult(),
      [&](KernelBuilder &b, Value iv) -> SmallVector<Slice> {
        Value head = arith::DivUIOp::create(b, iv, panels);
        return {{{b.mul(head, group), b.mul(b.rem(iv, panels), kPanel)},
                 {b.getIndexAttr(group), b.getIndexAttr(kPanel)}}};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> SmallVector<Value> {
        kvHead = arith::DivUIOp::create(b, iv, panels);
        Value panel = b.add(firstPanel, b.rem(iv, panels)), result = outs[0];
        panelScores(b, panel, [&](int64_t r, Value s) {
          SmallVector<Value> place = rowOf(b, r);
          place.push_back(b.index(0));
          result = b.write(s, result, place);
        });
        return {result};
      })[0];

  SmallVector<Value> weighted = b.forall(
      b.index(heads), {scores, b.empty(heads, b.getF32Type())},
      [&](KernelBuilder &, Value head) -> SmallVector<Slice> {
        return {{{head, zero}, {one, columns}}, {{head}, {one}}};
      },
      [&](KernelBuilder &b, Value, ValueRange outs) -> SmallVector<Value> {
        Value largest =
            b.loop(b.index(0), columns, kPanel,
                   b.splatF32(-std::numeric_limits<float>::infinity(), kPanel),
                   [&](KernelBuilder &b, Value column,
                       ValueRange args) -> SmallVector<Value> {
                     Value s = b.read(outs[0], {column}, kPanel);
                     return {arith::MaxNumFOp::create(b, args[0], s)};
                   })[0];
        auto [result, inverse] = weights(b, outs[0], {}, b.reduceMax(largest));
        return {result, b.insert(inverse, outs[1], {})};
      });

  int64_t pieces = headDim / partColumns;
  return b.forall(
      b.index(kvHeads * pieces), b.empty(typeOf(query), Value()),
      [&](KernelBuilder &b, Value iv) -> SmallVector<Slice> {
        return {{{zero, b.mul(b.div(iv, pieces), group),
                  b.mul(b.rem(iv, pieces), partColumns)},
                 {one, b.getIndexAttr(group), b.getIndexAttr(partColumns)}}};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> SmallVector<Value> {
        kvHead = b.div(iv, pieces);
        Value firstHead = b.mul(kvHead, group), result = outs[0];
        Value column = b.mul(b.rem(iv, pieces), partColumns);
        SmallVector<Value> inverseSums(group);
        for (int64_t r = 0; r != group; ++r)
          inverseSums[r] = b.extract(weighted[1], {b.add(firstHead, r)});
        for (int64_t first = 0; first != group; first += partRows)
          for (auto [i, o] : llvm::enumerate(values(
                   b, weighted[0], firstHead, first, column, inverseSums))) {
            SmallVector<Value> place = rowOf(b, first + i);
            place.push_back(b.index(0));
            result = b.write(o, result, place);
          }
        return {result};
      })[0];
}

} // namespace

Value flow::cpu::buildAttention(OpBuilder &builder, Location loc, Value query,
                                const KvTensors &cache, Value start,
                                Value total, Value spans,
                                const AttentionShape &shape) {
  KernelBuilder b(loc, builder);
  return AttentionTile(query, cache, start, total, spans, shape).build(b);
}

Value flow::cpu::buildSingleRowAttention(OpBuilder &builder, Location loc,
                                         Value query, const KvTensors &slots,
                                         Value sequences,
                                         const AttentionShape &shape) {
  KernelBuilder b(loc, builder);
  return AttentionTile(query, slots, sequences, shape).build(b);
}
