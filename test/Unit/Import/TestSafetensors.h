// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes safetensors files and Hugging Face folders, right or wrong.

#ifndef FLOW_TEST_IMPORT_TESTSAFETENSORS_H
#define FLOW_TEST_IMPORT_TESTSAFETENSORS_H

#include "llvm/Support/Endian.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace flow {

/// The bytes of a file with this header and `data` bytes that count up.
inline std::string safetensors(llvm::StringRef header, size_t data) {
  std::string bytes(8, 0);
  llvm::support::endian::write64le(bytes.data(), header.size());
  bytes += header;
  for (size_t i = 0; i != data; ++i)
    bytes += static_cast<char>(i + 1);
  return bytes;
}

/// The entry of a tensor in a header.
inline std::string tensorEntry(llvm::StringRef name, llvm::StringRef dtype,
                               llvm::StringRef shape, uint64_t begin,
                               uint64_t end) {
  return ("\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape +
          R"(,"data_offsets":[)" + llvm::Twine(begin) + "," + llvm::Twine(end) +
          "]}")
      .str();
}

/// Tensors of zeros, one after another.
class SafetensorsBuilder {
public:
  SafetensorsBuilder &add(llvm::StringRef name, std::vector<int64_t> dims,
                          llvm::StringRef dtype = "F32") {
    uint64_t size = dtype == "F32" ? 4 : dtype.ends_with("F16") ? 2 : 1;
    std::string shape;
    for (int64_t dim : dims) {
      size *= dim;
      shape += (shape.empty() ? "" : ",") + std::to_string(dim);
    }
    header += header.empty() ? "" : ",";
    header += tensorEntry(name, dtype, "[" + shape + "]", end, end + size);
    end += size;
    return *this;
  }
  std::string bytes() const {
    std::string file = safetensors("{" + header + "}", 0);
    file.resize(file.size() + end);
    return file;
  }

private:
  std::string header;
  uint64_t end = 0;
};

/// A folder that goes when the object goes.
class TestFolder {
public:
  TestFolder() {
    std::error_code code =
        llvm::sys::fs::createUniqueDirectory("flow-hf", name);
    EXPECT_FALSE(code) << code.message();
  }
  ~TestFolder() { llvm::sys::fs::remove_directories(name); }
  TestFolder(const TestFolder &) = delete;
  TestFolder &operator=(const TestFolder &) = delete;

  std::string path(llvm::StringRef file) const {
    return (name + "/" + file).str();
  }
  llvm::StringRef path() const { return name; }
  TestFolder &write(llvm::StringRef file, llvm::StringRef bytes) {
    std::error_code code;
    llvm::raw_fd_ostream(path(file), code) << bytes;
    EXPECT_FALSE(code) << code.message();
    return *this;
  }

private:
  llvm::SmallString<128> name;
};

/// The message of a value that must be an error, without the path of `folder`
/// and what `file` says.
template <typename T>
std::string folderMessage(llvm::Expected<T> value, const TestFolder &folder,
                          llvm::StringRef file = "") {
  if (value)
    return "no error";
  std::string message = llvm::toString(value.takeError());
  llvm::StringRef text = message;
  EXPECT_TRUE(text.consume_front(folder.path())) << message;
  // Only the members of a list have lines of their own.
  for (llvm::StringRef more = text; more.contains('\n');) {
    more = more.split('\n').second;
    EXPECT_TRUE(more.starts_with("  ")) << message;
  }
  text.consume_front("/");
  text.consume_front(file);
  return text.str();
}

} // namespace flow

#endif // FLOW_TEST_IMPORT_TESTSAFETENSORS_H
