// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A value or one sentence that says why there is none: how this room reports
// bad input.

#ifndef FLOW_TEXT_RESULT_H
#define FLOW_TEXT_RESULT_H

#include <cassert>
#include <optional>
#include <string>
#include <utility>

namespace flow::text {

/// The reason of a failure: what, where, expected, found. One line, no final
/// period and no newline, so that a tool can print `error: ` before it.
struct Error {
  std::string message;
};

/// Either a `T` or an `Error`. Returned by value; owns both.
///
/// `*` and `->` may be used only after a successful test, `error`
/// only after a failed one (asserted; undefined without assertions).
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

} // namespace flow::text

#endif // FLOW_TEXT_RESULT_H
