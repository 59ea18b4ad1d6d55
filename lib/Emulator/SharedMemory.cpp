// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Race detection on shared memory with vector clocks.

#include "SharedMemory.h"

#include "llvm/ADT/Twine.h"
#include "llvm/ADT/bit.h"

#include <algorithm>

using namespace flow::emulator;

void SharedMemory::reset(uint32_t size, unsigned warpCount, bool checks) {
  used = size;
  warps = warpCount;
  // A line may be read as a whole.
  size_t lineCount = (size + kLine - 1) / kLine;
  bytes.assign(lineCount * kLine, 0xff);
  pieces.clear();
  pieceTimes.clear();
  freeSplits.clear();
  lines.assign(checks ? lineCount : 0, Tag());
  lineTimes.assign(lines.size() * warps, 0);
}

bool SharedMemory::fail(const char *what, const WarpClock &clock, uint8_t lane,
                        std::optional<Party> other, uint32_t begin,
                        bool isUnfinished) {
  auto nameOf = [](const Party &party) {
    if (party.warp == kAsyncProxy)
      return std::string("the asynchronous proxy");
    std::string text = "warp " + std::to_string(party.warp);
    if (party.lane < kWarpSize)
      text += " lane " + std::to_string(party.lane);
    return text;
  };
  reason = std::string(what) + ": " + nameOf({clock.warp, lane});
  if (other)
    reason += " and " + nameOf(*other);
  reason += " at shared byte " + std::to_string(begin);
  if (other)
    reason += isUnfinished                ? ", which nobody has waited for"
              : other->warp == clock.warp ? " with no synchronisation between"
                                          : " with no barrier between";
  return false;
}

bool SharedMemory::read(Tag &tag, uint32_t *readTimes, const WarpClock &clock,
                        uint8_t lane, Kind kind, uint32_t begin) {
  if (tag.inFlight)
    return fail("read of an unfinished copy", clock, lane, writerOf(tag), begin,
                /*isUnfinished=*/true);
  if (tag.writer == kNobody)
    return fail("read of bytes that nothing was written to", clock, lane,
                std::nullopt, begin);
  bool strong = kind != Kind::Read;
  if (strong && tag.isStrong) {
    // Relaxed accesses do not race with one another.
  } else if (tag.writer != clock.warp) {
    if (tag.writeTime > clock.times[tag.writer])
      return fail("read after write", clock, lane, writerOf(tag), begin);
  } else if (tag.writerLane != lane && tag.writerLane != kWholeWarp &&
             lane != kWholeWarp && tag.writeSerial >= clock.synced) {
    return fail("read after write", clock, lane, writerOf(tag), begin);
  }
  if (strong)
    return true;
  tag.readers |= 1u << clock.warp;
  readTimes[clock.warp] = clock.times[clock.warp];
  if (lane == kWholeWarp)
    return true;
  bool another = tag.reader == clock.warp && tag.readerLane != lane &&
                 tag.readSerial >= clock.synced;
  tag.readerLane = another ? kSeveral : lane;
  tag.reader = clock.warp;
  tag.readSerial = clock.serial;
  return true;
}

bool SharedMemory::write(Tag &tag, const uint32_t *readTimes,
                         const WarpClock &clock, uint8_t lane, Kind kind,
                         uint32_t begin) {
  if (tag.inFlight)
    return fail("write over an unfinished copy", clock, lane, writerOf(tag),
                begin,
                /*isUnfinished=*/true);
  if (tag.openReads)
    return fail("write over an operand of an unfinished wgmma", clock, lane,
                std::nullopt, begin);
  // The asynchronous proxy may overtake what it was not told of.
  if (kind == Kind::BulkWrite && tag.writer < kMaxWarps &&
      tag.writeTime > clock.fenced[tag.writer])
    return fail("write by the asynchronous proxy without fence.proxy.async",
                clock, lane, writerOf(tag), begin);
  bool strong = kind == Kind::StrongWrite || kind == Kind::Atomic;
  bool sameWarp = tag.writer == clock.warp;
  bool sameInstruction = sameWarp && tag.writeSerial == clock.serial;
  if (strong && tag.isStrong) {
    // Relaxed accesses do not race with one another.
  } else if (tag.writer != kNobody && !sameWarp) {
    if (tag.writeTime > clock.times[tag.writer])
      return fail("write after write", clock, lane, writerOf(tag), begin);
  } else if (sameWarp && !sameInstruction && tag.writerLane != lane &&
             tag.writerLane != kWholeWarp && lane != kWholeWarp &&
             tag.writeSerial >= clock.synced) {
    return fail("write after write", clock, lane, writerOf(tag), begin);
  }
  for (uint32_t left = tag.readers & ~(1u << clock.warp); left;
       left &= left - 1) {
    unsigned reader = llvm::countr_zero(left);
    if (readTimes[reader] > clock.times[reader])
      return fail("write after read", clock, lane, Party{reader, kNobody},
                  begin);
  }
  if (tag.reader == clock.warp && tag.readerLane != lane &&
      lane != kWholeWarp && tag.readSerial >= clock.synced)
    return fail("write after read", clock, lane,
                Party{tag.reader, tag.readerLane}, begin);
  // Of several lanes that one instruction lets write here, one wins: what was
  // written is known to none of them.
  tag.writerLane =
      sameInstruction && tag.writerLane != lane && !strong ? kSeveral : lane;
  tag.writer = clock.warp;
  tag.writeTime = clock.times[clock.warp];
  tag.writeSerial = clock.serial;
  tag.readers = 0;
  tag.reader = kNobody;
  tag.inFlight = kind == Kind::AsyncWrite || kind == Kind::BulkWrite;
  tag.isStrong = strong;
  return true;
}

bool SharedMemory::touch(Tag &tag, uint32_t *readTimes, const WarpClock &clock,
                         uint8_t lane, Kind kind, uint32_t begin) {
  switch (kind) {
  case Kind::Read:
  case Kind::StrongRead:
    return read(tag, readTimes, clock, lane, kind, begin);
  case Kind::Atomic:
    return read(tag, readTimes, clock, lane, kind, begin) &&
           write(tag, readTimes, clock, lane, kind, begin);
  case Kind::Write:
  case Kind::AsyncWrite:
  case Kind::BulkWrite:
  case Kind::StrongWrite:
    return write(tag, readTimes, clock, lane, kind, begin);
  }
  return true;
}

SharedMemory::Pieces SharedMemory::piecesOf(uint32_t line) {
  if (lines[line].pieceBytes == kLine)
    return {&lines[line], &lineTimes[size_t(line) * warps]};
  size_t first = lines[line].split;
  return {&pieces[first], &pieceTimes[first * warps]};
}

/// Gives each part of `pieceBytes` bytes the tag of the larger piece that it
/// belongs to.
void SharedMemory::splitLine(uint32_t line, uint32_t pieceBytes) {
  bool isFirst = lines[line].pieceBytes == kLine;
  if (isFirst && freeSplits.empty()) {
    // Room for a tag a byte, whether or not it comes to that.
    freeSplits.push_back(pieces.size());
    pieces.resize(pieces.size() + kLine);
    pieceTimes.resize(pieces.size() * warps);
  }
  Pieces from = piecesOf(line);
  uint32_t oldBytes = lines[line].pieceBytes;
  if (isFirst) {
    lines[line].split = freeSplits.back();
    freeSplits.pop_back();
  }
  lines[line].pieceBytes = pieceBytes;
  Pieces to = piecesOf(line);
  // From the last on, as the new pieces may take the place of the old.
  for (uint32_t i = kLine / pieceBytes; i-- > 0;) {
    uint32_t old = i * pieceBytes / oldBytes;
    to.tags[i] = from.tags[old];
    std::copy_n(from.times + old * warps, warps, to.times + i * warps);
  }
}

bool SharedMemory::access(const WarpClock &clock, uint8_t lane, Kind kind,
                          uint32_t begin, uint32_t count) {
  for (uint32_t end = begin + count; begin < end;) {
    uint32_t line = begin / kLine;
    uint32_t stop = std::min(end, (line + 1) * kLine);
    bool isWhole = stop - begin == kLine;
    uint32_t needed = isWhole ? kLine : (begin | stop) % 4 ? 1 : 4;
    if (needed < lines[line].pieceBytes)
      splitLine(line, needed);
    uint32_t step = lines[line].pieceBytes;
    Pieces found = piecesOf(line);
    for (; begin < stop; begin += step) {
      uint32_t piece = begin % kLine / step;
      if (!touch(found.tags[piece], found.times + piece * warps, clock, lane,
                 kind, begin))
        return false;
    }
    // After a write of the whole line its pieces are alike again.
    if (isWhole && step != kLine &&
        (kind == Kind::Write || kind == Kind::AsyncWrite ||
         kind == Kind::BulkWrite)) {
      freeSplits.push_back(lines[line].split);
      lines[line] = found.tags[0];
      lines[line].pieceBytes = kLine;
    }
  }
  return true;
}

bool SharedMemory::startRead(const WarpClock &clock, uint32_t begin) {
  uint32_t line = begin / kLine, step = lines[line].pieceBytes;
  Pieces found = piecesOf(line);
  for (uint32_t i = 0; i < kLine / step; ++i) {
    Tag &tag = found.tags[i];
    uint32_t at = begin + i * step;
    if (!read(tag, found.times + i * warps, clock, kWholeWarp, Kind::Read, at))
      return false;
    if (tag.writer < kMaxWarps && tag.writeTime > clock.fenced[tag.writer])
      return fail("read by the asynchronous proxy without fence.proxy.async",
                  clock, kWholeWarp, writerOf(tag), at);
    ++tag.openReads;
  }
  return true;
}

void SharedMemory::finishRead(const WarpClock &clock, uint32_t begin) {
  uint32_t line = begin / kLine, step = lines[line].pieceBytes;
  Pieces found = piecesOf(line);
  for (uint32_t i = 0; i < kLine / step; ++i) {
    --found.tags[i].openReads;
    found.times[i * warps + clock.warp] = clock.times[clock.warp];
  }
}

void SharedMemory::landBulk(uint32_t time, uint32_t begin, uint32_t count) {
  for (uint32_t end = begin + count; begin < end; begin += kLine) {
    Tag &tag = lines[begin / kLine];
    tag.inFlight = false;
    tag.writer = kAsyncProxy;
    tag.writerLane = kWholeWarp;
    tag.writeTime = time;
  }
}

void SharedMemory::land(const WarpClock &clock, uint8_t lane, uint32_t begin,
                        uint32_t count) {
  for (uint32_t end = begin + count; begin < end;) {
    // A copy that is smaller than a line has split it.
    uint32_t line = begin / kLine, step = lines[line].pieceBytes;
    Tag &tag = piecesOf(line).tags[begin % kLine / step];
    tag.inFlight = false;
    tag.writer = clock.warp;
    tag.writerLane = lane;
    tag.writeTime = clock.times[clock.warp];
    tag.writeSerial = clock.serial;
    begin += step;
  }
}
