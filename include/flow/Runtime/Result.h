// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A value or the reason why there is none.

#ifndef FLOW_RUNTIME_RESULT_H
#define FLOW_RUNTIME_RESULT_H

#include <optional>
#include <string>
#include <utility>

namespace flow::runtime {

/// A reason: what, where, expected, found.
struct Error {
  std::string message;
};

/// Success, or an error. True when it is a success.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : reason(std::move(error.message)) {}
  explicit operator bool() const { return !reason; }
  /// The reason of a failure.
  const std::string &error() const { return *reason; }

private:
  std::optional<std::string> reason;
};

/// A `T`, or an error. True when there is a value.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : value(std::move(value)) {}
  Result(Error error) : reason(std::move(error.message)) {}
  explicit operator bool() const { return value.has_value(); }
  T &operator*() { return *value; }
  const T &operator*() const { return *value; }
  T *operator->() { return &*value; }
  /// The reason of a failure.
  const std::string &error() const { return reason; }

private:
  std::optional<T> value;
  std::string reason;
};

} // namespace flow::runtime

#endif // FLOW_RUNTIME_RESULT_H
