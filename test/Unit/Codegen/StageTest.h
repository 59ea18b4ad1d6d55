// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// What the tests of compiled stages share: targets, rows of a step, texts.

#ifndef FLOW_TEST_UNIT_CODEGEN_STAGETEST_H
#define FLOW_TEST_UNIT_CODEGEN_STAGETEST_H

#include "CompiledFunction.h"
#include "ErrorBounds.h"

namespace flow {

/// A test for each target that this machine runs code for.
class StageTest : public testing::TestWithParam<CodeTarget> {
protected:
  void SetUp() override {
    if (!canRun(GetParam()))
      GTEST_SKIP() << "this machine lacks " << GetParam();
  }
};

/// Rows of one step: those that a caller has, and with the padding.
struct StepRows {
  int64_t count, padded;
};

/// The two forms of a step: one row, fixed in the types, or any number of rows
/// padded to a multiple of 12.
struct StepForm {
  const char *extent;
  llvm::ArrayRef<StepRows> steps;
};

/// Rows of f32 are computed 6 or 12 at a time, of bf16 4 or 12, of bytes 6 or
/// 12: one row more and less than each.
constexpr StepRows kDecode[] = {{1, 1}};
constexpr StepRows kPrefill[] = {{1, 12}, {3, 12},  {4, 12},  {5, 12},
                                 {7, 12}, {11, 12}, {12, 12}, {13, 24}};
inline const StepForm kForms[] = {{"1", kDecode}, {"?", kPrefill}};

/// `text` with each first string replaced by the second wherever it stands.
inline std::string
substitute(std::string text,
           const std::vector<std::pair<std::string, std::string>> &pairs) {
  for (const auto &[from, to] : pairs)
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
         at += to.size())
      text.replace(at, from.size(), to);
  return text;
}

} // namespace flow

#endif // FLOW_TEST_UNIT_CODEGEN_STAGETEST_H
