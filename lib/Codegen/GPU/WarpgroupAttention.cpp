// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention of many rows by wgmma: one warp fetches keys and values by tensor
// maps into a ring, warpgroups of 64 rows each walk over them.

#include "AttentionRows.h"
#include "AttentionTile.h"
#include "KernelFunction.h"
#include "OnlineSoftmax.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// Keys of a tile: a multiple of them is the capacity of a cache, so a box of
/// them never goes past its end.
constexpr int64_t kKeys = 64;
constexpr int64_t kStages = 3;
/// A box is a row of the swizzle wide: 64 dimensions.
constexpr int64_t kBoxColumns = 64, kBoxRowBytes = 2 * kBoxColumns;
constexpr int64_t kRowsOfWarpgroup = 64;

/// What a CTA attends for, and where its tiles lie: queries, keys and values
/// are blocks of 64 dimensions one after the other.
struct Tile {
  int64_t headDim, warpgroups;

  int64_t rows() const { return kRowsOfWarpgroup * warpgroups; }
  int64_t blocks() const { return headDim / kBoxColumns; }
  /// Those that attend; a warp that fetches comes behind them.
  int64_t attendingThreads() const { return 128 * warpgroups; }
  int64_t threads() const { return attendingThreads() + 32; }

  int64_t queryBlockBytes() const { return rows() * kBoxRowBytes; }
  int64_t keyBlockBytes() const { return kKeys * kBoxRowBytes; }
  int64_t tileBytes() const { return blocks() * keyBlockBytes(); }
  /// A stage of the ring is what a step multiplies: its keys, and behind them
  /// the values of the step before.
  int64_t ringBegin() const { return blocks() * queryBlockBytes(); }
  /// Behind the ring, an mbarrier for each full and each empty stage.
  int64_t barriersBegin() const {
    return ringBegin() + kStages * 2 * tileBytes();
  }
  int64_t sharedBytes() const { return barriersBegin() + 2 * kStages * 8; }
};

/// Two warpgroups share keys and values. One where a thread would have 128 sums
/// of its 64 rows beside its scores, more than 168 registers; and where there
/// are so few heads that smaller tiles put more SMs to work.
Tile tileFor(const Attention &attention) {
  // Half the SMs of a large device, for a step of 512 tokens.
  constexpr int64_t kTokens = 512, kWantedCtas = 64;
  Tile tile{attention.headDim, 2};
  if (attention.headDim > 128 ||
      attention.heads * kTokens / tile.rows() < kWantedCtas)
    tile.warpgroups = 1;
  return tile;
}

/// Builds the body of one kernel.
class WarpgroupAttentionBody {
public:
  WarpgroupAttentionBody(KernelBuilder &k, const Attention &attention,
                         const Tile &tile, const Vals &parameters);

  void build();

private:
  /// Of step `i`: where its keys are, and the values of the step before; the
  /// barriers of its stage, and the phase in which it falls.
  Val keyTile(Val i) {
    return k.at(shared,
                (i % kStages) * (2 * tile.tileBytes()) + tile.ringBegin());
  }
  Val valueTile(Val i) { return k.at(keyTile(i), tile.tileBytes()); }
  Val full(Val i) { return k.at(barriers, (i % kStages) << 3); }
  Val empty(Val i) {
    return k.at(k.at(barriers, 8 * kStages), (i % kStages) << 3);
  }
  Val parity(Val i) { return (i / kStages) & 1; }

  void initBarriers();
  void fetch();
  void waitForRoom(Val i);
  void fetchTile(Val place, Val map, Val ringRow, Val i);

  /// The softmax so far of the lane's rows, the weighted values without those
  /// of the last tile, and that tile's weights.
  struct State {
    Vals maxima, sums, values, weights;
  };
  void waitForAttending() { k.barrier(k.i32(1), tile.attendingThreads()); }
  void waitFor(Val i) { k.waitForPhase(full(i), parity(i)); }
  void release(Val i) {
    k.when(lane.equals(k.i32(0)), [&] { k.arrive(empty(i)); });
  }
  void copyQuery();
  Vals multiplyKeys(Val i, Vals sums);
  Vals multiplyValues(Val i, const Vals &weights, Vals sums);
  /// Takes the scores of step `i` into the softmax; gives what the values so
  /// far must be multiplied by.
  Vals weigh(Val i, Vals scores, State &state);
  State step(Val i, State state);
  void hideMissingValues();
  void attend();
  void store(const State &state);

  KernelBuilder &k;
  const Attention &attention;
  const Tile &tile;
  Val keys, values, query, result;
  StepOperands operands;
  Val shared, barriers, thread, lane, warp;
  /// The first of the lane's rows.
  Val laneRow;
  AttentionRows rows;
  OnlineSoftmax softmax;
  Val firstTile, steps;
};

} // namespace

/// Behind the query are the spans, if there are any, the result, the step and
/// the capacity.
static StepOperands operandsOf(KernelBuilder &k, const Attention &attention,
                               const Tile &tile, ArrayRef<Val> parameters) {
  Val step = parameters.drop_back().back();
  StepOperands operands;
  operands.start = loadStep(k, step, StepField::Start);
  operands.tokens = loadStep(k, step, StepField::Rows);
  operands.capacity = parameters.back();
  operands.kvHead = k.blockIdY();
  // The last rows first: they see the most keys.
  operands.firstRow = (k.gridDimX() - 1 - k.blockIdX()) * tile.rows();
  if (attention.spans != Attention::Spans::None) {
    operands.spans = parameters[3];
    operands.spanCount = loadStep(k, step, StepField::Spans);
  }
  return operands;
}

WarpgroupAttentionBody::WarpgroupAttentionBody(KernelBuilder &k,
                                               const Attention &attention,
                                               const Tile &tile,
                                               const Vals &parameters)
    : k(k), attention(attention), tile(tile), keys(parameters[0]),
      values(parameters[1]), query(parameters[2]),
      result(ArrayRef<Val>(parameters).drop_back(2).back()),
      operands(operandsOf(k, attention, tile, parameters)),
      shared(k.sharedMemory()), barriers(k.at(shared, tile.barriersBegin())),
      thread(k.threadId()), lane(thread & 31), warp(thread >> 5),
      laneRow(warp * 16 + (lane >> 2)),
      rows(k, attention, operands, tile.rows(), laneRow, 2),
      softmax(k, attention, rows.laneReaches(), kKeys / 8) {}

//===----------------------------------------------------------------------===//
// The warp that fetches
//===----------------------------------------------------------------------===//

void WarpgroupAttentionBody::initBarriers() {
  k.when(thread.equals(k.i32(0)), [&] {
    for (int64_t s = 0; s != kStages; ++s) {
      k.initBarrier(full(k.i32(s)), 1);
      k.initBarrier(empty(k.i32(s)), 4 * tile.warpgroups);
    }
    k.fenceAsyncProxy();
  });
  k.barrier();
}

void WarpgroupAttentionBody::waitForRoom(Val i) {
  // The first time around, the phase before the first counts as over.
  k.waitForPhase(empty(i), parity(i) ^ 1);
}

void WarpgroupAttentionBody::fetchTile(Val place, Val map, Val ringRow, Val i) {
  for (int64_t block = 0; block != tile.blocks(); ++block)
    k.fetchBox(k.at(place, block * tile.keyBlockBytes()), map, ringRow,
               operands.kvHead * tile.headDim + block * kBoxColumns, full(i));
}

/// The first step has no values of a step before; behind the last one there
/// are only those.
void WarpgroupAttentionBody::fetch() {
  Val firstRingRow = (firstTile * kKeys) % operands.capacity;
  k.expectBytes(full(k.i32(0)), tile.tileBytes());
  fetchTile(keyTile(k.i32(0)), keys, firstRingRow, k.i32(0));
  Vals ringRow =
      k.loop(k.i32(1), steps, 1, {firstRingRow}, [&](Val i, const Vals &last) {
        Val after = last[0] + kKeys;
        Val next = k.select(after.equals(operands.capacity), k.i32(0), after);
        waitForRoom(i);
        k.expectBytes(full(i), 2 * tile.tileBytes());
        fetchTile(keyTile(i), keys, next, i);
        fetchTile(valueTile(i), values, last[0], i);
        return Vals{next};
      });
  waitForRoom(steps);
  k.expectBytes(full(steps), tile.tileBytes());
  fetchTile(valueTile(steps), values, ringRow[0], steps);
}

//===----------------------------------------------------------------------===//
// The warpgroups that attend
//===----------------------------------------------------------------------===//

/// Rows of several tokens and heads are in no box, so threads copy them, into
/// the places in which a box would come. Rows that do not exist are zeros.
void WarpgroupAttentionBody::copyQuery() {
  int64_t chunksOfRow = tile.headDim / 8, chunksOfBlock = kBoxRowBytes / 16;
  int64_t rowsOfPass = tile.attendingThreads() / chunksOfRow;
  Val chunk = thread % chunksOfRow, block = chunk / chunksOfBlock;
  for (int64_t i = 0; i != tile.rows() / rowsOfPass; ++i) {
    Val row = thread / chunksOfRow + i * rowsOfPass;
    Val token = rows.token(row);
    Val source = (k.wide(token) * attention.heads + k.wide(rows.head(row))) *
                     (2 * tile.headDim) +
                 k.wide(chunk << 4);
    Val place = block * tile.queryBlockBytes() + row * kBoxRowBytes +
                (swizzle(row, chunk % chunksOfBlock, chunksOfBlock) << 4);
    k.copyAsync16(k.at(shared, place), k.at(query, source),
                  k.select(token < operands.tokens, k.i32(16), k.i32(0)));
  }
  k.commitCopies();
  k.waitForCopies(0);
  k.fenceAsyncProxy();
  waitForAttending();
}

/// Adds the scores of step `i`, whose keys are there, to `sums`, as a group of
/// its own.
Vals WarpgroupAttentionBody::multiplyKeys(Val i, Vals sums) {
  Val ownRows = (warp >> 2) * (kRowsOfWarpgroup * kBoxRowBytes);
  Val a = k.matrixDescriptor(k.at(shared, ownRows));
  Val b = k.matrixDescriptor(keyTile(i));
  // Addresses count in units of 16 bytes; 16 of the depth are 32 bytes.
  for (int64_t block = 0; block != tile.blocks(); ++block)
    for (int64_t kk = 0; kk != kBoxColumns / 16; ++kk)
      sums = k.multiplyMatrices(
          a + (block * tile.queryBlockBytes() / 16 + 2 * kk),
          b + (block * tile.keyBlockBytes() / 16 + 2 * kk), sums);
  k.commitProducts();
  return sums;
}

/// Adds the values of the step before `i` with their weights to `sums`,
/// likewise.
Vals WarpgroupAttentionBody::multiplyValues(Val i, const Vals &weights,
                                            Vals sums) {
  Val b = k.transposedDescriptor(valueTile(i), tile.keyBlockBytes());
  // Two blocks of 8 scores are a fragment of 16 of the depth.
  for (int64_t kk = 0; kk != kKeys / 16; ++kk)
    sums = k.multiplyFragments(ArrayRef<Val>(weights).slice(4 * kk, 4),
                               b + kk * (16 * kBoxRowBytes / 16), sums);
  k.commitProducts();
  return sums;
}

Vals WarpgroupAttentionBody::weigh(Val i, Vals scores, State &state) {
  Val firstKey = (firstTile + i) * kKeys;
  scores = softmax.capped(std::move(scores));
  // Most tiles are seen whole by all rows.
  scores = k.when(rows.hidesSome(firstKey, kKeys), scores, [&] {
    return softmax.masked(scores, firstKey + ((lane & 3) << 1));
  });
  Vals maxima = combineLanes(softmax.maxima(scores),
                             [](Val a, Val b) { return a.max(b); });
  OnlineSoftmax::Weights weights =
      softmax.weigh(scores, maxima, state.maxima, state.sums);
  state.weights = weights.packed;
  return weights.rescales;
}

/// Multiplies the keys of step `i` and the values of the step before, whose
/// product goes on while this step's softmax is computed. Between the fence and
/// the last of them there is no wait for a phase: ptxas would put another fence
/// behind it and make products wait for one another.
WarpgroupAttentionBody::State WarpgroupAttentionBody::step(Val i, State state) {
  waitFor(i);
  Vals fenced = k.zeros(kKeys / 2);
  size_t scoreCount = fenced.size(), valueCount = state.values.size();
  fenced.append(state.values);
  fenced.append(state.weights);
  fenced = k.fenceProducts(fenced);
  ArrayRef<Val> parts(fenced);
  Vals scores = multiplyKeys(i, Vals(parts.take_front(scoreCount)));
  Vals sums = multiplyValues(i, Vals(parts.drop_front(scoreCount + valueCount)),
                             Vals(parts.slice(scoreCount, valueCount)));
  scores = k.waitForProducts(1, scores);
  Vals rescales = weigh(i, scores, state);
  state.values = k.waitForProducts(0, sums);
  release(i);
  rescaleRows(state.values, rescales, tile.headDim / 8);
  return state;
}

/// Values behind the last key are whatever memory held, and a NaN stays one
/// however small its weight: zeros take their place.
void WarpgroupAttentionBody::hideMissingValues() {
  constexpr int64_t kChunks = kBoxRowBytes / 16;
  Val keysLeft = rows.keyEnd() - (firstTile + steps - 1) * kKeys;
  k.when(keysLeft < kKeys, [&] {
    int64_t rowsOfPass = tile.attendingThreads() / kChunks;
    for (int64_t pass = 0; pass != kKeys / rowsOfPass; ++pass) {
      Val row = thread / kChunks + pass * rowsOfPass;
      Val place = row * kBoxRowBytes + ((thread % kChunks) << 4);
      k.when(row >= keysLeft, [&] {
        for (int64_t block = 0; block != tile.blocks(); ++block)
          k.store4(k.zeros(4), k.at(k.at(valueTile(steps), place),
                                    block * tile.keyBlockBytes()));
      });
    }
    k.fenceAsyncProxy();
    waitForAttending();
  });
}

void WarpgroupAttentionBody::attend() {
  copyQuery();
  State state;
  state.maxima = softmax.lowest();
  state.sums = k.zeros(2);
  waitFor(k.i32(0));
  Vals scores = multiplyKeys(k.i32(0), k.fenceProducts(k.zeros(kKeys / 2)));
  scores = k.waitForProducts(0, scores);
  release(k.i32(0));
  // There are no values yet that would have to be multiplied.
  weigh(k.i32(0), scores, state);

  Vals carried = state.maxima;
  carried.append(state.sums);
  carried.append(k.zeros(tile.headDim / 2));
  carried.append(state.weights);
  auto stateOf = [&](ArrayRef<Val> all) {
    return State{Vals(all.take_front(2)), Vals(all.slice(2, 2)),
                 Vals(all.slice(4, tile.headDim / 2)),
                 Vals(all.drop_front(4 + tile.headDim / 2))};
  };
  carried = k.loop(k.i32(1), steps, 1, carried, [&](Val i, const Vals &all) {
    State next = step(i, stateOf(all));
    Vals joined = next.maxima;
    joined.append(next.sums);
    joined.append(next.values);
    joined.append(next.weights);
    return joined;
  });
  state = stateOf(carried);

  waitFor(steps);
  hideMissingValues();
  Vals fenced = state.values;
  fenced.append(state.weights);
  fenced = k.fenceProducts(fenced);
  ArrayRef<Val> parts(fenced);
  state.values = k.waitForProducts(
      0, multiplyValues(steps, Vals(parts.drop_front(state.values.size())),
                        Vals(parts.take_front(state.values.size()))));
  store(state);
}

void WarpgroupAttentionBody::store(const State &state) {
  Vals sums = combineLanes(state.sums, [](Val a, Val b) { return a + b; });
  for (int64_t half = 0; half != 2; ++half) {
    Val row = laneRow + 8 * half, token = rows.token(row);
    k.when(token < operands.tokens, [&] {
      Val scale = k.reciprocal(sums[half]);
      Val at = (k.wide(token) * attention.heads + k.wide(rows.head(row))) *
                   (2 * tile.headDim) +
               k.wide((lane & 3) << 2);
      Val target = k.at(result, at);
      // Of the row, pairs of neighbouring dimensions, 8 apart.
      for (int64_t n = 0; n != tile.headDim / 8; ++n) {
        int64_t first = fragmentIndex(half, n, 0, tile.headDim / 8);
        k.store(k.packBf16(state.values[first] * scale,
                           state.values[first + 1] * scale),
                k.at(target, 16 * n), 4);
      }
    });
  }
}

void WarpgroupAttentionBody::build() {
  // A grid may be made for more rows than the step has.
  k.when(rows.token(k.i32(0)) < operands.tokens, [&] {
    KeyTiles tiles = rows.visibleTiles(kKeys);
    firstTile = tiles.first;
    steps = tiles.end - tiles.first;
    initBarriers();
    int64_t attendingWarps = tile.attendingThreads() / 32;
    k.when(warp.equals(k.i32(attendingWarps)) & lane.equals(k.i32(0)),
           [&] { fetch(); });
    k.when(warp < attendingWarps, [&] { attend(); });
  });
}

KernelLaunch flow::cuda::buildWarpgroupAttention(OpBuilder &builder,
                                                 const KernelTarget &target,
                                                 const Attention &attention) {
  Tile tile = tileFor(attention);
  KernelLaunch launch;
  launch.kernel = "warpgroup_" + nameOf(attention);
  launch.threads = tile.threads();
  launch.sharedBytes = tile.sharedBytes();
  launch.grid = {GridSize{attention.heads / attention.kvHeads, tile.rows()},
                 GridSize{attention.kvHeads}, GridSize{1}};
  launch.boxes = {{kKeys, kBoxColumns}, {kKeys, kBoxColumns}};
  SmallVector<Access> accesses{Access::TensorMap, Access::TensorMap,
                               Access::ReadOnly};
  if (attention.spans != Attention::Spans::None)
    accesses.push_back(Access::ReadOnly);
  accesses.append({Access::ReadWrite, Access::ReadOnly, Access::Scalar});
  addKernel(builder, target, launch, accesses,
            [&](KernelBuilder &k, const Vals &parameters) {
              WarpgroupAttentionBody(k, attention, tile, parameters).build();
            });
  return launch;
}
