// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Writes small GGUF files, right ones and wrong ones, for the reader's tests.

#ifndef FLOW_TEST_IMPORT_TESTGGUF_H
#define FLOW_TEST_IMPORT_TESTGGUF_H

#include "flow/Import/GgufReader.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

namespace flow {

/// Ids of value types as files write them.
enum TestValueType : uint32_t {
  U8 = 0,
  I8 = 1,
  U16 = 2,
  I16 = 3,
  U32 = 4,
  I32 = 5,
  F32 = 6,
  BOOL = 7,
  STRING = 8,
  ARRAY = 9,
  U64 = 10,
  I64 = 11,
  F64 = 12
};

/// Bytes in the order of a file.
class TestBytes {
public:
  template <typename T> TestBytes &put(T value) {
    const char *bytes = reinterpret_cast<const char *>(&value);
    text.append(bytes, sizeof(value));
    return *this;
  }
  TestBytes &putString(llvm::StringRef value) {
    put<uint64_t>(value.size());
    text += value;
    return *this;
  }
  std::string text;
};

/// A file in the making. Every field may be set to something wrong before
/// `bytes` lays it out.
class TestGguf {
public:
  struct Key {
    std::string name;
    uint32_t type;
    std::string value;
  };
  struct Tensor {
    std::string name;
    /// In the file's order: the contiguous dimension first.
    std::vector<uint64_t> ne;
    uint32_t type = 0;
    uint64_t bytes = 0;
    /// Where it says it is, if not where it is.
    std::optional<uint64_t> offset;
    /// What it holds, if that matters.
    std::string contents;
  };

  std::string magic = "GGUF";
  uint32_t version = 3;
  uint64_t alignment = 32;
  std::optional<uint64_t> keyCount, tensorCount;
  std::vector<Key> keys;
  std::vector<Tensor> tensors;

  TestGguf &key(llvm::StringRef name, uint32_t type, TestBytes value) {
    keys.push_back({name.str(), type, value.text});
    return *this;
  }
  template <typename T>
  TestGguf &number(llvm::StringRef name, uint32_t type, T value) {
    return key(name, type, TestBytes().put<T>(value));
  }
  TestGguf &u32(llvm::StringRef name, uint32_t value) {
    return number<uint32_t>(name, U32, value);
  }
  TestGguf &f32(llvm::StringRef name, float value) {
    return number<float>(name, F32, value);
  }
  TestGguf &string(llvm::StringRef name, llvm::StringRef value) {
    return key(name, STRING, TestBytes().putString(value));
  }
  template <typename T>
  TestGguf &array(llvm::StringRef name, uint32_t type,
                  const std::vector<T> &values) {
    TestBytes bytes;
    bytes.put<uint32_t>(type).template put<uint64_t>(values.size());
    for (T value : values)
      bytes.put<T>(value);
    return key(name, ARRAY, bytes);
  }
  TestGguf &strings(llvm::StringRef name,
                    const std::vector<std::string> &values) {
    TestBytes bytes;
    bytes.put<uint32_t>(STRING).put<uint64_t>(values.size());
    for (const std::string &value : values)
      bytes.putString(value);
    return key(name, ARRAY, bytes);
  }
  /// An f32 tensor unless `type` says otherwise.
  TestGguf &tensor(llvm::StringRef name, std::vector<uint64_t> ne,
                   ggml::Type type = ggml::Type::F32) {
    ggml::TypeInfo info = *ggml::typeInfo(uint32_t(type));
    uint64_t elements = 1;
    for (uint64_t dim : ne)
      elements *= dim;
    tensors.push_back({name.str(),
                       std::move(ne),
                       uint32_t(type),
                       elements / info.blockElements * info.blockBytes,
                       std::nullopt,
                       {}});
    return *this;
  }
  /// A vector of F32 that holds `values`.
  TestGguf &floats(llvm::StringRef name, const std::vector<float> &values) {
    tensor(name, {values.size()});
    TestBytes bytes;
    for (float value : values)
      bytes.put(value);
    tensors.back().contents = bytes.text;
    return *this;
  }

  void remove(llvm::StringRef name) {
    llvm::erase_if(keys, [&](const Key &key) { return key.name == name; });
    llvm::erase_if(tensors, [&](const Tensor &t) { return t.name == name; });
  }
  /// Gives a key that is there another value.
  template <typename T>
  void replace(llvm::StringRef name, uint32_t type, T value) {
    remove(name);
    number<T>(name, type, value);
  }
  Tensor &at(llvm::StringRef name) {
    for (Tensor &tensor : tensors)
      if (tensor.name == name)
        return tensor;
    ADD_FAILURE() << "no tensor " << name.str();
    return tensors.front();
  }

  /// Byte i of the data section is 7 i + 1 modulo 256 where no contents say
  /// otherwise.
  std::string bytes() const {
    TestBytes out;
    out.text = magic;
    out.put(version);
    out.put<uint64_t>(tensorCount.value_or(tensors.size()));
    out.put<uint64_t>(keyCount.value_or(keys.size()));
    for (const Key &key : keys) {
      out.putString(key.name).put(key.type);
      out.text += key.value;
    }
    uint64_t end = 0;
    for (const Tensor &tensor : tensors) {
      out.putString(tensor.name).put<uint32_t>(tensor.ne.size());
      for (uint64_t dim : tensor.ne)
        out.put(dim);
      out.put(tensor.type).put<uint64_t>(tensor.offset.value_or(end));
      end += (tensor.bytes + alignment - 1) / alignment * alignment;
    }
    out.text.resize((out.text.size() + alignment - 1) / alignment * alignment);
    size_t data = out.text.size();
    for (uint64_t i = 0; i != end; ++i)
      out.text += static_cast<char>(7 * i + 1);
    end = 0;
    for (const Tensor &tensor : tensors) {
      out.text.replace(data + end, tensor.contents.size(), tensor.contents);
      end += (tensor.bytes + alignment - 1) / alignment * alignment;
    }
    return out.text;
  }
};

/// A file of the given bytes that goes when the object goes.
class TestFile {
public:
  explicit TestFile(llvm::StringRef bytes) {
    int descriptor;
    std::error_code code = llvm::sys::fs::createTemporaryFile(
        "flow-import", "gguf", descriptor, name);
    EXPECT_FALSE(code) << code.message();
    llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true) << bytes;
    remover.setFile(name);
  }
  explicit TestFile(const TestGguf &file) : TestFile(file.bytes()) {}
  llvm::StringRef path() const { return name; }

private:
  llvm::SmallString<128> name;
  llvm::FileRemover remover;
};

/// The message of a value that must be an error, without the file's path.
template <typename T>
std::string messageOf(llvm::Expected<T> value, llvm::StringRef path) {
  if (value)
    return "no error";
  std::string message = llvm::toString(value.takeError());
  llvm::StringRef text = message;
  EXPECT_TRUE(text.consume_front((path + ": ").str())) << message;
  return text.str();
}

/// What the reader says of `bytes`; "no error" if it reads them.
inline std::string readError(llvm::StringRef bytes) {
  TestFile file(bytes);
  return messageOf(GgufReader::open(file.path()), file.path());
}
inline std::string readError(const TestGguf &file) {
  return readError(file.bytes());
}

/// Opens a file that must be right. Mapped files outlive their names.
inline std::unique_ptr<GgufReader> mustOpen(const TestGguf &file) {
  TestFile onDisk(file);
  llvm::Expected<std::unique_ptr<GgufReader>> reader =
      GgufReader::open(onDisk.path());
  if (reader)
    return std::move(*reader);
  ADD_FAILURE() << llvm::toString(reader.takeError());
  return nullptr;
}

} // namespace flow

#endif // FLOW_TEST_IMPORT_TESTGGUF_H
