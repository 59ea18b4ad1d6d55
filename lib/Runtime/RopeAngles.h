// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The angles by which heads are turned.

#ifndef FLOW_LIB_RUNTIME_ROPEANGLES_H
#define FLOW_LIB_RUNTIME_ROPEANGLES_H

#include "flow/Runtime/Plan.h"

namespace flow::runtime {

/// Computes what `step`, of `StepKind::RopeAngles`, says for `rows` rows at
/// `positions`, as `[rows, headDim / 2, 2]`.
void computeAngles(const Step &step, const int64_t *positions, int64_t rows,
                   float *out);

} // namespace flow::runtime

#endif // FLOW_LIB_RUNTIME_ROPEANGLES_H
