// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Resolves CPU names and their features.

#include "flow/Target/CpuTarget.h"

#include "TargetMachine.h"
#include "TilePermission.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/SubtargetFeature.h"

#include <mutex>

using namespace flow;

/// Registers the code generators that LLVM has; it keeps them for the process.
static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
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

/// What LLVM knows of `target`; null for a CPU that it does not know.
static llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>>
findSubtarget(const CpuTarget &target) {
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
    return nullptr;
  return std::unique_ptr<llvm::MCSubtargetInfo>(
      backend->createMCSubtargetInfo(triple, target.cpu, target.features));
}

/// The same; an error for a CPU that it does not know.
static llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>>
createSubtarget(const CpuTarget &target) {
  auto found = findSubtarget(target);
  if (found && !*found)
    return llvm::createStringError(
        "unknown CPU '" + target.cpu +
        "': expected native or a name that LLVM knows, such as x86-64-v3, "
        "znver4 or neoverse-v2");
  return found;
}

/// Leaves the triple of `target` if its CPU is one of that, and else looks for
/// one that the CPU is of.
static llvm::Error chooseTriple(CpuTarget &target) {
  CpuTarget other = target;
  for (llvm::StringRef triple :
       {llvm::StringRef(target.triple),
        llvm::StringRef("x86_64-unknown-linux-gnu"),
        llvm::StringRef("aarch64-unknown-linux-gnu")}) {
    other.triple = triple.str();
    auto found = findSubtarget(other);
    if (!found)
      return found.takeError();
    if (!*found)
      continue;
    target.triple = other.triple;
    break;
  }
  return llvm::Error::success();
}

/// Whether products may be tiles.
static bool hasTiles(const llvm::MCSubtargetInfo &subtarget) {
  return subtarget.getTargetTriple().isX86() &&
         subtarget.checkFeatures("+amx-tile,+amx-bf16,+amx-int8");
}

llvm::Expected<CpuTarget> flow::resolveCpuTarget(llvm::StringRef name) {
  CpuTarget target;
  target.triple = llvm::sys::getProcessTriple();
  bool native = name == "native";
  target.cpu = native ? llvm::sys::getHostCPUName().str() : name.str();
  if (native) {
    llvm::StringMap<bool> host = llvm::sys::getHostCPUFeatures();
    bool isRefused =
        host.lookup("amx-tile") && llvm::errorToBool(requestTiles());
    llvm::SubtargetFeatures features;
    for (const auto &feature : host)
      features.AddFeature(
          feature.first(),
          feature.second && !(isRefused && feature.first().starts_with("amx")));
    target.features = features.getString();
  } else if (llvm::Error error = chooseTriple(target)) {
    return error;
  }
  llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>> created =
      createSubtarget(target);
  if (!created)
    return created.takeError();
  const llvm::MCSubtargetInfo *subtarget = created->get();
  if (llvm::Triple(target.triple).isAArch64()) {
    target.neon = true;
    target.dotprod = subtarget->checkFeatures("+dotprod");
    target.i8mm = target.dotprod && subtarget->checkFeatures("+i8mm");
    target.bf16 = subtarget->checkFeatures("+bf16");
    return target;
  }
  target.avx2 = subtarget->checkFeatures("+avx2");
  target.avx512 = subtarget->checkFeatures("+avx512f,+avx512bw,+avx512vl");
  target.vnni = target.avx512 && subtarget->checkFeatures("+avx512vnni");
  target.bf16 = target.avx512 && subtarget->checkFeatures("+avx512bf16");
  target.vnni256 = target.avx2 && subtarget->checkFeatures("+avxvnni");
  target.amx = hasTiles(*subtarget);
  return target;
}

/// True for the features whose instructions LLVM picks by itself, and those of
/// tiles, which our products are made of. A CPU's name stands for many others,
/// which clouds like to hide and no code here uses.
static bool mayBeUsed(llvm::StringRef feature) {
  if (feature == "avx512vp2intersect")
    return false;
  // Of AArch64.
  if (llvm::is_contained({"neon", "dotprod", "i8mm", "bf16", "fullfp16"},
                         feature) ||
      feature.starts_with("sve"))
    return true;
  return feature.starts_with("avx") || feature.starts_with("sse") ||
         feature == "ssse3" ||
         llvm::is_contained({"amx-tile", "amx-bf16", "amx-int8", "bmi", "bmi2",
                             "f16c", "fma", "gfni", "lzcnt", "movbe", "popcnt"},
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
  // Of AArch64 LLVM finds few features; the others are those of the CPU's name.
  if (here.isAArch64()) {
    CpuTarget native = target;
    native.triple = here.str();
    native.cpu = llvm::sys::getHostCPUName().str();
    native.features.clear();
    llvm::Expected<std::unique_ptr<llvm::MCSubtargetInfo>> machine =
        createSubtarget(native);
    if (!machine)
      return machine.takeError();
    for (const llvm::SubtargetFeatureKV &feature :
         (*subtarget)->getEnabledProcessorFeatures())
      host.try_emplace(
          feature.Key,
          (*machine)->checkFeatures((llvm::Twine("+") + feature.Key).str()));
  }
  for (const llvm::SubtargetFeatureKV &feature :
       (*subtarget)->getEnabledProcessorFeatures()) {
    auto known = host.find(feature.Key);
    if (known != host.end() && !known->second && mayBeUsed(feature.Key))
      return llvm::createStringError("the code is for " + target.cpu +
                                     " and may use " + feature.Key +
                                     ", which this machine lacks");
  }
  if (hasTiles(**subtarget))
    if (llvm::Error error = requestTiles())
      return llvm::createStringError("the code is for " + target.cpu +
                                     " and uses AMX tiles, but " +
                                     llvm::toString(std::move(error)));
  return llvm::Error::success();
}
