// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention by tiles of keys and values, each fetched while the other is used.

#include "AttentionBody.h"

using namespace mlir;
using namespace flow::cuda;

/// Scores of keys that a row does not see, and the maximum of a row that has
/// seen none. Finite, so that no difference of them is a NaN; and so far apart
/// that a row which has seen nothing gives its hidden keys the weight 0.
static constexpr double kHidden = -1.0e30, kLowest = -1.0e20;

static constexpr double kLog2E = 1.4426950408889634;

/// Bytes of a row that the swizzle permutes: eight chunks.
static constexpr int64_t kSwizzledBytes = 128;

/// Of fragments with `blocks` blocks of 8 columns: the value of the lane's
/// `row`-th row, in a block.
static int64_t fragmentIndex(int64_t row, int64_t block, int64_t element,
                             int64_t blocks) {
  return 4 * ((row / 2) * blocks + block) + 2 * (row % 2) + element;
}

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
      exponentScale(attention.softcap.value_or(attention.scale) * kLog2E) {
  assert(attention.heads % attention.kvHeads == 0 &&
         "query heads share the KV heads evenly");
  shared = k.sharedMemory();
  Val thread = k.threadId();
  lane = thread & 31;
  Val warp = thread >> 5;
  group = warp / tile.members;
  member = warp % tile.members;

  keyEnd = operands.start + operands.tokens;
  auto positionOf = [&](Val row) {
    return operands.start + row / headsOfGroup();
  };
  Vals positions{
      positionOf(operands.firstRow),
      positionOf(operands.firstRow + (tile.rows() - 1)).min(keyEnd - 1)};
  Val groupRow = group * (16 * tile.rowBlocks);
  laneRow = groupRow + (lane >> 2);
  for (int64_t i = 0; i != rowsOfLane(); ++i)
    positions.push_back(positionOf(operands.firstRow + laneRow + 8 * i));
  reaches = reachesOf(positions);
  firstReach = reaches[0];
  lastReach = reaches[1];
  reaches.erase(reaches.begin(), reaches.begin() + 2);

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

SmallVector<AttentionBody::Reach>
AttentionBody::reachesOf(ArrayRef<Val> positions) {
  SmallVector<Reach> result;
  for (Val position : positions)
    result.push_back({position, position});
  if (attention.spans == Attention::Spans::None)
    return result;

  // Begin and end of the span of each position; without one, of itself alone.
  Vals bounds;
  for (Val position : positions)
    bounds.append({position, position + 1});
  bounds = k.loop(
      k.i32(0), operands.spanCount, 1, bounds, [&](Val i, const Vals &known) {
        Vals span = k.load2(k.getI32Type(), k.at(operands.spans, i << 3));
        Vals next;
        for (auto [p, position] : llvm::enumerate(positions)) {
          Val holds = (position >= span[0]) & (position < span[1]);
          for (size_t end : {0, 1})
            next.push_back(k.select(holds, span[end], known[2 * p + end]));
        }
        return next;
      });
  // No further than the keys that are present.
  Val oldest = (keyEnd - operands.capacity).max(k.i32(0));
  for (auto [p, reach] : llvm::enumerate(result)) {
    reach.last = reach.last.max(bounds[2 * p + 1].min(keyEnd) - 1);
    if (attention.spans == Attention::Spans::Free && attention.window != 0)
      reach.anchor =
          reach.anchor.min(bounds[2 * p].max(oldest) + (attention.window - 1));
  }
  return result;
}

KeyTiles AttentionBody::visibleTiles() {
  Val first = k.i32(0);
  if (attention.window != 0)
    first = (firstReach.anchor - (attention.window - 1)).max(first) / tile.keys;
  return {first, lastReach.last / tile.keys + 1};
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
    Val row = operands.firstRow + copyRow + i * rowsOfPass;
    Val token = row / headsOfGroup();
    Val head = operands.kvHead * headsOfGroup() + row % headsOfGroup();
    Val source =
        (k.wide(token) * attention.heads + k.wide(head)) * tile.rowBytes() +
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
  Val keysLeft = keyEnd - position - copyRow;
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
  if (attention.softcap)
    for (Val &sum : sums)
      sum = k.tanh(sum * (attention.scale / *attention.softcap));
  return sums;
}

Vals AttentionBody::masked(const Vals &scores, Val firstKey) {
  Vals results = scores;
  Val hidden = k.f32(kHidden);
  Val laneKey = firstKey + member * tile.memberKeys() + ((lane & 3) << 1);
  for (int64_t row = 0; row != rowsOfLane(); ++row) {
    // Keys from the lane's first one to the row's last, and to its anchor.
    Val last = reaches[row].last - laneKey;
    Val anchor = reaches[row].anchor - laneKey;
    for (int64_t n = 0; n != scoreBlocks(); ++n)
      for (int64_t e = 0; e != 2; ++e) {
        Val &score = results[fragmentIndex(row, n, e, scoreBlocks())];
        Val visible = last >= 8 * n + e;
        if (attention.window != 0)
          visible = visible & (anchor < 8 * n + e + attention.window);
        score = k.select(visible, score, hidden);
      }
  }
  return results;
}

Vals AttentionBody::combineLanes(Vals values, Combine combine) {
  for (Val &value : values)
    for (int64_t mask : {1, 2})
      value = combine(value, k.shuffleXor(value, mask));
  return values;
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

Vals AttentionBody::tileMaxima(const Vals &scores) {
  auto larger = [](Val a, Val b) { return a.max(b); };
  Vals maxima;
  for (int64_t row = 0; row != rowsOfLane(); ++row) {
    Val maximum = scores[fragmentIndex(row, 0, 0, scoreBlocks())];
    for (int64_t i = 1; i != 2 * scoreBlocks(); ++i)
      maximum =
          maximum.max(scores[fragmentIndex(row, i / 2, i % 2, scoreBlocks())]);
    maxima.push_back(maximum);
  }
  return combineMembers(combineLanes(std::move(maxima), larger), larger);
}

Vals AttentionBody::weights(const Vals &scores, State &state) {
  Vals packed;
  packed.resize(scores.size() / 2);
  for (auto [row, maximum] : llvm::enumerate(tileMaxima(scores))) {
    Val last = state.maxima[row];
    state.maxima[row] = last.max(maximum);
    // What there is so far was relative to the last maximum.
    Val rescale = k.exp2((last - state.maxima[row]) * exponentScale);
    Val &sum = state.sums[row];
    sum = sum * rescale;
    for (int64_t n = 0; n != valueBlocks(); ++n)
      for (int64_t e = 0; e != 2; ++e) {
        Val &value = state.values[fragmentIndex(row, n, e, valueBlocks())];
        value = value * rescale;
      }
    Val shift = state.maxima[row] * -exponentScale;
    for (int64_t n = 0; n != scoreBlocks(); ++n) {
      int64_t at = fragmentIndex(row, n, 0, scoreBlocks());
      auto weight = [&](Val score) {
        return k.exp2(k.fma(score, k.f32(exponentScale), shift));
      };
      Val first = weight(scores[at]), second = weight(scores[at + 1]);
      sum = sum + first + second;
      packed[at / 2] = k.packBf16(first, second);
    }
  }
  return packed;
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
  Val isPartial = firstKey + (tile.keys - 1) > firstReach.last;
  if (attention.window != 0)
    isPartial = isPartial | (firstKey <= lastReach.anchor - attention.window);
  tileScores = k.when(isPartial, tileScores,
                      [&] { return masked(tileScores, firstKey); });
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
  int64_t rows = rowsOfLane();
  Val firstKey = tiles.first * tile.keys;
  Val firstRingRow = firstKey % operands.capacity;
  if (Value(operands.query))
    copyQuery();
  copyTile(keySource, firstKey, firstRingRow, tile.keyOffset());
  k.commitCopies();

  Vals carried{firstRingRow};
  carried.append(rows, k.f32(kLowest));
  carried.append(k.zeros(rows + 2 * rows * valueBlocks()));
  Vals last = k.loop(
      tiles.first, tiles.end, 1, carried, [&](Val keyTile, const Vals &values) {
        Val ringRow = values[0], after = ringRow + tile.keys;
        Val nextRingRow =
            k.select(after.equals(operands.capacity), k.i32(0), after);
        ArrayRef<Val> parts = ArrayRef<Val>(values).drop_front();
        State state =
            step(keyTile, ringRow, nextRingRow, tiles.end,
                 {Vals(parts.take_front(rows)), Vals(parts.slice(rows, rows)),
                  Vals(parts.drop_front(2 * rows))});
        Vals next{nextRingRow};
        next.append(state.maxima);
        next.append(state.sums);
        next.append(state.values);
        return next;
      });

  ArrayRef<Val> parts = ArrayRef<Val>(last).drop_front();
  auto add = [](Val a, Val b) { return a + b; };
  Vals sums =
      combineMembers(combineLanes(Vals(parts.slice(rows, rows)), add), add);
  for (int64_t row = 0; row != rows; ++row) {
    AttendedRow attended;
    Val number = operands.firstRow + laneRow + 8 * row;
    attended.token = number / headsOfGroup();
    attended.head = operands.kvHead * headsOfGroup() + number % headsOfGroup();
    attended.maximum = parts[row] * exponentScale;
    attended.sum = sums[row];
    attended.dimension = member * tile.memberDims() + ((lane & 3) << 1);
    for (int64_t n = 0; n != valueBlocks(); ++n) {
      int64_t at = 2 * rows + fragmentIndex(row, n, 0, valueBlocks());
      attended.pairs.emplace_back(parts[at], parts[at + 1]);
    }
    k.when(attended.token < operands.tokens, [&] { store(attended); });
  }
}

Val AttentionBody::isFirstOfRow() {
  return (lane & 3).equals(k.i32(0)) & member.equals(k.i32(0));
}
