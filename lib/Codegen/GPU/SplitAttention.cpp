// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Attention of one row: CTAs that share its keys leave partial results, which
// the last one merges. They may make the row's heads, too.

#include "AttentionBody.h"
#include "HeadVector.h"
#include "KernelFunction.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace flow::cuda;

namespace {

/// Parts of the row's keys, and where the workspace keeps their results.
///
/// First come the weighted values of each part, f32 [parts, H, D], not divided
/// by anything; then [H, parts] pairs of the largest exponent and of the sum of
/// weights. A short row has no keys for the last parts, which do nothing.
struct SplitShape {
  int64_t parts, heads, headDim;

  int64_t valueBytes(int64_t rows) const { return rows * headDim * 4; }
  int64_t weightsOffset() const { return valueBytes(parts * heads); }
  int64_t floats() const { return parts * heads * (headDim + 2); }
};

/// The parameters of a kernel. Without a query it makes the heads.
struct SplitOperands {
  Val query;
  HeadOperands heads;
  Val keys, values, workspace, result, step, capacity;
};

/// Builds the body of one kernel.
class SplitBody {
public:
  SplitBody(KernelBuilder &k, const Attention &attention,
            const AttentionTile &tile, const SplitShape &shape,
            const SplitOperands &operands);

  /// `heads` are those that the kernel makes; `arrivals` is a counter for each
  /// group of CTAs.
  void build(const HeadRows *heads, Val arrivals);

private:
  int64_t headsOfGroup() const { return attention.heads / attention.kvHeads; }
  Val headOf(Val row) { return kvHead * headsOfGroup() + row; }
  AttentionOperands attentionOperands();

  void makeHeads(const HeadRows &heads);
  /// Writes the row's key and value into the caches.
  void makeKey(HeadMaker &maker);
  void storePart(const AttendedRow &row);
  /// Whether this CTA is the last of its group.
  Val arrivesLast(Val counter);
  /// Puts the parts of one head together.
  void merge(Val head);

  KernelBuilder &k;
  const Attention &attention;
  const AttentionTile &tile;
  const SplitShape &shape;
  const SplitOperands &operands;
  Val thread, kvHead, firstRow, part, position;
  AttentionOperands attended;
  AttentionBody body;
  KeyTiles tiles;
  /// Parts that have keys.
  Val used;
};

} // namespace

/// As many parts as give each SM of a large device two CTAs, whose copies keep
/// the memory busy; but not more than there can be tiles of visible keys, and
/// not more than 64, since the merge reads as much of each as of some keys.
static int64_t partsOf(const Attention &attention, const AttentionTile &tile,
                       int64_t rowTiles) {
  constexpr int64_t kWantedCtas = 256, kMost = 64;
  int64_t ctas = attention.kvHeads * rowTiles;
  int64_t parts = std::min(kMost, (kWantedCtas + ctas - 1) / ctas);
  if (attention.window == 0)
    return parts;
  // Keys that follow each other begin anywhere in a tile.
  int64_t tiles = (attention.window + tile.keys - 2) / tile.keys + 1;
  return std::min(parts, tiles);
}

SplitBody::SplitBody(KernelBuilder &k, const Attention &attention,
                     const AttentionTile &tile, const SplitShape &shape,
                     const SplitOperands &operands)
    : k(k), attention(attention), tile(tile), shape(shape), operands(operands),
      thread(k.threadId()), kvHead(k.blockIdY()),
      firstRow(k.blockIdZ() * tile.rows()), part(k.blockIdX()),
      position(loadStep(k, operands.step, StepField::Start) +
               loadStep(k, operands.step, StepField::Rows) - 1),
      attended(attentionOperands()), body(k, attention, tile, attended) {
  KeyTiles all = body.visibleTiles();
  Val count = all.end - all.first;
  Val share = (count + (shape.parts - 1)) / shape.parts;
  used = (count + share - 1) / share;
  Val first = all.first + part * share;
  tiles = {first, all.end.min(first + share)};
}

AttentionOperands SplitBody::attentionOperands() {
  AttentionOperands result;
  result.query = operands.query;
  result.keys = operands.keys;
  result.values = operands.values;
  result.capacity = operands.capacity;
  result.start = position;
  result.tokens = k.i32(1);
  result.kvHead = kvHead;
  result.firstRow = firstRow;
  return result;
}

void SplitBody::makeHeads(const HeadRows &heads) {
  HeadMaker maker(k, heads, operands.heads);
  Val warp = thread >> 5;
  k.loop(warp, k.i32(tile.rows()), tile.threads() / 32, {},
         [&](Val row, const Vals &) {
           auto make = [&] { return maker.query(headOf(row)); };
           Vals query = headsOfGroup() == tile.rows()
                            ? make()
                            : k.when(row < headsOfGroup(),
                                     k.zeros(maker.numbersOfLane()), make);
           maker.store(query, [&](Val i) { return body.queryPlace(row, i); });
           return Vals();
         });
  if (heads.kvHeads != 0)
    makeKey(maker);
  k.barrier();
}

void SplitBody::makeKey(HeadMaker &maker) {
  Val warp = thread >> 5;
  // The row sees its own key, which is the last one.
  auto cached = [&](Val cache) {
    return k.at(
        cache,
        k.wide((position % operands.capacity) * attention.kvHeads + kvHead) *
            (2 * attention.headDim));
  };
  Val isOwner = part.equals(used - 1);
  k.when(isOwner & warp.equals(k.i32(0)),
         [&] { maker.store(maker.key(kvHead), cached(operands.keys)); });
  k.when(isOwner & warp.equals(k.i32(1)),
         [&] { maker.store(maker.value(kvHead), cached(operands.values)); });
}

void SplitBody::storePart(const AttendedRow &row) {
  Val target = k.at(operands.workspace, k.wide(part * shape.heads + row.head) *
                                                shape.valueBytes(1) +
                                            k.wide(row.dimension << 2));
  for (auto [i, pair] : llvm::enumerate(row.pairs))
    k.store2(pair.first, pair.second,
             k.at(target, 32 * static_cast<int64_t>(i)));
  k.when(body.isFirstOfRow(), [&] {
    k.store2(
        row.maximum, row.sum,
        k.at(operands.workspace, k.wide(row.head * shape.parts + part) * 8 +
                                     shape.weightsOffset()));
  });
}

Val SplitBody::arrivesLast(Val counter) {
  Val flag = k.sharedMemory();
  k.barrier();
  k.when(thread.equals(k.i32(0)), [&] {
    Val isLast = k.atomicAdd(counter, k.i32(1)).equals(used - 1);
    k.store(k.select(isLast, k.i32(1), k.i32(0)), flag, 4);
    // For the next launch.
    k.when(isLast, [&] { k.store(k.i32(0), counter, 4); });
  });
  k.barrier();
  return k.loadI32(flag).equals(k.i32(1));
}

void SplitBody::merge(Val head) {
  Val lane = thread & 31;
  Val pairs = k.at(operands.workspace,
                   k.wide(head) * (8 * shape.parts) + shape.weightsOffset());

  // Every warp for itself: the largest exponent, and the sum of all weights.
  Vals exponents, sums;
  for (int64_t i = 0; i < shape.parts; i += 32) {
    Val other = lane + i;
    Val exists = other < used;
    // That of part 0 stands in for those that are not there.
    Val pair = k.at(pairs, k.wide(k.select(exists, other, k.i32(0))) * 8);
    exponents.push_back(k.loadF32(pair));
    sums.push_back(k.select(exists, k.loadF32(k.at(pair, 4)), k.f32(0)));
  }
  Val largest = exponents.front();
  for (Val exponent : ArrayRef<Val>(exponents).drop_front())
    largest = largest.max(exponent);
  largest = k.warpMax(largest);
  Val total = k.f32(0);
  for (auto [exponent, sum] : llvm::zip(exponents, sums))
    total = k.fma(sum, k.exp2(exponent - largest), total);
  total = k.warpSum(total);

  // A thread has four dimensions, of every so many parts.
  int64_t columns = shape.headDim / 4, groups = tile.threads() / columns;
  Val column = thread % columns, group = thread / columns;
  // Loads that are under way together.
  constexpr int64_t kTogether = 8;
  Val source = k.at(operands.workspace,
                    k.wide(head) * shape.valueBytes(1) + k.wide(column << 4));
  Vals values = k.loop(
      group, used, kTogether * groups, k.zeros(4), [&](Val first, Vals values) {
        for (int64_t i = 0; i != kTogether; ++i) {
          Val other = first + i * groups;
          Val exists = other < used;
          other = k.wide(k.select(exists, other, k.i32(0)));
          Val weight = k.exp2(k.loadF32(k.at(pairs, other * 8)) - largest);
          weight = k.select(exists, weight, k.f32(0));
          Vals loaded =
              k.load4(k.getF32Type(),
                      k.at(source, other * shape.valueBytes(shape.heads)));
          for (auto [value, next] : llvm::zip(values, loaded))
            value = k.fma(next, weight, value);
        }
        return values;
      });

  auto finish = [&] {
    Val scale = k.reciprocal(total);
    k.store2(k.packBf16(values[0] * scale, values[1] * scale),
             k.packBf16(values[2] * scale, values[3] * scale),
             k.at(operands.result,
                  k.wide(head) * (2 * shape.headDim) + k.wide(column << 3)));
  };
  if (groups == 1)
    return finish();
  Val slot = k.at(k.sharedMemory(), thread << 4);
  // Nobody needs the flag, or the sums of another head, any more.
  k.barrier();
  k.store4(values, slot);
  k.barrier();
  k.when(thread < columns, [&] {
    for (int64_t g = 1; g != groups; ++g)
      for (auto [value, other] : llvm::zip(
               values, k.load4(k.getF32Type(), k.at(slot, g * columns * 16))))
        value = value + other;
    finish();
  });
}

void SplitBody::build(const HeadRows *heads, Val arrivals) {
  k.when(part < used, [&] {
    if (heads)
      makeHeads(*heads);
    body.attend(tiles, [&](const AttendedRow &row) { storePart(row); });
    Val group = kvHead + k.blockIdZ() * attention.kvHeads;
    k.when(arrivesLast(k.at(arrivals, k.wide(group << 2))), [&] {
      Val end = (firstRow + tile.rows()).min(k.i32(headsOfGroup()));
      k.loop(firstRow, end, 1, {}, [&](Val row, const Vals &) {
        merge(headOf(row));
        return Vals();
      });
    });
  });
}

/// Builds a kernel of split attention; with `heads`, one that makes them.
static SplitAttention buildSplit(OpBuilder &builder, const KernelTarget &target,
                                 const Attention &attention,
                                 const HeadRows *heads) {
  AttentionTile tile = splitTile(attention.headDim);
  int64_t headsOfGroup = attention.heads / attention.kvHeads;
  int64_t rowTiles = (headsOfGroup + tile.rows() - 1) / tile.rows();
  assert((!heads || rowTiles == 1) && "one CTA of a part makes its heads");
  assert(attention.spans == Attention::Spans::None && "one row sees no span");
  SplitShape shape = {partsOf(attention, tile, rowTiles), attention.heads,
                      attention.headDim};
  SplitAttention split;
  split.workspaceFloats = shape.floats();
  KernelLaunch &launch = split.launch;
  launch.kernel = "split_" + nameOf(attention);
  if (heads)
    launch.kernel += "_" + nameOf(*heads);
  launch.threads = tile.threads();
  launch.sharedBytes = tile.sharedBytes();
  launch.blocksOfSm = blocksOfSm(attention, tile, target.sharedMemoryLimit);
  launch.grid = {GridSize{shape.parts}, GridSize{attention.kvHeads},
                 GridSize{rowTiles}};
  bool makesKey = heads && heads->kvHeads != 0;
  SmallVector<Access> access{Access::ReadOnly};
  if (heads)
    access.append(1 + (heads->hasNorms ? 1 + makesKey : 0), Access::ReadOnly);
  Access cache = makesKey ? Access::ReadWrite : Access::ReadOnly;
  access.append({cache, cache, Access::ReadWrite, Access::ReadWrite,
                 Access::ReadOnly, Access::Scalar});
  addKernel(
      builder, target, launch, access,
      [&](KernelBuilder &k, const Vals &parameters) {
        SplitOperands operands;
        const Val *next = parameters.begin();
        if (heads)
          operands.heads = headOperands(*heads, next);
        else
          operands.query = *next++;
        for (Val *member :
             {&operands.keys, &operands.values, &operands.workspace,
              &operands.result, &operands.step, &operands.capacity})
          *member = *next++;
        Val arrivals = addCounters(k, target, launch.kernel + "_arrivals",
                                   attention.kvHeads * rowTiles);
        SplitBody(k, attention, tile, shape, operands).build(heads, arrivals);
      });
  return split;
}

SplitAttention flow::cuda::buildSplitAttention(OpBuilder &builder,
                                               const KernelTarget &target,
                                               const Attention &attention) {
  return buildSplit(builder, target, attention, nullptr);
}

SplitAttention flow::cuda::buildDecodeAttention(OpBuilder &builder,
                                                const KernelTarget &target,
                                                const Attention &attention,
                                                const HeadRows &heads) {
  return buildSplit(builder, target, attention, &heads);
}
