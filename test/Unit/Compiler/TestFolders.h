// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A folder of a test's own, and what lies in it.

#ifndef FLOW_TEST_COMPILER_TESTFOLDERS_H
#define FLOW_TEST_COMPILER_TESTFOLDERS_H

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace flow {

/// A new folder that goes, with all that is in it, when the object goes.
class TestFolder {
public:
  TestFolder() {
    std::error_code code =
        llvm::sys::fs::createUniqueDirectory("flow-compiler", name);
    EXPECT_FALSE(code) << code.message();
  }
  ~TestFolder() { llvm::sys::fs::remove_directories(name); }
  TestFolder(const TestFolder &) = delete;
  TestFolder &operator=(const TestFolder &) = delete;

  std::string path() const { return name.str().str(); }
  std::string path(llvm::StringRef file) const {
    llvm::SmallString<128> whole = name;
    llvm::sys::path::append(whole, file);
    return whole.str().str();
  }

  /// The names of what lies in the folder, sorted.
  std::vector<std::string> list() const {
    std::vector<std::string> names;
    std::error_code code;
    for (llvm::sys::fs::directory_iterator entry(name, code), end;
         !code && entry != end; entry.increment(code))
      names.push_back(llvm::sys::path::filename(entry->path()).str());
    EXPECT_FALSE(code) << code.message();
    llvm::sort(names);
    return names;
  }

private:
  llvm::SmallString<128> name;
};

inline std::string readBytes(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (buffer)
    return (*buffer)->getBuffer().str();
  ADD_FAILURE() << path << ": " << buffer.getError().message();
  return "";
}

inline void writeBytes(const std::string &path, llvm::StringRef bytes) {
  std::error_code code;
  llvm::raw_fd_ostream out(path, code);
  ASSERT_FALSE(code) << path << ": " << code.message();
  out << bytes;
}

/// While it lives, no file of this process grows beyond `bytes`: writing more
/// fails the way it does on a full disk.
class FullDisk {
public:
  explicit FullDisk(rlim_t bytes) {
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
    rlimit limit = before;
    limit.rlim_cur = bytes;
    handler = std::signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FullDisk() {
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, handler);
  }
  FullDisk(const FullDisk &) = delete;
  FullDisk &operator=(const FullDisk &) = delete;

private:
  rlimit before;
  void (*handler)(int);
};

/// The message of a value that must be an error.
template <typename T> std::string errorOf(llvm::Expected<T> value) {
  return value ? "no error" : llvm::toString(value.takeError());
}
inline std::string errorOf(llvm::Error error) {
  return error ? llvm::toString(std::move(error)) : "no error";
}

} // namespace flow

#endif // FLOW_TEST_COMPILER_TESTFOLDERS_H
