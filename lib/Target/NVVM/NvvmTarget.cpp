// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The architectures that are known.

#include "flow/Target/NvvmTarget.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace flow;

namespace {
struct Chip {
  llvm::StringLiteral name;
  /// PTX 8.0 has all that kernels up to sm_90a use; the others exist from 8.6
  /// and 8.7 on.
  llvm::StringLiteral features;
  /// Kilobytes that a CTA may ask for and that an SM has, as the tables of
  /// compute capabilities in the CUDA Programming Guide say.
  int64_t sharedLimit, shared;
  bool hasWarpgroups = false;
};

constexpr Chip kChips[] = {
    {"sm_80", "+ptx80", 163, 164},        {"sm_86", "+ptx80", 99, 100},
    {"sm_89", "+ptx80", 99, 100},         {"sm_90", "+ptx80", 227, 228},
    {"sm_90a", "+ptx80", 227, 228, true}, {"sm_100", "+ptx86", 227, 228},
    {"sm_120", "+ptx87", 99, 100},
};
} // namespace

llvm::ArrayRef<llvm::StringLiteral> flow::nvvmChips() {
  static const auto names = [] {
    std::array<llvm::StringLiteral, std::size(kChips)> list{
        kChips[0].name, kChips[1].name, kChips[2].name, kChips[3].name,
        kChips[4].name, kChips[5].name, kChips[6].name};
    return list;
  }();
  return names;
}

llvm::Expected<NvvmTarget> flow::resolveNvvmTarget(llvm::StringRef name) {
  const Chip *chip =
      llvm::find_if(kChips, [&](const Chip &c) { return c.name == name; });
  if (chip == std::end(kChips))
    return llvm::createStringError("'" + name +
                                   "' is no GPU architecture that is known: " +
                                   llvm::join(nvvmChips(), ", "));
  constexpr int64_t kKilobyte = 1024;
  return NvvmTarget{chip->name.str(), chip->features.str(),
                    chip->sharedLimit * kKilobyte, chip->shared * kKilobyte,
                    chip->hasWarpgroups};
}

llvm::Expected<std::vector<NvvmTarget>>
flow::resolveNvvmTargets(llvm::StringRef list) {
  std::vector<NvvmTarget> targets;
  for (llvm::StringRef name : llvm::split(list, ',')) {
    llvm::Expected<NvvmTarget> target = resolveNvvmTarget(name);
    if (!target)
      return target.takeError();
    targets.push_back(std::move(*target));
  }
  llvm::sort(targets, [](const NvvmTarget &a, const NvvmTarget &b) {
    return std::pair(a.architecture(), a.chip) <
           std::pair(b.architecture(), b.chip);
  });
  // One plan serves them all, so they launch the same kernels.
  int64_t limit = targets.front().sharedMemoryLimit;
  bool haveWarpgroups = true;
  for (const NvvmTarget &target : targets) {
    limit = std::min(limit, target.sharedMemoryLimit);
    haveWarpgroups &= target.hasWarpgroups;
  }
  llvm::StringRef before;
  for (NvvmTarget &target : targets) {
    if (target.chip == before)
      return llvm::createStringError("'" + before + "' is named twice");
    before = target.chip;
    target.sharedMemoryLimit = limit;
    target.hasWarpgroups = haveWarpgroups;
  }
  return targets;
}

int NvvmTarget::architecture() const {
  int number = 0;
  llvm::StringRef digits = llvm::StringRef(chip).drop_front(sizeof("sm_") - 1);
  digits.consumeInteger(10, number);
  return number;
}

llvm::Expected<NvvmTarget> flow::nvvmTargetFor(int architecture) {
  for (llvm::StringRef name : llvm::reverse(nvvmChips())) {
    llvm::Expected<NvvmTarget> target = resolveNvvmTarget(name);
    if (!target || target->architecture() == architecture ||
        (target->architecture() < architecture && !target->hasWarpgroups))
      return target;
  }
  return llvm::createStringError("kernels need " + nvvmChips().front() +
                                 " or newer, the GPU is sm_" +
                                 llvm::Twine(architecture));
}
