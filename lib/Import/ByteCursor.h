// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Walks through the bytes of a file without ever leaving them.

#ifndef FLOW_LIB_IMPORT_BYTECURSOR_H
#define FLOW_LIB_IMPORT_BYTECURSOR_H

#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace flow {

/// A place in the bytes of a file. What is taken is named, so that the error
/// over what is not there can say what was wanted.
class ByteCursor {
public:
  ByteCursor(llvm::StringRef path, llvm::StringRef bytes)
      : path(path), bytes(bytes) {}

  /// An error about the file.
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError(path + ": " + what);
  }

  uint64_t offset() const { return place; }
  uint64_t remaining() const { return bytes.size() - place; }
  /// What comes next; readable up to `remaining()`.
  const char *data() const { return bytes.data() + place; }
  /// The bytes before the cursor.
  llvm::StringRef taken() const { return bytes.take_front(place); }

  llvm::Error take(uint64_t size, const char *&data, llvm::StringRef what);
  llvm::Error takeU32(uint32_t &value, llvm::StringRef what);
  llvm::Error takeU64(uint64_t &value, llvm::StringRef what);
  /// A string after its length in 64 bits.
  llvm::Error takeString(llvm::StringRef &value, llvm::StringRef what);

private:
  llvm::StringRef path, bytes;
  uint64_t place = 0;
};

} // namespace flow

#endif // FLOW_LIB_IMPORT_BYTECURSOR_H
