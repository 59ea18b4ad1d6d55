// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Untrusted bytes made fit for an error message.

#include "Quote.h"

#include <cstddef>
#include <cstdint>

using namespace flow;
using namespace flow::text;

std::string flow::text::quoted(std::string_view bytes) {
  constexpr size_t kShown = 48;
  constexpr char kHex[] = "0123456789abcdef";
  std::string result = "'";
  for (char c : bytes.substr(0, kShown)) {
    uint8_t byte = uint8_t(c);
    if (byte >= 0x20 && byte < 0x7F) {
      result += c;
      continue;
    }
    result += "\\x";
    result += kHex[byte >> 4];
    result += kHex[byte & 15];
  }
  return result + (bytes.size() > kShown ? "...'" : "'");
}
