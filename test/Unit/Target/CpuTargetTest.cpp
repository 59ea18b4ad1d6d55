// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Which instructions CPUs have by their names, and whether this one has them.

#include "flow/Target/CpuTarget.h"
#include "TilePermission.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/TargetParser/Host.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

CpuTarget targetOf(llvm::StringRef cpu) {
  return llvm::cantFail(resolveCpuTarget(cpu));
}

std::string messageOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "";
}

bool hasTilesHere() {
  return llvm::sys::getHostCPUFeatures().lookup("amx-tile");
}

TEST(CpuTarget, KnowsWhoHasDotProducts) {
  EXPECT_EQ(targetOf("x86-64").getIsa(), "generic");
  EXPECT_EQ(targetOf("x86-64-v3").getIsa(), "avx2");
  for (const char *cpu : {"alderlake", "arrowlake", "sierraforest"})
    EXPECT_EQ(targetOf(cpu).getIsa(), "vnni256") << cpu;
  EXPECT_EQ(targetOf("skylake-avx512").getIsa(), "avx512");
  // Has both forms: the wider one is used.
  EXPECT_EQ(targetOf("sapphirerapids").getIsa(), "vnni");
}

TEST(CpuTarget, KnowsWhoHasTiles) {
  EXPECT_TRUE(targetOf("sapphirerapids").amx);
  EXPECT_TRUE(targetOf("graniterapids").amx);
  EXPECT_FALSE(targetOf("icelake-server").amx);
  EXPECT_FALSE(targetOf("znver5").amx);
}

TEST(CpuTarget, TilesAreAskedForAsOftenAsOneLikes) {
  for (int i = 0; i != 2; ++i) {
    std::string message = messageOf(requestTiles());
    if (hasTilesHere())
      EXPECT_EQ(targetOf("native").amx, message.empty());
    else
      EXPECT_THAT(message, StartsWith("the kernel does not let this process "
                                      "use AMX tiles: "));
  }
}

TEST(CpuTarget, CodeWithTilesNeedsThem) {
  CpuTarget target = targetOf("x86-64");
  EXPECT_EQ(messageOf(checkRunsHere(target)), "");
  target.features = "+amx-tile,+amx-bf16,+amx-int8";
  std::string message = messageOf(checkRunsHere(target));
  if (!hasTilesHere())
    EXPECT_THAT(message, HasSubstr("may use amx-"));
  else
    EXPECT_EQ(message.empty(), targetOf("native").amx);
}

// LLVM's own handler would print this and end the process.
TEST(GenerateCode, WhatLlvmRefusesIsAnError) {
  mlir::MLIRContext context;
  context.loadDialect<mlir::LLVM::LLVMDialect>();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(
      R"(llvm.func @_mlir_ciface_f() {
  llvm.inline_asm has_side_effects "abracadabra", "" : () -> ()
  llvm.return
})",
      &context);
  ASSERT_TRUE(module);
  llvm::Expected<std::string> code =
      generateCode(*module, targetOf("x86-64"), CodeKind::Object);
  EXPECT_THAT(messageOf(code.takeError()),
              StartsWith("LLVM cannot generate the code: "));
}

} // namespace
