// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A value or the reason why there is none, for the rooms without LLVM.

#ifndef FLOW_SUPPORT_RESULT_H
#define FLOW_SUPPORT_RESULT_H

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace flow {

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
  const std::string &error() const {
    assert(reason && "a success has no error");
    return *reason;
  }

private:
  std::optional<std::string> reason;
};

/// A `T`, or an error. True when there is a value.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : held(std::move(value)) {}
  Result(Error error) : reason(std::move(error.message)) {}

  explicit operator bool() const { return held.has_value(); }

  T &operator*() & {
    assert(held && "a failed result has no value");
    return *held;
  }
  const T &operator*() const & {
    assert(held && "a failed result has no value");
    return *held;
  }
  /// By value, so that a range-based `for` over `*make()` keeps it alive.
  T operator*() && {
    assert(held && "a failed result has no value");
    return std::move(*held);
  }
  T *operator->() { return &**this; }
  const T *operator->() const { return &**this; }

  const std::string &error() const {
    assert(!held && "a successful result has no error");
    return reason;
  }

private:
  std::optional<T> held;
  std::string reason;
};

} // namespace flow

#endif // FLOW_SUPPORT_RESULT_H
