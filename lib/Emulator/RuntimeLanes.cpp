// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Arithmetic on lanes that has no vector code.

#include "Runtime.h"

#include <cfenv>
#include <cmath>
#include <limits>
#include <type_traits>

using namespace flow::emulator;

/// PTX leaves division by zero open; GPUs give all ones. The quotient that does
/// not fit wraps.
template <typename T> static T divide(T a, T b) {
  if (b == 0)
    return static_cast<T>(-1);
  if constexpr (std::is_signed_v<T>)
    if (b == -1)
      return static_cast<T>(-static_cast<std::make_unsigned_t<T>>(a));
  return a / b;
}
template <typename T> static T remainder(T a, T b) {
  if (b == 0)
    return a;
  if constexpr (std::is_signed_v<T>)
    if (b == -1)
      return 0;
  return a % b;
}

template <typename T, T (*function)(T, T)>
static void binary(void *result, const void *a, const void *b, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i)
    static_cast<T *>(result)[i] =
        function(static_cast<const T *>(a)[i], static_cast<const T *>(b)[i]);
}

template <typename T, T (*function)(T)>
static void unary(void *result, const void *a, const void *, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i)
    static_cast<T *>(result)[i] = function(static_cast<const T *>(a)[i]);
}

// The float functions are correct to about a unit in the last place, which is
// better than the hardware's.
static float ex2(float x) { return std::exp2(x); }
static float lg2(float x) { return std::log2(x); }
static float tanhOf(float x) { return std::tanh(x); }
static float sine(float x) { return std::sin(x); }
static float cosine(float x) { return std::cos(x); }
static float rsqrt(float x) {
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x)));
}
static double rsqrtDouble(double x) { return 1.0 / std::sqrt(x); }

/// The machine rounds as it is told while this lives.
class RoundingScope {
public:
  explicit RoundingScope(Direction direction) : before(std::fegetround()) {
    std::fesetround(direction == Direction::Zero   ? FE_TOWARDZERO
                    : direction == Direction::Down ? FE_DOWNWARD
                                                   : FE_UPWARD);
  }
  ~RoundingScope() { std::fesetround(before); }
  RoundingScope(const RoundingScope &) = delete;
  RoundingScope &operator=(const RoundingScope &) = delete;

private:
  int before;
};

template <typename T>
static void roundTo(void *result, const void *a, const void *b, const void *c,
                    uint32_t count, uint32_t operation, uint32_t direction) {
  RoundingScope scope(static_cast<Direction>(direction));
  for (uint32_t i = 0; i < count; ++i) {
    // Compilers assume rounding to nearest: volatile keeps them from moving
    // the arithmetic out of the scope.
    volatile T x = static_cast<const T *>(a)[i];
    volatile T y = static_cast<const T *>(b)[i];
    volatile T rounded = 0;
    switch (static_cast<RoundedOperation>(operation)) {
    case RoundedOperation::Add:
      rounded = x + y;
      break;
    case RoundedOperation::Subtract:
      rounded = x - y;
      break;
    case RoundedOperation::Multiply:
      rounded = x * y;
      break;
    case RoundedOperation::Fma:
      rounded = std::fma(x, y, static_cast<const T *>(c)[i]);
      break;
    }
    static_cast<T *>(result)[i] = rounded;
  }
}

template <typename Function> static void *address(Function *function) {
  return reinterpret_cast<void *>(function);
}

llvm::ArrayRef<RuntimeFunction> flow::emulator::laneFunctions() {
  static const RuntimeFunction functions[] = {
      {"div_s32", address(binary<int32_t, divide<int32_t>>)},
      {"div_u32", address(binary<uint32_t, divide<uint32_t>>)},
      {"div_s64", address(binary<int64_t, divide<int64_t>>)},
      {"div_u64", address(binary<uint64_t, divide<uint64_t>>)},
      {"rem_s32", address(binary<int32_t, remainder<int32_t>>)},
      {"rem_u32", address(binary<uint32_t, remainder<uint32_t>>)},
      {"rem_s64", address(binary<int64_t, remainder<int64_t>>)},
      {"rem_u64", address(binary<uint64_t, remainder<uint64_t>>)},
      {"ex2_f32", address(unary<float, ex2>)},
      {"lg2_f32", address(unary<float, lg2>)},
      {"tanh_f32", address(unary<float, tanhOf>)},
      {"sin_f32", address(unary<float, sine>)},
      {"cos_f32", address(unary<float, cosine>)},
      {"rsqrt_f32", address(unary<float, rsqrt>)},
      {"rsqrt_f64", address(unary<double, rsqrtDouble>)},
      {"round_f32", address(roundTo<float>)},
      {"round_f64", address(roundTo<double>)},
  };
  return functions;
}
