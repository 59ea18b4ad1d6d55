// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Assembles PTX and prints a line for each kernel, in Markdown: its registers,
// what it spills, and the instructions of a turn of its main loop.
//
//   flow-test-gpu-instructions CHIP PTX...

#include "flow/Target/GpuInstructions.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

using namespace flow;

static llvm::Error printKernels(llvm::StringRef path, const NvvmTarget &target,
                                llvm::StringRef ptxas) {
  auto text = llvm::MemoryBuffer::getFile(path);
  if (!text)
    return llvm::createStringError(path + ": " + text.getError().message());
  llvm::Expected<AssembledPtx> assembled =
      assemblePtx((*text)->getBuffer(), target, ptxas);
  if (!assembled)
    return assembled.takeError();
  auto kernels = readMachineInstructions(assembled->cubin, target);
  if (!kernels)
    return kernels.takeError();
  for (const KernelInstructions &kernel : *kernels) {
    auto resources =
        llvm::find_if(assembled->kernels, [&](const KernelResources &r) {
          return r.kernel == kernel.kernel;
        });
    if (resources == assembled->kernels.end())
      return llvm::createStringError("ptxas says nothing of '" + kernel.kernel +
                                     "'");
    llvm::outs() << "| " << kernel.kernel << " | " << resources->registers
                 << " | " << resources->spillStores + resources->spillLoads
                 << " | " << kernel.loop.total();
    for (int64_t count : kernel.loop.counts)
      llvm::outs() << " | " << count;
    llvm::outs() << " |\n";
  }
  return llvm::Error::success();
}

int main(int argc, char **argv) {
  auto fail = [](llvm::Error error) {
    llvm::errs() << "error: " << llvm::toString(std::move(error)) << '\n';
    return 1;
  };
  if (argc < 3)
    return fail(llvm::createStringError("expected CHIP PTX..."));
  llvm::Expected<NvvmTarget> target = resolveNvvmTarget(argv[1]);
  if (!target)
    return fail(target.takeError());
  llvm::outs() << "| kernel | registers | spilled B | loop";
  for (size_t i = 0; i != kGpuInstructions; ++i)
    llvm::outs() << " | " << nameOf(static_cast<GpuInstruction>(i));
  llvm::outs() << " |\n";
  for (int i = 2; i != argc; ++i)
    if (llvm::Error error = printKernels(argv[i], *target, findPtxas()))
      return fail(std::move(error));
  return 0;
}
