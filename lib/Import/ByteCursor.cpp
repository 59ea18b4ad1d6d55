// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Bounded reads of what files are made of, little-endian.

#include "ByteCursor.h"

#include "llvm/Support/Endian.h"

using namespace flow;

llvm::Error ByteCursor::take(uint64_t size, const char *&data,
                             llvm::StringRef what) {
  if (size > remaining())
    return fail(what + " at byte " + llvm::Twine(place) + " needs " +
                llvm::Twine(size) + " bytes, " + llvm::Twine(remaining()) +
                " are left: the file is cut off or damaged");
  data = bytes.data() + place;
  place += size;
  return llvm::Error::success();
}

llvm::Error ByteCursor::takeU32(uint32_t &value, llvm::StringRef what) {
  const char *data;
  if (llvm::Error error = take(4, data, what))
    return error;
  value = llvm::support::endian::read32le(data);
  return llvm::Error::success();
}

llvm::Error ByteCursor::takeU64(uint64_t &value, llvm::StringRef what) {
  const char *data;
  if (llvm::Error error = take(8, data, what))
    return error;
  value = llvm::support::endian::read64le(data);
  return llvm::Error::success();
}

llvm::Error ByteCursor::takeString(llvm::StringRef &value,
                                   llvm::StringRef what) {
  uint64_t size;
  const char *data;
  if (llvm::Error error = takeU64(size, what))
    return error;
  if (llvm::Error error = take(size, data, what))
    return error;
  value = {data, size};
  return llvm::Error::success();
}
