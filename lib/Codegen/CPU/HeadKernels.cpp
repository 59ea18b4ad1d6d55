// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of heads: norm, rotation, and the write into the caches.

#include "RmsNorm.h"
#include "SequenceTable.h"

using namespace mlir;
using namespace flow::cpu;

using Slice = KernelBuilder::Slice;

namespace {

/// One head of a row, `column` being its first element: normed, rotated and
/// rounded into the rank-1 tensor `out` at `outOffset`.
Value emitHead(KernelBuilder &b, Value rows, Value row, Value column,
               int64_t headDim, const HeadStage &stage, Value out,
               Value outOffset) {
  int64_t half = headDim / 2;
  int64_t lanes = std::min<int64_t>(lanesFor(half), 32);
  Value scale;
  if (stage.norm)
    scale = inverseRmsOf(b, headDim, stage.eps, [&](KernelBuilder &b, Value i) {
      return b.read(rows, {row, b.add(column, i)}, lanesFor(headDim));
    });
  auto load = [&](KernelBuilder &b, Value i) {
    Value x = b.read(rows, {row, b.add(column, i)}, lanes);
    if (!stage.norm)
      return x;
    x = b.mul(x, b.splat(scale, lanes));
    return stage.weight ? b.mul(x, b.read(stage.weight, {i}, lanes)) : x;
  };
  return b.loop(
      b.index(0), b.index(half), lanes, out,
      [&](KernelBuilder &b, Value i, ValueRange outs) -> SmallVector<Value> {
        Value low = load(b, i), high = load(b, b.add(i, half));
        if (stage.angles) {
          // The angles of a row are (cos, sin) pairs in one run of D floats.
          auto pairs = vector::DeinterleaveOp::create(
              b, b.read(stage.angles, {row, b.mul(i, 2)}, 2 * lanes));
          Value cos = pairs.getRes1(), sin = pairs.getRes2();
          Value turned = b.sub(b.mul(low, cos), b.mul(high, sin));
          high = b.add(b.mul(high, cos), b.mul(low, sin));
          low = turned;
        }
        Type element = typeOf(out).getElementType();
        Value result =
            b.write(b.narrow(low, element), outs[0], {b.add(outOffset, i)});
        return {b.write(b.narrow(high, element), result,
                        {b.add(b.add(outOffset, i), half)})};
      })[0];
}

/// Angles `[T, D/2, 2]` as `[T, D]`.
Value flattenAngles(KernelBuilder &b, Value angles) {
  if (!angles)
    return angles;
  return tensor::CollapseShapeOp::create(
      b, angles, SmallVector<ReassociationIndices>{{0}, {1, 2}});
}

HeadStage flattened(KernelBuilder &b, HeadStage stage) {
  stage.angles = flattenAngles(b, stage.angles);
  return stage;
}

/// Where a row goes: its absolute position, and the slot of its sequence, or
/// null in caches of one sequence.
struct RowPlace {
  Value position, slot;
};

/// Writes the keys and values of `count` rows, each to where `placeOf` says.
KvTensors
appendRows(KernelBuilder &b, const HeadColumns &keyColumns,
           const HeadStage &keyStageOf, const HeadColumns &valueColumns,
           const HeadStage &valueStageOf, const KvTensors &cache, Value count,
           llvm::function_ref<RowPlace(KernelBuilder &, Value)> placeOf) {
  HeadStage keyStage = flattened(b, keyStageOf);
  HeadStage valueStage = flattened(b, valueStageOf);
  RankedTensorType values = typeOf(cache.values);
  int64_t rank = values.getRank();
  int64_t kvHeads = values.getDimSize(rank - 4),
          valuePanels = values.getDimSize(rank - 3),
          headDim = valuePanels * kPanel;
  Value capacity = b.dim(cache.values, rank - 2);
  SmallVector<Value> results = b.forall(
      b.mul(count, kvHeads), ValueRange{cache.keys, cache.values},
      [&](KernelBuilder &b, Value iv) -> SmallVector<Slice> {
        RowPlace place = placeOf(b, b.div(iv, kvHeads));
        Value head = b.rem(iv, kvHeads), line = b.rem(place.position, capacity);
        auto one = b.getIndexAttr(1), zero = b.getIndexAttr(0);
        Slice keys{{head, b.div(line, kPanel), zero, b.rem(line, kPanel)},
                   {one, one, b.getIndexAttr(headDim), one}};
        Slice values{
            {head, zero, line, zero},
            {one, b.getIndexAttr(valuePanels), one, b.getIndexAttr(kPanel)}};
        for (Slice *slice : {&keys, &values})
          if (place.slot) {
            slice->offsets.insert(slice->offsets.begin(), place.slot);
            slice->sizes.insert(slice->sizes.begin(), one);
          }
        return {keys, values};
      },
      [&](KernelBuilder &b, Value iv, ValueRange outs) -> SmallVector<Value> {
        Value row = b.div(iv, kvHeads);
        Value offset = b.mul(b.rem(iv, kvHeads), headDim);
        auto head = [&](const HeadColumns &columns, const HeadStage &stage,
                        Value out) {
          return emitHead(b, columns.rows, row, b.add(offset, columns.first),
                          headDim, stage, out, b.index(0));
        };
        Type element = values.getElementType();
        Value key = head(keyColumns, keyStage, b.empty(headDim, element));
        // A key is one column of its panel: stores with the panel's stride.
        Value keySlice =
            b.loop(b.index(0), b.index(headDim), 1, outs[0],
                   [&](KernelBuilder &b, Value i,
                       ValueRange outs) -> SmallVector<Value> {
                     return {b.insert(b.extract(key, {i}), outs[0], {i})};
                   })[0];
        // A value is a row of each of its panels, all of it if that is one.
        if (valuePanels == 1)
          return {keySlice, head(valueColumns, valueStage, outs[1])};
        Value value = head(valueColumns, valueStage, b.empty(headDim, element));
        Value valueSlice =
            b.loop(b.index(0), b.index(valuePanels), 1, outs[1],
                   [&](KernelBuilder &b, Value panel,
                       ValueRange outs) -> SmallVector<Value> {
                     Value part = b.read(value, {b.mul(panel, kPanel)}, kPanel);
                     return {b.write(part, outs[0], {panel, b.index(0)})};
                   })[0];
        return {keySlice, valueSlice};
      });
  return {results[0], results[1]};
}

} // namespace

Value flow::cpu::buildHeads(OpBuilder &builder, Location loc,
                            const HeadColumns &columns, int64_t heads,
                            int64_t headDim, const HeadStage &stageOfHeads) {
  KernelBuilder b(loc, builder);
  HeadStage stage = flattened(b, stageOfHeads);
  int64_t width = heads * headDim, first = columns.first;
  Value rows = columns.rows, count = b.dim(rows, 0);
  return b.forall(
      count,
      b.empty(RankedTensorType::get({typeOf(rows).getDimSize(0), width},
                                    b.getF32Type()),
              count),
      [&](KernelBuilder &b, Value t) -> SmallVector<Slice> {
        return {b.rowSlice(t, width)};
      },
      [&](KernelBuilder &b, Value t, ValueRange outs) -> SmallVector<Value> {
        return b.loop(b.index(0), b.index(heads), 1, outs,
                      [&](KernelBuilder &b, Value h,
                          ValueRange outs) -> SmallVector<Value> {
                        Value offset = b.mul(h, headDim);
                        return {emitHead(b, rows, t, b.add(offset, first),
                                         headDim, stage, outs[0], offset)};
                      });
      })[0];
}

KvTensors
flow::cpu::buildAppend(OpBuilder &builder, Location loc,
                       const HeadColumns &keys, const HeadStage &keyStage,
                       const HeadColumns &values, const HeadStage &valueStage,
                       const KvTensors &cache, Value start, Value count) {
  KernelBuilder b(loc, builder);
  return appendRows(b, keys, keyStage, values, valueStage, cache, count,
                    [&](KernelBuilder &b, Value row) -> RowPlace {
                      return {b.add(start, row), {}};
                    });
}

KvTensors flow::cpu::buildSingleRowAppend(
    OpBuilder &builder, Location loc, const HeadColumns &keys,
    const HeadStage &keyStage, const HeadColumns &values,
    const HeadStage &valueStage, const KvTensors &slots, Value sequences) {
  KernelBuilder b(loc, builder);
  return appendRows(b, keys, keyStage, values, valueStage, slots,
                    b.dim(sequences, 0),
                    [&](KernelBuilder &b, Value row) -> RowPlace {
                      SequencePlace place = placeOf(b, sequences, row);
                      return {place.start, place.slot};
                    });
}
