// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Takes values out of Hugging Face configurations, or notes why not.

#include "HfKeys.h"

#include "llvm/ADT/Twine.h"

#include <cmath>
#include <limits>

using namespace flow;

const llvm::json::Value *HfKeys::find(llvm::StringRef name) const {
  const llvm::json::Value *value = object.get(name);
  return value && value->kind() != llvm::json::Value::Null ? value : nullptr;
}

void HfKeys::refuse(llvm::StringRef name, const llvm::Twine &expected) const {
  if (!problem.empty())
    return;
  const llvm::json::Value *value = object.get(name);
  problem = ("key '" + prefix + name + "' must be " + expected + ", found " +
             (value ? describeJson(*value) : std::string("none")))
                .str();
}

void HfKeys::refuseSet(llvm::StringRef name, llvm::StringRef what) const {
  const llvm::json::Value *value = find(name);
  if (!value || value->getAsBoolean() == false || value->getAsInteger() == 0 ||
      !problem.empty())
    return;
  problem = ("key '" + prefix + name + "' is " + describeJson(*value) + ": " +
             what + " are not supported")
                .str();
}

int64_t HfKeys::integer(llvm::StringRef name, int64_t high,
                        int64_t otherwise) const {
  return integerFrom(1, name, high, otherwise);
}

int64_t HfKeys::count(llvm::StringRef name, int64_t high,
                      int64_t otherwise) const {
  return integerFrom(0, name, high, otherwise);
}

int64_t HfKeys::integerFrom(int64_t low, llvm::StringRef name, int64_t high,
                            int64_t otherwise) const {
  const llvm::json::Value *value = find(name);
  if (!value)
    return otherwise;
  std::optional<int64_t> number = value->getAsInteger();
  if (number && *number >= low && *number <= high)
    return *number;
  refuse(name,
         "an integer in " + llvm::Twine(low) + " to " + llvm::Twine(high));
  return otherwise;
}

double HfKeys::number(llvm::StringRef name, double otherwise) const {
  const llvm::json::Value *value = find(name);
  if (!value)
    return otherwise;
  std::optional<double> number = value->getAsNumber();
  // As an f32 it must be neither 0 nor infinite, since that is what it becomes.
  if (number && *number >= std::numeric_limits<float>::min() &&
      *number <= std::numeric_limits<float>::max())
    return *number;
  refuse(name, "a finite number above 0");
  return otherwise;
}

bool HfKeys::boolean(llvm::StringRef name, bool otherwise) const {
  const llvm::json::Value *value = find(name);
  if (!value)
    return otherwise;
  if (std::optional<bool> flag = value->getAsBoolean())
    return *flag;
  refuse(name, "true or false");
  return otherwise;
}

llvm::StringRef HfKeys::string(llvm::StringRef name,
                               llvm::StringRef otherwise) const {
  const llvm::json::Value *value = find(name);
  if (!value)
    return otherwise;
  if (std::optional<llvm::StringRef> text = value->getAsString())
    return *text;
  refuse(name, "a string");
  return otherwise;
}

const llvm::json::Object *HfKeys::child(llvm::StringRef name) const {
  const llvm::json::Value *value = find(name);
  if (!value)
    return nullptr;
  if (const llvm::json::Object *result = value->getAsObject())
    return result;
  refuse(name, "an object");
  return nullptr;
}

std::vector<int32_t> HfKeys::tokenIds(llvm::StringRef name) const {
  std::vector<int32_t> ids;
  const llvm::json::Value *value = find(name);
  if (!value)
    return ids;
  auto take = [&](const llvm::json::Value &entry) {
    std::optional<int64_t> id = entry.getAsInteger();
    if (!id || *id < -1 || *id > std::numeric_limits<int32_t>::max())
      refuse(name, "an id of a token or a list of them");
    else if (*id >= 0)
      ids.push_back(static_cast<int32_t>(*id));
  };
  if (const llvm::json::Array *list = value->getAsArray())
    for (const llvm::json::Value &entry : *list)
      take(entry);
  else
    take(*value);
  return ids;
}

std::vector<llvm::StringRef>
HfKeys::strings(llvm::StringRef name, std::optional<size_t> count) const {
  std::vector<llvm::StringRef> result;
  const llvm::json::Array *list = object.getArray(name);
  std::string found;
  if (list && count && list->size() != *count)
    found = " and not of " + std::to_string(list->size());
  else if (list)
    for (const llvm::json::Value &entry : *list) {
      if (std::optional<llvm::StringRef> text = entry.getAsString())
        result.push_back(*text);
      else if (found.empty())
        found = " and not hold " + describeJson(entry);
    }
  if (list && found.empty())
    return result;
  refuse(name, "a list of " + (count ? std::to_string(*count) + " " : "") +
                   "strings" + found);
  return {};
}
