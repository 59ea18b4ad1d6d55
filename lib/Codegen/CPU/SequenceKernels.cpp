// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Kernels of a step with rows of several sequences: a loop over the sequences
// around the kernels of one, on slices.
//
// What a sequence's rows and slot hold, and the kernel that reads them, are
// those of a step of that sequence alone, so its results are too, bit for bit.
// Steps whose sequences have one row each need no such loop: the kernels of
// heads and attention find the slot of each row themselves.

#include "SequenceTable.h"

using namespace mlir;
using namespace flow::cpu;

SequencePlace flow::cpu::placeOf(KernelBuilder &b, Value sequences, Value i) {
  auto column = [&](int64_t number) -> Value {
    return b.toIndex(b.extract(sequences, {i, b.index(number)}));
  };
  return {column(0), column(1), column(2), column(3)};
}

LeadingSlice::LeadingSlice(KernelBuilder &b, Value tensor, Value first,
                           OpFoldResult size) {
  int64_t rank = typeOf(tensor).getRank();
  offsets.assign(rank, b.getIndexAttr(0));
  strides.assign(rank, b.getIndexAttr(1));
  offsets[0] = first;
  sizes.push_back(size);
  for (int64_t i = 1; i != rank; ++i)
    sizes.push_back(getAsOpFoldResult(b.dim(tensor, i)));
}

/// `count` rows of `tensor`.
static Value sliceRows(KernelBuilder &b, Value tensor, Value first,
                       Value count) {
  LeadingSlice slice(b, tensor, first, count);
  return tensor::ExtractSliceOp::create(b, tensor, slice.offsets, slice.sizes,
                                        slice.strides);
}

/// One entry of the leading dimension, which goes.
static Value takeSlot(KernelBuilder &b, Value slots, Value slot) {
  RankedTensorType type = typeOf(slots);
  LeadingSlice slice(b, slots, slot, b.getIndexAttr(1));
  return tensor::ExtractSliceOp::create(
      b, type.clone(type.getShape().drop_front()), slots, slice.offsets,
      slice.sizes, slice.strides);
}

/// `slots` with `value` in the place of `slot`.
static Value putSlot(KernelBuilder &b, Value value, Value slots, Value slot) {
  LeadingSlice slice(b, slots, slot, b.getIndexAttr(1));
  return tensor::InsertSliceOp::create(b, value, slots, slice.offsets,
                                       slice.sizes, slice.strides);
}

KvTensors flow::cpu::takeSlot(KernelBuilder &b, const KvTensors &slots,
                              Value slot) {
  return {::takeSlot(b, slots.keys, slot), ::takeSlot(b, slots.values, slot)};
}

KvTensors flow::cpu::buildSequenceAppend(
    OpBuilder &builder, Location loc, const HeadColumns &keyColumns,
    const HeadStage &keyStage, const HeadColumns &valueColumns,
    const HeadStage &valueStage, const KvTensors &slots, Value sequences) {
  KernelBuilder b(loc, builder);
  SmallVector<Value> results = b.loop(
      b.index(0), b.dim(sequences, 0), 1, ValueRange{slots.keys, slots.values},
      [&](KernelBuilder &b, Value i, ValueRange args) -> SmallVector<Value> {
        SequencePlace place = placeOf(b, sequences, i);
        auto columnsOf = [&](const HeadColumns &columns) -> HeadColumns {
          return {sliceRows(b, columns.rows, place.first, place.count),
                  columns.first};
        };
        auto stageOf = [&](HeadStage stage) {
          if (stage.angles)
            stage.angles = sliceRows(b, stage.angles, place.first, place.count);
          return stage;
        };
        KvTensors cache =
            buildAppend(b, loc, columnsOf(keyColumns), stageOf(keyStage),
                        columnsOf(valueColumns), stageOf(valueStage),
                        takeSlot(b, {args[0], args[1]}, place.slot),
                        place.start, place.count);
        return {putSlot(b, cache.keys, args[0], place.slot),
                putSlot(b, cache.values, args[1], place.slot)};
      });
  return {results[0], results[1]};
}

Value flow::cpu::buildSequenceAttention(OpBuilder &builder, Location loc,
                                        Value query, const KvTensors &slots,
                                        Value sequences,
                                        const AttentionShape &shape) {
  KernelBuilder b(loc, builder);
  RankedTensorType type = typeOf(query);
  return b.loop(
      b.index(0), b.dim(sequences, 0), 1, b.empty(type, b.dim(query, 0)),
      [&](KernelBuilder &b, Value i, ValueRange outs) -> SmallVector<Value> {
        SequencePlace place = placeOf(b, sequences, i);
        // Whole tiles: the rows behind the last are this sequence's padding.
        Value padded =
            b.mul(b.div(b.add(place.count, kRowTile - 1), kRowTile), kRowTile);
        Value total = b.add(place.start, place.count);
        Value rows =
            buildAttention(b, loc, sliceRows(b, query, place.first, padded),
                           takeSlot(b, slots, place.slot), place.start, total,
                           /*spans=*/{}, shape);
        LeadingSlice slice(b, outs[0], place.first, padded);
        return {tensor::InsertSliceOp::create(b, rows, outs[0], slice.offsets,
                                              slice.sizes, slice.strides)
                    .getResult()};
      })[0];
}
