// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Resolves CPU names and their features.

#include "flow/Target/CpuTarget.h"

#include "TargetMachine.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

#include <mutex>

using namespace flow;

/// Registers the code generators; LLVM keeps them for the process.
static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    llvm::InitializeNativeTargetAsmParser();
  });
}

llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
flow::createTargetMachine(const CpuTarget &target) {
  initializeTargets();
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *backend =
      llvm::TargetRegistry::lookupTarget(llvm::Triple(target.triple), error);
  if (!backend)
    return llvm::createStringError("no code generator for " + target.triple +
                                   ": " + error);
  llvm::TargetOptions options;
  options.MCOptions.AsmVerbose = false;
  std::unique_ptr<llvm::TargetMachine> machine(backend->createTargetMachine(
      triple, target.cpu, target.features, options, llvm::Reloc::PIC_,
      std::nullopt, llvm::CodeGenOptLevel::Default));
  if (!machine)
    return llvm::createStringError("cannot generate code for " + target.triple);
  return machine;
}

/// What LLVM knows of `target`; an error for a CPU that it does not know.
static llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>>
createSubtarget(const CpuTarget &target) {
  initializeTargets();
  llvm::Triple triple(target.triple);
  std::string error;
  const llvm::Target *backend =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return llvm::createStringError("no code generator for " + target.triple);
  // An empty name gives a subtarget that can tell whether the real one exists.
  std::unique_ptr<llvm::MCSubtargetInfo> generic(
      backend->createMCSubtargetInfo(triple, "", ""));
  if (!generic->isCPUStringValid(target.cpu))
    return llvm::createStringError("unknown CPU '" + target.cpu +
                                   "': expected native or a name that LLVM "
                                   "knows, such as x86-64-v3 or znver4");
  return std::unique_ptr<llvm::MCSubtargetInfo>(
      backend->createMCSubtargetInfo(triple, target.cpu, target.features));
}

llvm::Expected<CpuTarget> flow::resolveCpuTarget(llvm::StringRef name) {
  CpuTarget target;
  target.triple = llvm::sys::getProcessTriple();
  bool native = name == "native";
  target.cpu = native ? llvm::sys::getHostCPUName().str() : name.str();
  if (native) {
    llvm::SubtargetFeatures features;
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      features.AddFeature(feature.first(), feature.second);
    target.features = features.getString();
  }
  llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>> created =
      createSubtarget(target);
  if (!created)
    return created.takeError();
  const llvm::MCSubtargetInfo *subtarget = created->get();
  target.avx2 = subtarget->checkFeatures("+avx2");
  target.avx512 = subtarget->checkFeatures("+avx512f,+avx512bw,+avx512vl");
  target.vnni = target.avx512 && subtarget->checkFeatures("+avx512vnni");
  target.bf16 = target.avx512 && subtarget->checkFeatures("+avx512bf16");
  return target;
}

/// True for the features whose instructions LLVM picks by itself. A CPU's name
/// stands for many others, which clouds like to hide and no code here uses.
static bool isPickedByLlvm(llvm::StringRef feature) {
  if (feature == "avx512vp2intersect")
    return false;
  return feature.starts_with("avx") || feature.starts_with("sse") ||
         feature == "ssse3" ||
         llvm::is_contained(
             {"bmi", "bmi2", "f16c", "fma", "gfni", "lzcnt", "movbe", "popcnt"},
             feature);
}

llvm::Error flow::checkRunsHere(const CpuTarget &target) {
  llvm::Triple here(llvm::sys::getProcessTriple());
  if (llvm::Triple(target.triple).getArch() != here.getArch())
    return llvm::createStringError("the code is for " + target.triple +
                                   ", this machine is " + here.str());
  llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>> subtarget =
      createSubtarget(target);
  if (!subtarget)
    return subtarget.takeError();
  llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
  for (const llvm::SubtargetFeatureKV &feature :
       (*subtarget)->getEnabledProcessorFeatures()) {
    auto known = host.find(feature.Key);
    if (known != host.end() && !known->second && isPickedByLlvm(feature.Key))
      return llvm::createStringError("the code is for " + target.cpu +
                                     " and may use " + feature.Key +
                                     ", which this machine lacks");
  }
  return llvm::Error::success();
}
