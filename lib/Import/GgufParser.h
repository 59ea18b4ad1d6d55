// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// From the bytes of a GGUF file to the contents of its reader.

#ifndef FLOW_LIB_IMPORT_GGUFPARSER_H
#define FLOW_LIB_IMPORT_GGUFPARSER_H

#include "ByteCursor.h"
#include "flow/Import/GgufReader.h"

namespace flow {

/// Walks through a mapped file once and checks what it says.
class GgufParser {
public:
  /// `bytes` are those of `file`, whose path is known.
  GgufParser(GgufReader &file, llvm::StringRef bytes)
      : file(file), bytes(bytes), cursor(file.filePath, bytes) {}

  /// Fills in the keys, the tensors and the digest of the file.
  llvm::Error parse();

private:
  llvm::Error fail(const llvm::Twine &what) const { return cursor.fail(what); }
  llvm::Error failTensor(const GgufTensor &tensor,
                         const llvm::Twine &what) const;

  llvm::Error parseHeader(uint64_t &tensorCount, uint64_t &keyCount);
  llvm::Error parseKey();
  llvm::Error parseValue(llvm::StringRef key, GgufReader::Value &value);
  llvm::Error skipStrings(llvm::StringRef key, uint64_t count);
  llvm::Error parseAlignment();
  llvm::Error parseTensor(std::vector<uint64_t> &offsets);
  llvm::Error parseShape(GgufTensor &tensor, uint64_t &elements);
  llvm::Error parseType(GgufTensor &tensor, uint64_t elements);
  llvm::Error placeTensors(llvm::ArrayRef<uint64_t> offsets);

  GgufReader &file;
  llvm::StringRef bytes;
  ByteCursor cursor;
  uint64_t alignment = 32;
};

} // namespace flow

#endif // FLOW_LIB_IMPORT_GGUFPARSER_H
