// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Runs the assembler of CUDA's toolkit.

#include "flow/Target/NvvmTarget.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/Regex.h"

#include <cstdlib>

using namespace flow;

std::string flow::findPtxas() {
  if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName("ptxas"))
    return *path;
  for (const char *home : {static_cast<const char *>(std::getenv("CUDA_HOME")),
                           static_cast<const char *>(std::getenv("CUDA_PATH")),
                           "/usr/local/cuda"}) {
    llvm::SmallString<128> path(home ? home : "");
    llvm::sys::path::append(path, "bin", "ptxas");
    if (home && llvm::sys::fs::can_execute(path))
      return path.str().str();
  }
  return {};
}

/// A temporary file that goes when its owner does.
static llvm::Expected<std::unique_ptr<llvm::FileRemover>>
makeTemporary(llvm::StringRef extension, llvm::SmallVectorImpl<char> &path) {
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("flow-ptx", extension, path))
    return llvm::createStringError("no temporary file can be made: " +
                                   code.message());
  return std::make_unique<llvm::FileRemover>(path);
}

static llvm::Expected<std::string> readFile(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(path + ": " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

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
  llvm::SmallString<128> input, output, log;
  auto inputFile = makeTemporary("ptx", input);
  if (!inputFile)
    return inputFile.takeError();
  auto outputFile = makeTemporary("cubin", output);
  if (!outputFile)
    return outputFile.takeError();
  auto logFile = makeTemporary("log", log);
  if (!logFile)
    return logFile.takeError();
  std::error_code code;
  llvm::raw_fd_ostream stream(input, code);
  if (!code) {
    stream << ptx;
    stream.close();
    code = stream.error();
  }
  if (code)
    return llvm::createStringError(input + ": " + code.message());

  std::string chip = "-arch=" + target.chip;
  llvm::StringRef arguments[] = {path, chip, "-v", input, "-o", output};
  std::optional<llvm::StringRef> redirects[] = {"", log.str(), log.str()};
  std::string problem;
  int status = llvm::sys::ExecuteAndWait(path, arguments, std::nullopt,
                                         redirects, 0, 0, &problem);
  llvm::Expected<std::string> said = readFile(log);
  if (!said)
    return said.takeError();
  if (status != 0)
    return llvm::createStringError("ptxas refuses the code: " +
                                   (problem.empty() ? *said : problem));
  llvm::Expected<std::string> cubin = readFile(output);
  if (!cubin)
    return cubin.takeError();
  return AssembledPtx{std::move(*cubin), readResources(*said)};
}
