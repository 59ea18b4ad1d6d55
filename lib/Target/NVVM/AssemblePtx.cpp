// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the assembler of CUDA's toolkit.

#include "CudaTools.h"
#include "flow/Target/NvvmTarget.h"
#include "llvm/Support/Regex.h"

using namespace flow;

std::string flow::findPtxas() { return findCudaTool("ptxas"); }

/// The number in front of `unit` in a line of ptxas, or 0.
static int64_t numberBefore(llvm::StringRef line, llvm::StringRef unit) {
  llvm::SmallVector<llvm::StringRef, 2> groups;
  int64_t number = 0;
  if (llvm::Regex(("([0-9]+) " + unit).str()).match(line, &groups))
    groups[1].getAsInteger(10, number);
  return number;
}

/// Reads what `ptxas -v` prints: of each kernel a line that names it, one of
/// its spills and one of its registers.
static std::vector<KernelResources> readResources(llvm::StringRef log) {
  std::vector<KernelResources> kernels;
  llvm::SmallVector<llvm::StringRef> lines;
  log.split(lines, '\n');
  for (llvm::StringRef line : lines) {
    llvm::SmallVector<llvm::StringRef, 2> groups;
    if (llvm::Regex("Compiling entry function '([^']+)'").match(line, &groups))
      kernels.push_back({groups[1].str()});
    if (kernels.empty())
      continue;
    if (line.contains("spill stores")) {
      kernels.back().spillStores = numberBefore(line, "bytes spill stores");
      kernels.back().spillLoads = numberBefore(line, "bytes spill loads");
    }
    if (line.contains("registers")) {
      kernels.back().registers = numberBefore(line, "registers");
      kernels.back().staticShared = numberBefore(line, "bytes smem");
    }
  }
  return kernels;
}

llvm::Expected<AssembledPtx> flow::assemblePtx(llvm::StringRef ptx,
                                               const NvvmTarget &target,
                                               llvm::StringRef path) {
  llvm::Expected<TemporaryFile> input = TemporaryFile::create("ptx", ptx);
  if (!input)
    return input.takeError();
  llvm::Expected<TemporaryFile> output = TemporaryFile::create("cubin");
  if (!output)
    return output.takeError();
  llvm::Expected<std::string> said =
      runCudaTool(path,
                  {"-arch=" + target.chip, "-v", input->path().str(), "-o",
                   output->path().str()},
                  "ptxas refuses the code");
  if (!said)
    return said.takeError();
  llvm::Expected<std::string> cubin = output->read();
  if (!cubin)
    return cubin.takeError();
  return AssembledPtx{std::move(*cubin), readResources(*said)};
}
