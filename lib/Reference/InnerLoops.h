// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The two loops in which the reference interpreter spends its time.

#ifndef FLOW_LIB_REFERENCE_INNERLOOPS_H
#define FLOW_LIB_REFERENCE_INNERLOOPS_H

#include <cstdint>

namespace flow::reference {

/// The sum of `a[i] * b[i]` over `count` elements, in an order that `count`
/// alone decides. Where both hold f32 values every product is exact, and the
/// result errs by at most `count * 2^-53 * sum |a[i] * b[i]|`.
double dot(const double *a, const double *b, int64_t count);

/// `sum[i] += factor * row[i]`.
void addScaled(double *sum, double factor, const double *row, int64_t count);

} // namespace flow::reference

#endif // FLOW_LIB_REFERENCE_INNERLOOPS_H
