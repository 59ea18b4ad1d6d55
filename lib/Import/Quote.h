// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Text from a file, made fit for a one-line message.

#ifndef FLOW_LIB_IMPORT_QUOTE_H
#define FLOW_LIB_IMPORT_QUOTE_H

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace flow {

/// `text` in single quotes, with escapes for what does not print and without
/// what exceeds a line: names in a hostile file may hold anything.
inline std::string quoted(llvm::StringRef text) {
  constexpr size_t kLongest = 64;
  std::string result = "'";
  llvm::raw_string_ostream out(result);
  llvm::printEscapedString(text.take_front(kLongest), out);
  out << (text.size() > kLongest ? "...'" : "'");
  return result;
}

} // namespace flow

#endif // FLOW_LIB_IMPORT_QUOTE_H
