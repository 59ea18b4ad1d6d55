// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Guards LLVM's JSON parser against what it would accept or die of.

#include "Json.h"

#include "Quote.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"

#include <vector>

using namespace flow;

/// Deeper than any configuration, tokenizer or header of a model.
static constexpr size_t kMaxDepth = 64;

/// The place behind the string that starts at `begin` with its quote; the end
/// of `text` for one without end.
static size_t skipString(llvm::StringRef text, size_t begin) {
  for (size_t at = begin + 1; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      return at + 1;
  }
  return text.size();
}

/// The name between the quotes of `literal`. What is no string stays as it is
/// and fails in the parser.
static std::string decodeName(llvm::StringRef literal) {
  if (literal.contains('\\')) {
    llvm::Expected<llvm::json::Value> value = llvm::json::parse(literal);
    if (value && value->getAsString())
      return value->getAsString()->str();
    llvm::consumeError(value.takeError());
  }
  return literal.drop_front().drop_back().str();
}

/// What some writers write for numbers that JSON does not have, or nothing.
static llvm::StringRef nonNumberAt(llvm::StringRef rest) {
  for (llvm::StringRef word : {"NaN", "Infinity", "-Infinity"})
    if (rest.starts_with(word))
      return word;
  return {};
}

/// What is wrong with the structure of `text`, or nothing. Only strings,
/// brackets and what is no number are looked at: the parser finds the rest.
static std::string checkStructure(llvm::StringRef text) {
  // The names of each object that is open; none for an array.
  std::vector<llvm::StringSet<>> open;
  std::string name;
  for (size_t at = 0; at < text.size();) {
    char c = text[at];
    if (c == '{' || c == '[') {
      if (open.size() == kMaxDepth)
        return "is nested deeper than " + std::to_string(kMaxDepth) +
               " at byte " + std::to_string(at);
      open.emplace_back();
    } else if ((c == '}' || c == ']') && !open.empty()) {
      open.pop_back();
    }
    if (c != '"') {
      if (llvm::StringRef word = nonNumberAt(text.drop_front(at));
          !word.empty())
        return "gives " + quoted(name) + " the value " + word.str() +
               ", which is no number";
      ++at;
      continue;
    }
    size_t end = skipString(text, at);
    llvm::StringRef literal = text.slice(at, end);
    at = end;
    // A string before a colon is a name.
    bool isName = text.drop_front(end).ltrim(" \t\r\n").starts_with(":");
    if (!isName || open.empty() || literal.size() < 2)
      continue;
    name = decodeName(literal);
    if (!open.back().insert(name).second)
      return "gives " + quoted(name) + " twice";
  }
  return {};
}

llvm::Expected<llvm::json::Object>
flow::parseJsonObject(llvm::StringRef text, const llvm::Twine &where) {
  if (std::string problem = checkStructure(text); !problem.empty())
    return llvm::createStringError(where + " " + problem);
  llvm::Expected<llvm::json::Value> value = llvm::json::parse(text);
  if (!value)
    return llvm::createStringError(
        where + " is no JSON: " + llvm::toString(value.takeError()));
  if (llvm::json::Object *object = value->getAsObject())
    return std::move(*object);
  return llvm::createStringError(where + " must hold a JSON object, found " +
                                 describeJson(*value));
}

std::string flow::describeJson(const llvm::json::Value &value) {
  if (std::optional<llvm::StringRef> text = value.getAsString())
    return quoted(*text);
  if (value.kind() == llvm::json::Value::Object)
    return "an object";
  if (value.kind() == llvm::json::Value::Array)
    return "an array";
  std::string text;
  llvm::raw_string_ostream(text) << value;
  return text;
}
