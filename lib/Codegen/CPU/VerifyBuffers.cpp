// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Checks that bufferization computed everything in place.

#include "flow/Codegen/CPU/Passes.h"

using namespace mlir;

namespace flow {
#define GEN_PASS_DEF_VERIFYBUFFERS
#include "flow/Codegen/CPU/Passes.h.inc"
} // namespace flow

namespace {
struct VerifyBuffers : flow::impl::VerifyBuffersBase<VerifyBuffers> {
  void runOnOperation() override {
    getOperation()->walk([&](memref::CopyOp copy) {
      copy.emitOpError("is left: a result was not computed in its own buffer");
      signalPassFailure();
    });
    markAllAnalysesPreserved();
  }
};
} // namespace
