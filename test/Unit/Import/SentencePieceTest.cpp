// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A tokenizer.model is read field by field, and what is wrong is refused.

#include "TestHfModels.h"

#include "flow/Import/TokenizerData.h"

#include <gmock/gmock.h>

using namespace flow;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

std::string varint(uint64_t value) {
  std::string result;
  for (; value >= 128; value >>= 7)
    result += static_cast<char>((value & 127) | 128);
  return result + static_cast<char>(value);
}
/// A field of a number, of bytes and of an f32.
std::string field(int number, int value) {
  return varint(number << 3) + varint(value);
}
std::string field(int number, const std::string &bytes) {
  return varint(number << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string real(int number, float value) {
  std::string bytes(4, 0);
  std::memcpy(bytes.data(), &value, 4);
  return varint(number << 3 | 5) + bytes;
}

std::string piece(const std::string &text, float score = 0, int type = 1) {
  std::string message = field(1, text) + real(2, score);
  return field(1, type == 1 ? message : message + field(3, type));
}

const std::string kPieces =
    piece("<pad>", 0, 3) + piece("<eos>", 0, 3) + piece("<bos>", 0, 3) +
    piece("<unk>", 0, 2) + piece("<start_of_turn>", 0, 4) +
    piece("\u2581\u2581", 0, 4) + piece("<unused0>", 0, 4) +
    piece("<0x00>", 0, 6) + piece("ab", -0.5f) + piece("a", -1.5f);
const std::string kTrainer = field(3, 2) + field(35, 1);
const std::string kNormalizer =
    field(1, std::string("identity")) + field(3, 0) + field(4, 0);

std::string model(const std::string &pieces = kPieces,
                  const std::string &trainer = kTrainer,
                  const std::string &normalizer = kNormalizer) {
  return pieces + field(2, trainer) + field(3, normalizer);
}

/// A folder whose tokenizer is a tokenizer.model of these bytes.
class PieceFolder {
public:
  explicit PieceFolder(llvm::StringRef bytes,
                       llvm::StringRef type = "gemma3_text") {
    folder.write("config.json", hfConfig(type, "\"eos_token_id\":[1,8]"));
    folder.write("model.safetensors", hfWeights(hfTensors()));
    folder.write("tokenizer.model", bytes);
    file = llvm::cantFail(HfModel::open(folder.path()));
  }
  std::string error(int64_t vocab = 300) {
    return folderMessage(file->readTokenizer(vocab), folder,
                         "tokenizer.model: ");
  }

  TestFolder folder;
  std::unique_ptr<HfModel> file;
};

std::string errorOf(const std::string &bytes) {
  return PieceFolder(bytes).error();
}

} // namespace

TEST(SentencePiece, PiecesScoresAndTypes) {
  PieceFolder pieces(model());
  EXPECT_TRUE(pieces.file->hasTokenizer());
  TokenizerData data = llvm::cantFail(pieces.file->readTokenizer(300));
  EXPECT_EQ(data.model, "llama");
  EXPECT_THAT(data.tokens,
              ElementsAre("<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>",
                          "  ", "<unused0>", "<0x00>", "ab", "a"));
  EXPECT_THAT(data.types, ElementsAre(3, 3, 3, 2, 3, 4, 3, 6, 1, 1));
  EXPECT_THAT(data.scores, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, -0.5f, -1.5f));
  EXPECT_EQ(data.bos, 2);
  EXPECT_EQ(data.eos, 1);
  EXPECT_THAT(data.ends, ElementsAre(1, 8));
  EXPECT_EQ(data.unknown, 3);
  EXPECT_TRUE(data.addBos);
  EXPECT_FALSE(data.addSpacePrefix);
}

TEST(SentencePiece, FieldsInAnyOrderAndOthersPassedOver) {
  std::string other = field(76, std::string("self test")) + field(77, 5) +
                      real(78, 1.5f) + varint(79 << 3 | 1) + "12345678";
  PieceFolder pieces(field(3, other + kNormalizer) + other +
                     field(2, kTrainer + other) + kPieces);
  EXPECT_EQ(llvm::cantFail(pieces.file->readTokenizer(300)).tokens.size(), 10u);
}

TEST(SentencePiece, ATokenizerJsonGoesBefore) {
  PieceFolder pieces(model());
  pieces.folder.write("tokenizer.json", "[]");
  EXPECT_THAT(folderMessage(pieces.file->readTokenizer(300), pieces.folder,
                            "tokenizer.json: "),
              StartsWith("must hold a JSON object"));
}

TEST(SentencePiece, CutOffAnywhere) {
  std::string whole = model();
  EXPECT_EQ(errorOf(whole), "no error");
  for (size_t size = 2; size != whole.size(); ++size)
    EXPECT_THAT(errorOf(whole.substr(0, size)),
                AnyOf(HasSubstr("is cut off at byte "),
                      HasSubstr("has no field where one is expected"),
                      // Whole fields: what follows is as if it were not there.
                      HasSubstr("' must be ")))
        << size;
  EXPECT_EQ(errorOf("x"), "has 1 bytes, too few for a SentencePiece model");
}

TEST(SentencePiece, LengthsBeyondTheFileCostNothing) {
  EXPECT_THAT(errorOf("\x0a\xff\xff\xff\xff\x07"),
              StartsWith("is cut off at byte "));
  EXPECT_THAT(errorOf(field(1, std::string("\x0a\xff\xff\xff\xff\x0f"))),
              StartsWith("is cut off at byte "));
  EXPECT_THAT(errorOf(std::string(64, '\xff')), testing::Not("no error"));
  EXPECT_THAT(errorOf(std::string(64, '\0')),
              StartsWith("has no field where one is expected at byte "));
  // Groups within groups, which no reader may follow down its stack.
  EXPECT_THAT(errorOf(std::string(100000, '\x4b')),
              StartsWith("is cut off at byte "));
}

TEST(SentencePiece, FieldsOfAnotherType) {
  EXPECT_THAT(errorOf(field(1, 5)),
              StartsWith("has a field 1 of the wire type 0, expected 2 at "));
  EXPECT_THAT(errorOf(field(1, field(2, 5))),
              StartsWith("has a field 2 of the wire type 0, expected 5 at "));
  EXPECT_THAT(errorOf(field(1, real(3, 1))),
              StartsWith("has a field 3 of the wire type 5, expected 0 at "));
  EXPECT_THAT(errorOf(field(2, field(35, std::string("yes")))),
              StartsWith("has a field 35 of the wire type 2, expected 0 at "));
}

TEST(SentencePiece, OtherKindsAreRefused) {
  EXPECT_EQ(errorOf(model(kPieces, field(35, 1))),
            "field 'trainer_spec.model_type' must be 2 (BPE), as every Gemma's "
            "is, found 1");
  EXPECT_THAT(errorOf(model(kPieces, field(3, 2))),
              StartsWith("field 'trainer_spec.byte_fallback' must be true"));
  EXPECT_THAT(
      errorOf(
          model(kPieces, kTrainer, kNormalizer + field(2, std::string("map")))),
      StartsWith("field 'normalizer_spec.precompiled_charsmap' must be empty"));
  EXPECT_THAT(
      errorOf(model(kPieces, kTrainer, field(4, 0))),
      StartsWith("field 'normalizer_spec.add_dummy_prefix' must be false"));
  EXPECT_THAT(errorOf(model(kPieces, kTrainer, field(3, 0))),
              StartsWith("field 'normalizer_spec.remove_extra_whitespaces' "
                         "must be false"));
  EXPECT_THAT(
      errorOf(model(kPieces, kTrainer, kNormalizer + field(5, 0))),
      StartsWith("field 'normalizer_spec.escape_whitespaces' must be true"));
}

TEST(SentencePiece, PiecesThatAreWrong) {
  EXPECT_EQ(errorOf(model("")), "has no pieces");
  EXPECT_EQ(errorOf(model(kPieces + piece("x", 0, 7))),
            "piece 10 has the unknown type 7");
  EXPECT_EQ(errorOf(model(kPieces + piece("x", 0, 0))),
            "piece 10 has the unknown type 0");
  EXPECT_EQ(errorOf(model(kPieces + piece("x", 0, 2))),
            "has two unknown pieces, 3 and 10");
  EXPECT_EQ(PieceFolder(model()).error(9),
            "has more pieces than the embedding's 9 rows");
  EXPECT_EQ(errorOf(model(piece("<pad>", 0, 3))),
            "a special token of the configuration has the id 1, expected one "
            "below 1");
}
