// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Typed access to the keys of a Hugging Face configuration.

#ifndef FLOW_LIB_IMPORT_HFKEYS_H
#define FLOW_LIB_IMPORT_HFKEYS_H

#include "Json.h"

#include <optional>
#include <string>
#include <vector>

namespace flow {

/// The keys of one object of a configuration. A wrong value is noted as the
/// problem of the file, of which the first counts, and the default is returned:
/// whoever reads asks for the problem once, in the end. A null means what a
/// missing key means, unless `has` tells them apart.
class HfKeys {
public:
  /// Both must outlive the keys. `prefix` goes before names in messages, as in
  /// "text_config.".
  HfKeys(const llvm::json::Object &object, std::string prefix,
         std::string &problem)
      : object(object), prefix(std::move(prefix)), problem(problem) {}

  /// True if the key is there, be it null.
  bool has(llvm::StringRef name) const { return object.get(name) != nullptr; }
  /// True if the key is there and not null.
  bool isSet(llvm::StringRef name) const { return find(name) != nullptr; }
  /// True if the key is false.
  bool isFalse(llvm::StringRef name) const {
    return object.getBoolean(name) == false;
  }

  /// An integer from 1 to `high`.
  int64_t integer(llvm::StringRef name, int64_t high, int64_t otherwise) const;
  /// The same from 0 on.
  int64_t count(llvm::StringRef name, int64_t high, int64_t otherwise) const;
  /// A finite number above 0 that an f32 can hold.
  double number(llvm::StringRef name, double otherwise) const;
  bool boolean(llvm::StringRef name, bool otherwise) const;
  llvm::StringRef string(llvm::StringRef name, llvm::StringRef otherwise) const;
  /// The object `name`, or null where there is none.
  const llvm::json::Object *child(llvm::StringRef name) const;
  /// An id of a token or a list of them; nothing for -1, which means none.
  std::vector<int32_t> tokenIds(llvm::StringRef name) const;
  /// Strings, one for each of `count`, or as many as there are.
  std::vector<llvm::StringRef>
  strings(llvm::StringRef name,
          std::optional<size_t> count = std::nullopt) const;

  /// Notes that `name` must be `expected`, if nothing is noted before.
  void refuse(llvm::StringRef name, const llvm::Twine &expected) const;
  /// Notes that `name`, if it is set and no false and no 0, gives the model
  /// `what`, which is not supported.
  void refuseSet(llvm::StringRef name, llvm::StringRef what) const;

private:
  const llvm::json::Value *find(llvm::StringRef name) const;
  int64_t integerFrom(int64_t low, llvm::StringRef name, int64_t high,
                      int64_t otherwise) const;

  const llvm::json::Object &object;
  std::string prefix;
  std::string &problem;
};

} // namespace flow

#endif // FLOW_LIB_IMPORT_HFKEYS_H
