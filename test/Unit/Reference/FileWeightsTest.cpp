// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Weights read from a file are the file's, and wrong files are refused.

#include "TestModule.h"

#include "flow/Import/GgufReader.h"
#include "flow/Reference/FileWeights.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/raw_ostream.h"

using namespace flow;

namespace {

/// A GGUF file of one tensor and no keys, which goes when the object goes.
class OneTensorFile {
public:
  /// `ne` has the contiguous dimension first, as files have it.
  OneTensorFile(llvm::StringRef tensor, std::vector<uint64_t> ne,
                ggml::Type type, llvm::StringRef data) {
    std::string bytes = "GGUF";
    put<uint32_t>(bytes, 3);
    put<uint64_t>(bytes, 1);
    put<uint64_t>(bytes, 0);
    put<uint64_t>(bytes, tensor.size());
    bytes += tensor;
    put<uint32_t>(bytes, ne.size());
    for (uint64_t extent : ne)
      put<uint64_t>(bytes, extent);
    put<uint32_t>(bytes, static_cast<uint32_t>(type));
    put<uint64_t>(bytes, 0);
    bytes.resize((bytes.size() + 31) / 32 * 32);
    bytes += data;
    bytes.resize((bytes.size() + 31) / 32 * 32);

    int descriptor;
    std::error_code code = llvm::sys::fs::createTemporaryFile(
        "flow-reference", "gguf", descriptor, name);
    EXPECT_FALSE(code) << code.message();
    llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true) << bytes;
    remover.setFile(name);
    llvm::Expected<std::unique_ptr<GgufReader>> opened = GgufReader::open(name);
    if (opened)
      reader = std::move(*opened);
    else
      ADD_FAILURE() << llvm::toString(opened.takeError());
  }

  std::unique_ptr<GgufReader> reader;

  template <typename T> static void put(std::string &bytes, T value) {
    char out[sizeof(T)];
    llvm::support::endian::write<T, llvm::endianness::little>(out, value);
    bytes.append(out, sizeof(T));
  }

private:
  llvm::SmallString<128> name;
  llvm::FileRemover remover;
};

/// @f returns the weight @w of the type `type` read from the tensor "w".
std::string moduleOf(const std::string &type, const std::string &tail = "") {
  return "flow.model @m <hidden = 32, vocab = 4, positions = 8> {\n"
         "  flow.weight @w : " +
         type + " " + tail +
         "\n}\n"
         "func.func @f() -> " +
         type + " {\n  %w = flow.weight_ref @m::@w : " + type +
         "\n  return %w : " + type + "\n}\n";
}

/// What @f of `text` returns with the weights of `file`.
llvm::Expected<std::vector<InterpretedValue>> callWith(TestModule &module,
                                                       OneTensorFile &file) {
  FileWeights weights(*file.reader);
  Interpreter interpreter(*module.module, weights);
  return interpreter.call("f", {}, module.caches);
}

std::string floats(std::vector<float> values) {
  std::string bytes;
  for (float value : values)
    OneTensorFile::put<float>(bytes, value);
  return bytes;
}

} // namespace

TEST(FileWeights, F32MatrixKeepsRowsFirst) {
  OneTensorFile file("w", {3, 2}, ggml::Type::F32, floats({1, 2, 3, 4, 5, 6}));
  TestModule module(moduleOf("tensor<2x3xf32>"));
  auto results = callWith(module, file);
  ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
  const Tensor &w = *std::get<TensorRef>(results->front());
  EXPECT_EQ(w.shape, (llvm::SmallVector<int64_t, 4>{2, 3}));
  EXPECT_EQ(w.values, (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(FileWeights, BlocksAreDecoded) {
  // One block of Q8_0: an f16 scale of 0.5, then quants -16 … 15.
  std::string data;
  OneTensorFile::put<uint16_t>(data, 0x3800);
  for (int q = -16; q < 16; ++q)
    OneTensorFile::put<int8_t>(data, q);
  OneTensorFile file("w", {32}, ggml::Type::Q8_0, data);
  TestModule module(moduleOf("tensor<32xf32>", "storage q8_0"));
  auto results = callWith(module, file);
  ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
  const Tensor &w = *std::get<TensorRef>(results->front());
  for (int i = 0; i < 32; ++i)
    EXPECT_EQ(w.values[i], 0.5f * (i - 16)) << "element " << i;
}

TEST(FileWeights, OffsetIsTheInterpretersAndFromNamesTheTensor) {
  OneTensorFile file("blk.0.norm", {2}, ggml::Type::F32, floats({0.25, -1}));
  TestModule module(
      moduleOf("tensor<2xf32>", "from \"blk.0.norm\" unit_offset"));
  auto results = callWith(module, file);
  ASSERT_TRUE(bool(results)) << llvm::toString(results.takeError());
  EXPECT_EQ(std::get<TensorRef>(results->front())->values,
            (std::vector<float>{1.25, 0}));
}

TEST(FileWeights, TransposedTensorIsRefusedThoughItsSizeFits) {
  OneTensorFile file("w", {2, 3}, ggml::Type::F32, floats({1, 2, 3, 4, 5, 6}));
  TestModule module(moduleOf("tensor<2x3xf32>"));
  auto results = callWith(module, file);
  ASSERT_FALSE(bool(results));
  std::string message = llvm::toString(results.takeError());
  EXPECT_NE(message.find("weight 'w' (@w) is [3, 2] in "), std::string::npos)
      << message;
  EXPECT_NE(message.find(", expected [2, 3]"), std::string::npos) << message;
}

TEST(FileWeights, MissingTensorIsNamed) {
  OneTensorFile file("other", {2}, ggml::Type::F32, floats({1, 2}));
  TestModule module(moduleOf("tensor<2xf32>"));
  auto results = callWith(module, file);
  ASSERT_FALSE(bool(results));
  std::string message = llvm::toString(results.takeError());
  EXPECT_NE(message.find("weight 'w' (@w) is not in"), std::string::npos)
      << message;
}

TEST(FileWeights, TypeThatCannotBeDecodedIsNamed) {
  OneTensorFile file("w", {2}, ggml::Type::I32, std::string(8, '\0'));
  TestModule module(moduleOf("tensor<2xf32>"));
  auto results = callWith(module, file);
  ASSERT_FALSE(bool(results));
  std::string message = llvm::toString(results.takeError());
  EXPECT_NE(message.find("cannot be decoded: I32"), std::string::npos)
      << message;
}
