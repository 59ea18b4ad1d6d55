// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Untrusted bytes made fit for an error message.

#ifndef FLOW_LIB_TEXT_QUOTE_H
#define FLOW_LIB_TEXT_QUOTE_H

#include <string>
#include <string_view>

namespace flow::text {

/// `bytes` between single quotes on one line: printable ASCII as it is, every
/// other byte as \xNN, cut with "..." after 48 bytes.
std::string quoted(std::string_view bytes);

} // namespace flow::text

#endif // FLOW_LIB_TEXT_QUOTE_H
