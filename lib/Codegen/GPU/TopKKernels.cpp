// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The largest logits of a row: blocks sort pieces of it in shared memory.
//
// What is sorted are keys of 64 bits, which compare as `flow.top_k` ranks: the
// logit's bits as an integer of the same order, then the columns backwards. All
// keys differ, so there is one result, however the row was cut.

#include "KernelFunction.h"
#include "flow/Codegen/GPU/SelectionKernels.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace flow::cuda;

namespace {

/// Keys of a block; 32 KiB of shared memory, which every target has without
/// asking for it.
constexpr int64_t kPiece = 2 * kMostChosen;
constexpr int64_t kKeyBytes = 8;

/// The upper half of the key of nothing, which no number has, and what the
/// lower half and a column add up to.
constexpr int64_t kNothing = std::numeric_limits<int32_t>::min();
constexpr int64_t kLastColumn = std::numeric_limits<int32_t>::max();

/// What a logit must be above, and its bits but for the sign.
constexpr float kLowest = -std::numeric_limits<float>::infinity();
constexpr int64_t kBitsOfSize = 0x7fffffff;

/// One launch: from `items` logits or keys to the `count` largest of each
/// piece.
struct Round {
  int64_t items, count;
  bool isFirst, isLast;

  int64_t pieces() const { return (items + kPiece - 1) / kPiece; }
  /// Keys that a block sorts: a power of two, and one for each of two threads.
  int64_t sorted() const {
    return std::min(kPiece,
                    static_cast<int64_t>(llvm::PowerOf2Ceil(
                        static_cast<uint64_t>(std::max<int64_t>(items, 64)))));
  }
  int64_t threads() const { return std::min<int64_t>(512, sorted() / 2); }
};

class RoundBody {
public:
  RoundBody(KernelBuilder &k, const Round &round)
      : k(k), round(round), shared(k.sharedMemory()), thread(k.threadId()),
        first(k.blockIdX() * kPiece) {}

  /// Keys of the block's logits, or keys that were left before.
  void takeLogits(Val logits);
  void takeKeys(Val keys);
  /// The largest first.
  void sort();
  /// The `count` largest, to where those of all blocks are.
  void leaveKeys(Val workspace);
  void storeResult(Val logits, Val values, Val tokens);

private:
  Val place(Val key) { return k.at(shared, key << 3); }
  void compareAndSwap(Val pair, Val size, Val stride);

  KernelBuilder &k;
  const Round &round;
  Val shared, thread, first;
};

} // namespace

void RoundBody::takeLogits(Val logits) {
  k.loop(thread, k.i32(round.sorted()), round.threads(), {},
         [&](Val i, const Vals &) {
           Val column = first + i;
           auto load = [&] {
             Val logit = k.loadF32(k.at(logits, k.wide(column) * 4));
             // Both zeros are equal; a NaN is above nothing.
             Val isZero = logit.equals(logit.like(0));
             Val bits = k.bitcast(k.getI32Type(), logit);
             Val order = k.select(bits < 0, bits ^ kBitsOfSize, bits);
             order = k.select(isZero, k.i32(0), order);
             Val isAbove = logit > kLowest;
             return Vals{k.select(isAbove, order, k.i32(kNothing))};
           };
           Vals order = k.when(column < round.items, {k.i32(kNothing)}, load);
           k.store2(k.i32(kLastColumn) - column, order[0], place(i));
           return Vals();
         });
}

void RoundBody::takeKeys(Val keys) {
  k.loop(thread, k.i32(round.sorted()), round.threads(), {},
         [&](Val i, const Vals &) {
           Val item = first + i;
           Vals key =
               k.when(item < round.items, {k.i32(0), k.i32(kNothing)}, [&] {
                 return k.load2(k.getI32Type(), k.at(keys, k.wide(item) << 3));
               });
           k.store2(key[0], key[1], place(i));
           return Vals();
         });
}

void RoundBody::compareAndSwap(Val pair, Val size, Val stride) {
  Val low = pair + pair - (pair & (stride - 1));
  Val lowPlace = place(low), highPlace = place(low + stride);
  Val a = k.load(k.getI64Type(), lowPlace, kKeyBytes);
  Val b = k.load(k.getI64Type(), highPlace, kKeyBytes);
  Val larger = a.max(b), smaller = a.min(b);
  // Runs fall and rise in turn, so that two make one to be merged.
  Val falls = (low & size).equals(k.i32(0));
  k.store(k.select(falls, larger, smaller), lowPlace, kKeyBytes);
  k.store(k.select(falls, smaller, larger), highPlace, kKeyBytes);
}

void RoundBody::sort() {
  k.barrier();
  Val end = k.i32(llvm::Log2_64(static_cast<uint64_t>(round.sorted())) + 1);
  k.loop(k.i32(1), end, 1, {}, [&](Val run, const Vals &) {
    Val size = k.i32(1) << run;
    k.loop(k.i32(1), run + 1, 1, {}, [&](Val step, const Vals &) {
      Val stride = size >> step;
      for (int64_t i = 0; i != round.sorted() / 2; i += round.threads())
        compareAndSwap(thread + i, size, stride);
      k.barrier();
      return Vals();
    });
    return Vals();
  });
}

void RoundBody::leaveKeys(Val workspace) {
  k.loop(thread, k.i32(round.count), round.threads(), {},
         [&](Val i, const Vals &) {
           Vals key = k.load2(k.getI32Type(), place(i));
           Val item = k.blockIdX() * round.count + i;
           k.store2(key[0], key[1], k.at(workspace, k.wide(item) << 3));
           return Vals();
         });
}

void RoundBody::storeResult(Val logits, Val values, Val tokens) {
  k.loop(thread, k.i32(round.count), round.threads(), {},
         [&](Val i, const Vals &) {
           Vals key = k.load2(k.getI32Type(), place(i));
           Val isNothing = key[1].equals(k.i32(kNothing));
           Val column = k.i32(kLastColumn) - key[0];
           // That of column 0 stands in for the value of nothing.
           Val source = k.wide(k.select(isNothing, k.i32(0), column)) * 4;
           Val value = k.loadF32(k.at(logits, source));
           value = k.select(isNothing, k.f32(kLowest), value);
           k.store(value, k.at(values, k.wide(i) << 2), 4);
           k.store(k.select(isNothing, k.i32(-1), column),
                   k.at(tokens, k.wide(i) << 2), 4);
           return Vals();
         });
}

static KernelLaunch buildRound(OpBuilder &builder, const KernelTarget &target,
                               const Round &round) {
  KernelLaunch launch;
  launch.kernel =
      llvm::formatv("top_{0}_of_{1}{2}{3}", round.count, round.items,
                    round.isFirst ? "" : "_keys", round.isLast ? "" : "_parts");
  launch.threads = round.threads();
  launch.sharedBytes = round.sorted() * kKeyBytes;
  launch.grid = {GridSize{round.pieces()}, GridSize{1}, GridSize{1}};
  SmallVector<Access> accesses{Access::ReadOnly};
  if (!round.isFirst)
    accesses.push_back(Access::ReadOnly);
  accesses.append(round.isLast ? 2 : 1, Access::ReadWrite);
  addKernel(builder, target, launch, accesses,
            [&](KernelBuilder &k, const Vals &parameters) {
              RoundBody body(k, round);
              const Val *next = parameters.begin();
              if (!round.isFirst)
                body.takeKeys(*next++);
              Val logits = *next++;
              if (round.isFirst)
                body.takeLogits(logits);
              body.sort();
              if (round.isLast)
                body.storeResult(logits, next[0], next[1]);
              else
                body.leaveKeys(next[0]);
            });
  return launch;
}

TopKLaunches flow::cuda::buildTopK(OpBuilder &builder,
                                   const KernelTarget &target,
                                   const TopK &choice) {
  assert(choice.count <= std::min(choice.columns, kMostChosen) &&
         "a block sorts more than it leaves");
  TopKLaunches result;
  Round round{choice.columns, choice.count, /*isFirst=*/true, false};
  do {
    round.isLast = round.pieces() == 1;
    int64_t left = round.isLast ? 0 : round.pieces() * round.count;
    result.steps.push_back({buildRound(builder, target, round), 2 * left});
    round.items = left;
    round.isFirst = false;
  } while (!round.isLast);
  return result;
}
