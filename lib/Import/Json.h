// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads JSON from files that nobody vouches for.

#ifndef FLOW_LIB_IMPORT_JSON_H
#define FLOW_LIB_IMPORT_JSON_H

#include "llvm/Support/JSON.h"

namespace flow {

/// Parses `text`, an object, whole. What is no JSON, is nested deeper than any
/// file of a model, or gives a name twice in one object is an error that starts
/// with `where`, such as a path. The parser alone would follow any nesting
/// down the stack and keep the last of two equal names.
llvm::Expected<llvm::json::Object> parseJsonObject(llvm::StringRef text,
                                                   const llvm::Twine &where);

/// What a message calls the value: "'llama'", "12.5", "an object".
std::string describeJson(const llvm::json::Value &value);

} // namespace flow

#endif // FLOW_LIB_IMPORT_JSON_H
