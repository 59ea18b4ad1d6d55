// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention by tiles of keys and values, each fetched while the other is used.

#include "AttentionBody.h"

using namespace mlir;
using namespace flow::cuda;

/// Bytes of a row that the swizzle permutes: eight chunks.
static constexpr int64_t kSwizzledBytes = 128;

/// Adds a product to four of `sums`.
static void accumulate(KernelBuilder &k, ArrayRef<Val> a, ArrayRef<Val> b,
                       Vals &sums, int64_t first) {
  MutableArrayRef<Val> target(sums.data() + first, 4);
  llvm::copy(k.mma(a, b, target), target.begin());
}

AttentionBody::AttentionBody(KernelBuilder &k, const Attention &attention,
                             const AttentionTile &tile,
                             const AttentionOperands &operands)
    : k(k), attention(attention), tile(tile), operands(operands),
      shared(k.sharedMemory()), thread(k.threadId()), lane(thread & 31),
      group((thread >> 5) / tile.members), member((thread >> 5) % tile.members),
      groupRow(group * (16 * tile.rowBlocks)), laneRow(groupRow + (lane >> 2)),
      rows(k, attention, operands, tile.rows(), laneRow, rowsOfLane()),
      softmax(k, attention, rows.laneReaches(), scoreBlocks()) {
  copyRow = thread / tile.chunks();
  copyChunk = thread % tile.chunks();
  Val source = (k.wide(copyRow) * attention.kvHeads + k.wide(operands.kvHead)) *
                   tile.rowBytes() +
               k.wide(copyChunk << 4);
  keySource = k.at(operands.keys, source);
  valueSource = k.at(operands.values, source);

  // The matrix whose row the lane points at, and the row.
  Val matrix = lane >> 3, r = lane & 7;
  queryFragment = fragment(groupRow + (matrix & 1) * 8 + r, matrix >> 1);
  // A single block of keys leaves room for two steps of the depth.
  keyFragment =
      scoreBlocks() == 1
          ? fragment(member * tile.memberKeys() + r, matrix)
          : fragment(member * tile.memberKeys() + (matrix >> 1) * 8 + r,
                     matrix & 1);
  valueFragment = fragment((matrix & 1) * 8 + r,
                           member * (tile.memberDims() / 8) + (matrix >> 1));
}

AttentionBody::Fragment AttentionBody::fragment(Val row, Val chunk) {
  return {row * tile.rowBytes() + (chunk >> 3) * kSwizzledBytes,
          swizzle(row, chunk & 7, tile.chunks())};
}

Val AttentionBody::addressOf(const Fragment &fragment, int64_t chunk,
                             int64_t offset) {
  Val lanes = fragment.offset + ((fragment.chunk ^ (chunk & 7)) << 4);
  return k.at(k.at(shared, lanes), offset + (chunk / 8) * kSwizzledBytes);
}

Val AttentionBody::queryPlace(Val row, Val number) {
  return k.at(addressOf(fragment(row, number >> 3), 0, 0), (number & 7) << 1);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

Val AttentionBody::copyTarget(int64_t pass, int64_t sharedOffset) {
  int64_t rows = pass * (tile.threads() / tile.chunks());
  // A pass has a power of two of rows: its first row and the thread's row in it
  // share no bit, and the swizzle takes them one after the other.
  Val chunk = swizzle(copyRow, copyChunk, tile.chunks()) ^ (rows & 7);
  return k.at(k.at(shared, copyRow * tile.rowBytes() + (chunk << 4)),
              sharedOffset + rows * tile.rowBytes());
}

void AttentionBody::copyQuery() {
  int64_t rowsOfPass = tile.threads() / tile.chunks();
  for (int64_t i = 0; i != tile.rows() / rowsOfPass; ++i) {
    Val row = copyRow + i * rowsOfPass;
    Val token = rows.token(row);
    Val source = (k.wide(token) * attention.heads + k.wide(rows.head(row))) *
                     tile.rowBytes() +
                 k.wide(copyChunk << 4);
    k.copyAsync16(copyTarget(i, 0), k.at(operands.query, source),
                  k.select(token < operands.tokens, k.i32(16), k.i32(0)));
  }
}

void AttentionBody::copyTile(Val cache, Val position, Val ringRow,
                             int64_t sharedOffset) {
  int64_t rowsOfPass = tile.threads() / tile.chunks();
  int64_t cacheRowBytes = attention.kvHeads * tile.rowBytes();
  Val source = k.at(cache, k.wide(ringRow) * cacheRowBytes);
  Val keysLeft = rows.keyEnd() - position - copyRow;
  for (int64_t i = 0; i != tile.keys / rowsOfPass; ++i)
    k.copyAsync16(copyTarget(i, sharedOffset),
                  k.at(source, i * rowsOfPass * cacheRowBytes),
                  k.select(keysLeft > i * rowsOfPass, k.i32(16), k.i32(0)));
}

//===----------------------------------------------------------------------===//
// A tile
//===----------------------------------------------------------------------===//

Vals AttentionBody::scores() {
  int64_t blocks = scoreBlocks(), rowBytes = tile.rowBytes();
  Vals sums = k.zeros(4 * tile.rowBlocks * blocks);
  // Steps of the depth that a load of keys serves.
  int64_t together = blocks == 1 ? 2 : 1;
  for (int64_t kk = 0; kk != tile.headDim / 16; kk += together) {
    SmallVector<Vals> keys;
    for (int64_t n = 0; n < blocks; n += 2)
      keys.push_back(k.loadMatrices(
          addressOf(keyFragment, 2 * kk, tile.keyOffset() + n * 8 * rowBytes)));
    for (int64_t i = 0; i != tile.rowBlocks; ++i)
      for (int64_t s = 0; s != together; ++s) {
        Vals query = k.loadMatrices(
            addressOf(queryFragment, 2 * (kk + s), i * 16 * rowBytes));
        for (int64_t n = 0; n != blocks; ++n)
          accumulate(k, query,
                     ArrayRef<Val>(keys[n / 2]).slice(2 * (n % 2 + s), 2), sums,
                     4 * (i * blocks + n));
      }
  }
  return softmax.capped(std::move(sums));
}

Val AttentionBody::laneKey(Val firstKey) {
  return firstKey + member * tile.memberKeys() + ((lane & 3) << 1);
}

Vals AttentionBody::combineRow(Vals values, Combine combine) {
  return combineMembers(combineLanes(std::move(values), combine), combine);
}

Vals AttentionBody::combineMembers(Vals values, Combine combine) {
  if (tile.members == 1)
    return values;
  Val slots = k.at(k.at(shared, laneRow << 2), tile.exchangeOffset());
  k.when((lane & 3).equals(k.i32(0)), [&] {
    for (auto [i, value] : llvm::enumerate(values))
      k.store(value,
              k.at(k.at(slots, member * (4 * tile.rows())),
                   32 * static_cast<int64_t>(i)),
              4);
  });
  k.barrier(group + 1, 32 * tile.members);
  for (auto [i, value] : llvm::enumerate(values))
    for (int64_t m = 0; m != tile.members; ++m) {
      Val part = k.loadF32(
          k.at(slots, m * 4 * tile.rows() + 32 * static_cast<int64_t>(i)));
      value = m == 0 ? part : combine(value, part);
    }
  return values;
}

Vals AttentionBody::weights(const Vals &scores, State &state) {
  Vals maxima =
      combineRow(softmax.maxima(scores), [](Val a, Val b) { return a.max(b); });
  OnlineSoftmax::Weights weights =
      softmax.weigh(scores, maxima, state.maxima, state.sums);
  rescaleRows(state.values, weights.rescales, valueBlocks());
  return weights.packed;
}

void AttentionBody::storeWeights(const Vals &weights) {
  int64_t chunks = tile.keys / 8;
  for (int64_t row = 0; row != rowsOfLane(); ++row)
    for (int64_t n = 0; n != scoreBlocks(); ++n) {
      Val chunk = swizzle(laneRow, member * scoreBlocks() + n, chunks);
      Val target = laneRow * tile.probabilityRowBytes() + (chunk << 4) +
                   ((lane & 3) << 2);
      k.store(
          weights[fragmentIndex(row, n, 0, scoreBlocks()) / 2],
          k.at(k.at(shared, target),
               tile.probabilityOffset() + row * 8 * tile.probabilityRowBytes()),
          4);
    }
}

void AttentionBody::addValues(const Vals &weights, Vals &values) {
  int64_t blocks = valueBlocks();
  Val matrix = lane >> 3;
  Val weightRow = group * (16 * tile.rowBlocks) + (matrix & 1) * 8 + (lane & 7);
  for (int64_t kk = 0; kk != tile.keys / 16; ++kk) {
    SmallVector<Vals> a;
    for (int64_t i = 0; i != tile.rowBlocks; ++i) {
      if (tile.members == 1) {
        // The fragments of two blocks of scores are one of a factor.
        int64_t at = 2 * (i * scoreBlocks() + 2 * kk);
        a.push_back(Vals(ArrayRef<Val>(weights).slice(at, 4)));
        continue;
      }
      Val chunk = swizzle(weightRow, (matrix >> 1) ^ (2 * kk), tile.keys / 8);
      a.push_back(k.loadMatrices(k.at(
          k.at(shared, weightRow * tile.probabilityRowBytes() + (chunk << 4)),
          tile.probabilityOffset() + i * 16 * tile.probabilityRowBytes())));
    }
    for (int64_t n = 0; n != blocks; n += 2) {
      Vals b = k.loadMatrices(
          addressOf(valueFragment, n,
                    tile.valueOffset() + kk * 16 * tile.rowBytes()),
          /*transposed=*/true);
      for (int64_t i = 0; i != tile.rowBlocks; ++i)
        for (int64_t half = 0; half != 2; ++half)
          accumulate(k, a[i], ArrayRef<Val>(b).slice(2 * half, 2), values,
                     4 * (i * blocks + n + half));
    }
  }
}

AttentionBody::State AttentionBody::step(Val keyTile, Val ringRow,
                                         Val nextRingRow, Val end,
                                         State state) {
  Val firstKey = keyTile * tile.keys;
  // The keys are here, and nobody needs the last values or weights any more.
  k.waitForCopies(0);
  k.barrier();
  copyTile(valueSource, firstKey, ringRow, tile.valueOffset());
  k.commitCopies();

  // Most tiles are seen whole by all rows.
  Vals tileScores = scores();
  tileScores = k.when(rows.hidesSome(firstKey, tile.keys), tileScores, [&] {
    return softmax.masked(tileScores, laneKey(firstKey));
  });
  Vals tileWeights = weights(tileScores, state);
  if (tile.members != 1)
    storeWeights(tileWeights);

  // The values and all weights are here, and nobody needs the keys any more.
  k.waitForCopies(0);
  k.barrier();
  k.when(keyTile + 1 < end, [&] {
    copyTile(keySource, firstKey + tile.keys, nextRingRow, tile.keyOffset());
  });
  k.commitCopies();
  addValues(tileWeights, state.values);
  return state;
}

//===----------------------------------------------------------------------===//
// The walk
//===----------------------------------------------------------------------===//

void AttentionBody::attend(
    const KeyTiles &tiles,
    llvm::function_ref<void(const AttendedRow &)> store) {
  int64_t count = rowsOfLane();
  Val firstKey = tiles.first * tile.keys;
  Val firstRingRow = firstKey % operands.capacity;
  if (Value(operands.query))
    copyQuery();
  copyTile(keySource, firstKey, firstRingRow, tile.keyOffset());
  k.commitCopies();

  Vals carried{firstRingRow};
  carried.append(softmax.lowest());
  carried.append(k.zeros(count + 2 * count * valueBlocks()));
  Vals last = k.loop(
      tiles.first, tiles.end, 1, carried, [&](Val keyTile, const Vals &values) {
        Val ringRow = values[0], after = ringRow + tile.keys;
        Val nextRingRow =
            k.select(after.equals(operands.capacity), k.i32(0), after);
        ArrayRef<Val> parts = ArrayRef<Val>(values).drop_front();
        State state = step(keyTile, ringRow, nextRingRow, tiles.end,
                           {Vals(parts.take_front(count)),
                            Vals(parts.slice(count, count)),
                            Vals(parts.drop_front(2 * count))});
        Vals next{nextRingRow};
        next.append(state.maxima);
        next.append(state.sums);
        next.append(state.values);
        return next;
      });

  ArrayRef<Val> parts = ArrayRef<Val>(last).drop_front();
  Vals sums = combineRow(Vals(parts.slice(count, count)),
                         [](Val a, Val b) { return a + b; });
  for (int64_t row = 0; row != count; ++row) {
    AttendedRow attended;
    Val number = laneRow + 8 * row;
    attended.token = rows.token(number);
    attended.head = rows.head(number);
    attended.maximum = softmax.exponent(parts[row]);
    attended.sum = sums[row];
    attended.dimension = member * tile.memberDims() + ((lane & 3) << 1);
    for (int64_t n = 0; n != valueBlocks(); ++n) {
      int64_t at = 2 * count + fragmentIndex(row, n, 0, valueBlocks());
      attended.pairs.emplace_back(parts[at], parts[at + 1]);
    }
    k.when(attended.token < operands.tokens, [&] { store(attended); });
  }
}

Val AttentionBody::isFirstOfRow() {
  return (lane & 3).equals(k.i32(0)) & member.equals(k.i32(0));
}
