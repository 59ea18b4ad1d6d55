// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes files under another name first, and tells of a full disk.

#include "flow/Compiler/OutputFile.h"

#include "llvm/Support/FileSystem.h"

using namespace flow;
using WriteFunction = llvm::function_ref<llvm::Error(llvm::raw_ostream &)>;

/// Calls `write` on `out` and tells of what went wrong in either.
static llvm::Error writeChecked(llvm::raw_fd_ostream &out, llvm::StringRef path,
                                WriteFunction write) {
  llvm::Error error = write(out);
  out.flush();
  std::error_code code = out.error();
  // A stream that goes with an error in it ends the process.
  out.clear_error();
  if (error || !code)
    return error;
  return llvm::createStringError(path + ": " + code.message());
}

llvm::Error flow::writeOutputFile(llvm::StringRef path, WriteFunction write) {
  if (path == "-")
    return writeChecked(llvm::outs(), "standard output", write);
  // What is neither a file nor absent, such as a terminal or a pipe, is written
  // to and not replaced.
  llvm::sys::fs::file_status status;
  if (!llvm::sys::fs::status(path, status) && llvm::sys::fs::is_other(status)) {
    std::error_code code;
    llvm::raw_fd_ostream out(path, code);
    if (code)
      return llvm::createStringError(path + ": " + code.message());
    return writeChecked(out, path, write);
  }
  llvm::Expected<llvm::sys::fs::TempFile> file =
      llvm::sys::fs::TempFile::create(path + ".%%%%%%%%.tmp",
                                      llvm::sys::fs::all_read |
                                          llvm::sys::fs::all_write);
  if (!file)
    return llvm::createFileError(path, file.takeError());
  llvm::raw_fd_ostream out(file->FD, /*shouldClose=*/false);
  if (llvm::Error error = writeChecked(out, path, write))
    return llvm::joinErrors(std::move(error), file->discard());
  if (llvm::Error error = file->keep(path))
    return llvm::createFileError(path, std::move(error));
  return llvm::Error::success();
}
