// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Finds and runs programs of CUDA's toolkit.

#include "CudaTools.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

using namespace flow;

std::string flow::findCudaTool(llvm::StringRef name) {
  if (llvm::ErrorOr<std::string> path = llvm::sys::findProgramByName(name))
    return *path;
  llvm::SmallVector<std::string, 2> homes;
  for (const char *variable : {"CUDA_HOME", "CUDA_PATH"})
    if (std::optional<std::string> home = llvm::sys::Process::GetEnv(variable))
      homes.push_back(*home);
  // Where NVIDIA's installer puts it, unless another one is named.
  if (homes.empty())
    homes.push_back("/usr/local/cuda");
  for (const std::string &home : homes) {
    llvm::SmallString<128> path(home);
    llvm::sys::path::append(path, "bin", name);
    if (llvm::sys::fs::can_execute(path))
      return path.str().str();
  }
  return {};
}

llvm::Expected<TemporaryFile> TemporaryFile::create(llvm::StringRef extension) {
  TemporaryFile file;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("flow-cuda", extension, file.name))
    return llvm::createStringError("no temporary file can be made: " +
                                   code.message());
  file.remover = std::make_unique<llvm::FileRemover>(file.name);
  return file;
}

llvm::Expected<TemporaryFile> TemporaryFile::create(llvm::StringRef extension,
                                                    llvm::StringRef bytes) {
  llvm::Expected<TemporaryFile> file = create(extension);
  if (!file)
    return file;
  std::error_code code;
  llvm::raw_fd_ostream stream(file->name, code);
  if (!code) {
    stream << bytes;
    stream.close();
    code = stream.error();
    stream.clear_error();
  }
  if (code)
    return llvm::createStringError(file->name + ": " + code.message());
  return file;
}

llvm::Expected<std::string> TemporaryFile::read() const {
  auto buffer = llvm::MemoryBuffer::getFile(name);
  if (!buffer)
    return llvm::createStringError(name + ": " + buffer.getError().message());
  return (*buffer)->getBuffer().str();
}

llvm::Expected<std::string>
flow::runCudaTool(llvm::StringRef path, llvm::ArrayRef<std::string> arguments,
                  llvm::StringRef complaint) {
  llvm::Expected<TemporaryFile> log = TemporaryFile::create("log");
  if (!log)
    return log.takeError();
  llvm::SmallVector<llvm::StringRef> line{path};
  line.append(arguments.begin(), arguments.end());
  std::optional<llvm::StringRef> redirects[] = {"", log->path(), log->path()};
  std::string problem;
  int status = llvm::sys::ExecuteAndWait(path, line, std::nullopt, redirects, 0,
                                         0, &problem);
  llvm::Expected<std::string> said = log->read();
  if (said && status != 0)
    return llvm::createStringError(complaint + ": " +
                                   (problem.empty() ? *said : problem));
  return said;
}
