// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Vector clocks: what a warp knows of the others, in its CTA and in the grid.

#ifndef FLOW_LIB_EMULATOR_CLOCKS_H
#define FLOW_LIB_EMULATOR_CLOCKS_H

#include <array>
#include <cstdint>
#include <map>

namespace flow::emulator {

constexpr unsigned kWarpSize = 32;
constexpr unsigned kMaxWarps = 32;
/// In the place of a warp: what copies by the asynchronous proxy have brought.
constexpr uint8_t kAsyncProxy = kMaxWarps;

/// A time of each warp of a CTA, and of its copies.
using WarpTimes = std::array<uint32_t, kMaxWarps + 1>;

/// A moment of a warp in the grid. CTAs count from 1.
struct GridTime {
  uint32_t cta = 0, warp = 0, time = 0;

  /// As the tag of a byte: 0 is nobody. Times end at 2^27.
  uint64_t tag() const {
    return uint64_t(cta) << 32 | uint64_t(warp) << 27 | time;
  }
  static GridTime ofTag(uint64_t tag) {
    return {uint32_t(tag >> 32), uint32_t(tag >> 27) & 31,
            uint32_t(tag) & 0x7ffffff};
  }
};

/// Of other CTAs, the last time of each warp that someone told of.
class GridClocks {
public:
  void join(const GridClocks &other);
  void join(uint32_t cta, const WarpTimes &times);
  bool covers(const GridTime &moment) const;
  bool isEmpty() const { return ctas.empty(); }

private:
  std::map<uint32_t, WarpTimes> ctas;
};

/// The last time of each warp, and of copies, that somebody was told of.
struct Knowledge {
  WarpTimes times{};
  /// Up to which time a fence has made writes visible to the asynchronous
  /// proxy.
  WarpTimes fenced{};
  /// Of other CTAs.
  GridClocks grid;

  void join(const Knowledge &other);
};

/// What a warp knows of the others, and where it stands itself: its own time is
/// now.
struct WarpClock : Knowledge {
  uint8_t warp = 0;
  /// Numbers the accesses and synchronisations of the warp's lanes.
  uint32_t serial = 1;
  /// The number of the last synchronisation.
  uint32_t synced = 1;

  /// From here on the lanes see what each of them did before.
  void synchronize() { synced = ++serial; }
  /// What comes next is told of apart from what was.
  void advance() { ++times[warp]; }
  /// fence.proxy.async.
  void fenceProxy() {
    fenced = times;
    advance();
  }
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_CLOCKS_H
