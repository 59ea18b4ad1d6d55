// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The tiles of attention, one table for each form.

#include "AttentionTile.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/FormatVariadic.h"

using namespace flow::cuda;

/// Of a head dimension, the best first. Two row blocks halve what is loaded
/// from shared memory for a product, the limit of these kernels; more of them,
/// or more than 256 threads, spill. The comments say how many KB a CTA takes.
static constexpr AttentionTile kRowsTiles[] = {
    {64, 4, 1, 1, 64, 3},  // 24
    {128, 4, 1, 1, 64, 2}, // 48
    {256, 4, 2, 2, 64, 1}, // 145
    {256, 2, 2, 2, 32, 1}, // 69
    {512, 2, 2, 4, 64, 1}, // 201
    {512, 4, 1, 2, 32, 1}, // 133
    {512, 2, 1, 2, 32, 1}, // 98
};

/// 16 rows are enough for the heads of a row, and four warps for the copies
/// that are under way; what there is of shared memory holds more such CTAs.
static constexpr AttentionTile kSplitTiles[] = {
    {64, 1, 1, 4, 64, 3},
    {128, 1, 1, 4, 64, 3},
    {256, 1, 1, 4, 64, 3},
    {512, 1, 1, 4, 32, 2},
};

AttentionTile flow::cuda::rowsTile(const Attention &attention,
                                   int64_t sharedMemoryLimit) {
  // Half the SMs of a large device, for a step of 512 tokens: below that a
  // smaller tile gains more by the SMs that it puts to work than it loses.
  constexpr int64_t kTokens = 512, kWantedCtas = 64;
  const AttentionTile *best = nullptr;
  for (const AttentionTile &tile : kRowsTiles) {
    if (tile.headDim != attention.headDim ||
        tile.sharedBytes() > sharedMemoryLimit)
      continue;
    if (!best || (attention.heads * kTokens / best->rows() < kWantedCtas &&
                  tile.rows() < best->rows()))
      best = &tile;
  }
  assert(best && "no tile for this head dimension");
  return *best;
}

AttentionTile flow::cuda::splitTile(int64_t headDim) {
  const auto *tile = llvm::find_if(kSplitTiles, [&](const AttentionTile &tile) {
    return tile.headDim == headDim;
  });
  assert(tile != std::end(kSplitTiles) && "no tile for this head dimension");
  return *tile;
}

int64_t flow::cuda::blocksOfSm(const Attention &attention,
                               const AttentionTile &tile,
                               int64_t sharedMemoryLimit) {
  // A CTA takes a kilobyte more than it asks for, and one may have the whole
  // shared memory of its SM.
  constexpr int64_t kReserved = 1024;
  int64_t blocks =
      std::min(tile.registerBlocks, (sharedMemoryLimit + kReserved) /
                                        (tile.sharedBytes() + kReserved));
  // A softcap needs registers of its own.
  return attention.softcap ? std::max<int64_t>(blocks - 1, 1) : blocks;
}

std::string flow::cuda::nameOf(const Attention &attention) {
  // Numbers by their bits: no two have the same name.
  auto bits = [](double number) {
    return llvm::utohexstr(llvm::bit_cast<uint64_t>(number),
                           /*LowerCase=*/true);
  };
  std::string name = llvm::formatv("attention_h{0}_kv{1}_d{2}", attention.heads,
                                   attention.kvHeads, attention.headDim);
  if (attention.window != 0)
    name += "_w" + std::to_string(attention.window);
  if (attention.spans != Attention::Spans::None)
    name += attention.spans == Attention::Spans::Free ? "_free" : "_spans";
  name += "_scale" + bits(attention.scale);
  if (attention.softcap)
    name += "_cap" + bits(*attention.softcap);
  return name;
}
