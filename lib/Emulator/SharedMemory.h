// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The shared memory of a CTA, and who touched which byte of it when.

#ifndef FLOW_LIB_EMULATOR_SHAREDMEMORY_H
#define FLOW_LIB_EMULATOR_SHAREDMEMORY_H

#include "Clocks.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace flow::emulator {

/// Watches shared memory for accesses that nothing orders.
///
/// Every piece of memory has a tag: its last writer with the writer's time, and
/// the last time of each warp that read it since. An access is a race if its
/// warp has not been told of that time by a barrier, whether or not this run
/// happened to come out right. A piece is a line of 16 bytes until something
/// smaller touches it; then each of its words has a tag, and in the end each
/// byte, so that neighbours are never taken for one another.
class SharedMemory {
public:
  /// A lane that stands for all lanes of its warp.
  static constexpr uint8_t kWholeWarp = 0xfe;

  enum class Kind {
    Read,
    Write,
    /// cp.async, and copies by the asynchronous proxy.
    AsyncWrite,
    BulkWrite,
    Atomic,
    StrongRead,
    StrongWrite
  };

  /// Starts anew with `bytes` bytes, NaN whatever their type, for `warps`
  /// warps. Without `checks` there are no tags.
  void reset(uint32_t bytes, unsigned warps, bool checks);

  uint8_t *data() { return bytes.data(); }
  uint32_t size() const { return used; }

  /// Records an access by `lane`; returns false, and says why in `problem`, if
  /// it breaks a rule.
  bool access(const WarpClock &clock, uint8_t lane, Kind kind, uint32_t begin,
              uint32_t count);

  /// The same for a row that the whole warp reads: 16 aligned bytes.
  bool readLine(const WarpClock &clock, uint32_t begin) {
    Tag &tag = lines[begin / kLine];
    bool isPlain =
        tag.pieceBytes == kLine && !tag.inFlight &&
        (tag.writer == clock.warp ||
         (tag.writer != kNobody && tag.writeTime <= clock.times[tag.writer]));
    if (!isPlain)
      return access(clock, kWholeWarp, Kind::Read, begin, kLine);
    tag.readers |= 1u << clock.warp;
    lineTimes[begin / kLine * warps + clock.warp] = clock.times[clock.warp];
    return true;
  }

  /// An operand of wgmma: 16 aligned bytes that the asynchronous proxy reads
  /// until `finishRead`.
  bool startRead(const WarpClock &clock, uint32_t begin);
  void finishRead(const WarpClock &clock, uint32_t begin);
  /// What a copy of the asynchronous proxy has brought, at `time` of its own,
  /// becomes visible to those who are told of it.
  void landBulk(uint32_t time, uint32_t begin, uint32_t count);

  /// What cp.async has brought for `lane` becomes visible to that lane.
  void land(const WarpClock &clock, uint8_t lane, uint32_t begin,
            uint32_t count);

  /// The rule that the last failing access broke.
  const std::string &problem() const { return reason; }

private:
  static constexpr uint8_t kNobody = 0xff;
  static constexpr uint8_t kSeveral = 0xfd;
  static constexpr uint32_t kLine = 16;

  struct Tag {
    uint32_t writeTime = 0, writeSerial = 0, readSerial = 0;
    /// The warps that have read since the last write.
    uint32_t readers = 0;
    /// Of a line that is split, where its pieces begin in `pieces`.
    uint32_t split = 0;
    uint8_t writer = kNobody, writerLane = kNobody;
    uint8_t reader = kNobody, readerLane = kNobody;
    bool inFlight = false, isStrong = false;
    /// How many products read it that nobody has waited for.
    uint16_t openReads = 0;
    /// Of a line, how long its pieces are.
    uint8_t pieceBytes = kLine;
  };

  bool touch(Tag &tag, uint32_t *readTimes, const WarpClock &clock,
             uint8_t lane, Kind kind, uint32_t begin);
  bool read(Tag &tag, uint32_t *readTimes, const WarpClock &clock, uint8_t lane,
            Kind kind, uint32_t begin);
  bool write(Tag &tag, const uint32_t *readTimes, const WarpClock &clock,
             uint8_t lane, Kind kind, uint32_t begin);
  /// A run of pieces of one line.
  struct Pieces {
    Tag *tags;
    uint32_t *times;
  };
  void splitLine(uint32_t line, uint32_t pieceBytes);
  Pieces piecesOf(uint32_t line);
  /// Who took part in a race; a lane that is none stands for the warp.
  struct Party {
    unsigned warp, lane;
  };
  static Party writerOf(const Tag &tag) { return {tag.writer, tag.writerLane}; }
  bool fail(const char *what, const WarpClock &clock, uint8_t lane,
            std::optional<Party> other, uint32_t begin,
            bool isUnfinished = false);

  std::vector<uint8_t> bytes;
  uint32_t used = 0;
  unsigned warps = 0;
  std::vector<Tag> lines, pieces;
  /// Places in `pieces` that no line uses any more.
  std::vector<uint32_t> freeSplits;
  /// The last time at which a warp read a line, or a piece of a split line:
  /// `warps` numbers each.
  std::vector<uint32_t> lineTimes, pieceTimes;
  std::string reason;
};

} // namespace flow::emulator

#endif // FLOW_LIB_EMULATOR_SHAREDMEMORY_H
