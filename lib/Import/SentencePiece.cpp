// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads tokenizer.model, the vocabulary as SentencePiece has trained it.
//
// Of a message of five kinds of fields three are needed, so that the fields are
// read one after another, with the bounds checked by protobuf's own reader.

#include "SentencePiece.h"

#include "HfTokens.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/Twine.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>

#include <climits>

using namespace flow;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

namespace {

/// What a tokenizer.model says, with the defaults of its fields.
struct Model {
  struct Piece {
    std::string text;
    float score = 0;
    int32_t type = kNormal;
  };
  std::vector<Piece> pieces;
  int32_t modelType = 1; // unigrams
  bool byteFallback = false;
  bool hasCharacterMap = false;
  bool addDummyPrefix = true, removeExtraSpaces = true, escapeSpaces = true;
};

constexpr int32_t kBpe = 2;

/// Reads the fields of messages. What is wrong is noted once.
class MessageReader {
public:
  explicit MessageReader(llvm::StringRef bytes)
      : in(reinterpret_cast<const uint8_t *>(bytes.data()),
           static_cast<int>(bytes.size())) {}

  /// Calls `take` with the number of each field up to the end of the message;
  /// a field that it does not take is passed over.
  void fields(llvm::function_ref<bool(int number)> take);
  /// The same within a field that is a message.
  void message(llvm::function_ref<bool(int number)> take);

  // The value of the field at hand.
  bool flag() { return integer() != 0; }
  int32_t integer();
  float number();
  std::string bytes();

  std::string problem;

private:
  bool expect(WireFormatLite::WireType type);
  void note(const llvm::Twine &what) {
    if (problem.empty())
      problem = (what + " at byte " + llvm::Twine(in.CurrentPosition())).str();
  }
  void cutOff() { note("is cut off"); }

  CodedInputStream in;
  uint32_t tag = 0;
};

bool MessageReader::expect(WireFormatLite::WireType type) {
  if (!problem.empty())
    return false;
  WireFormatLite::WireType found = WireFormatLite::GetTagWireType(tag);
  if (found != type)
    note("has a field " + llvm::Twine(WireFormatLite::GetTagFieldNumber(tag)) +
         " of the wire type " + llvm::Twine(int(found)) + ", expected " +
         llvm::Twine(int(type)));
  return found == type;
}

int32_t MessageReader::integer() {
  uint64_t value = 0;
  if (expect(WireFormatLite::WIRETYPE_VARINT) && !in.ReadVarint64(&value))
    cutOff();
  return static_cast<int32_t>(value);
}

float MessageReader::number() {
  uint32_t bits = 0;
  if (expect(WireFormatLite::WIRETYPE_FIXED32) && !in.ReadLittleEndian32(&bits))
    cutOff();
  return WireFormatLite::DecodeFloat(bits);
}

std::string MessageReader::bytes() {
  std::string value;
  uint32_t size = 0;
  // No more is asked for than is there, so that no length can cost memory.
  if (expect(WireFormatLite::WIRETYPE_LENGTH_DELIMITED) &&
      (!in.ReadVarint32(&size) || size > uint32_t(in.BytesUntilLimit()) ||
       !in.ReadString(&value, static_cast<int>(size))))
    cutOff();
  return value;
}

void MessageReader::fields(llvm::function_ref<bool(int number)> take) {
  while (problem.empty() && in.BytesUntilLimit() != 0) {
    tag = in.ReadTag();
    if (tag == 0)
      return note("has no field where one is expected");
    if (!take(WireFormatLite::GetTagFieldNumber(tag)) &&
        !WireFormatLite::SkipField(&in, tag))
      return cutOff();
  }
}

void MessageReader::message(llvm::function_ref<bool(int number)> take) {
  uint32_t size;
  if (!expect(WireFormatLite::WIRETYPE_LENGTH_DELIMITED))
    return;
  if (!in.ReadVarint32(&size) || size > uint32_t(in.BytesUntilLimit()))
    return cutOff();
  CodedInputStream::Limit outer = in.PushLimit(static_cast<int>(size));
  fields(take);
  in.PopLimit(outer);
}

/// The fields of a `ModelProto`, at most `most` pieces. Numbers are those of
/// sentencepiece_model.proto.
std::string readModel(llvm::StringRef bytes, int64_t most, Model &model) {
  MessageReader in(bytes);
  auto piece = [&](int number) {
    Model::Piece &piece = model.pieces.back();
    switch (number) {
    case 1:
      piece.text = in.bytes();
      return true;
    case 2:
      piece.score = in.number();
      return true;
    case 3:
      piece.type = in.integer();
      return true;
    default:
      return false;
    }
  };
  auto trainer = [&](int number) {
    if (number == 3)
      model.modelType = in.integer();
    else if (number == 35)
      model.byteFallback = in.flag();
    return number == 3 || number == 35;
  };
  auto normalizer = [&](int number) {
    if (number == 2)
      model.hasCharacterMap = !in.bytes().empty();
    else if (number == 3)
      model.addDummyPrefix = in.flag();
    else if (number == 4)
      model.removeExtraSpaces = in.flag();
    else if (number == 5)
      model.escapeSpaces = in.flag();
    return number >= 2 && number <= 5;
  };
  in.fields([&](int number) {
    if (number == 1) {
      if (static_cast<int64_t>(model.pieces.size()) == most) {
        in.problem = "has more pieces than the embedding's " +
                     std::to_string(most) + " rows";
        return true;
      }
      model.pieces.emplace_back();
      in.message(piece);
    } else if (number == 2) {
      in.message(trainer);
    } else if (number == 3) {
      in.message(normalizer);
    }
    return number >= 1 && number <= 3;
  });
  return in.problem;
}

/// What makes the model another one than a Gemma's, or nothing.
std::string checkKind(const Model &model) {
  auto must = [](llvm::StringRef field, llvm::StringRef value) {
    return ("field '" + field + "' must be " + value + ", as every Gemma's is")
        .str();
  };
  if (model.pieces.empty())
    return "has no pieces";
  if (model.modelType != kBpe)
    return must("trainer_spec.model_type", "2 (BPE)") + ", found " +
           std::to_string(model.modelType);
  if (!model.byteFallback)
    return must("trainer_spec.byte_fallback", "true");
  if (model.hasCharacterMap)
    return must("normalizer_spec.precompiled_charsmap", "empty");
  if (model.addDummyPrefix)
    return must("normalizer_spec.add_dummy_prefix", "false");
  if (model.removeExtraSpaces)
    return must("normalizer_spec.remove_extra_whitespaces", "false");
  if (!model.escapeSpaces)
    return must("normalizer_spec.escape_whitespaces", "true");
  return {};
}

} // namespace

llvm::Expected<TokenizerData> flow::parseSentencePiece(llvm::StringRef bytes,
                                                       llvm::StringRef path,
                                                       const HfConfig &config,
                                                       int64_t vocab) {
  auto fail = [&](const llvm::Twine &what) {
    return llvm::createStringError(path + ": " + what);
  };
  if (bytes.size() >= INT_MAX)
    return fail("has " + llvm::Twine(bytes.size()) +
                " bytes, more than a message can have");
  Model model;
  if (std::string problem = readModel(bytes, vocab, model); !problem.empty())
    return fail(problem);
  if (std::string problem = checkKind(model); !problem.empty())
    return fail(problem);
  auto strings = std::make_shared<std::vector<std::string>>();
  strings->reserve(model.pieces.size());
  TokenizerData data;
  data.model = "llama";
  for (auto &[text, score, type] : model.pieces) {
    auto id = static_cast<int32_t>(strings->size());
    if (type < kNormal || type > kByte)
      return fail("piece " + llvm::Twine(id) + " has the unknown type " +
                  llvm::Twine(type));
    if (type == kUnknown) {
      if (data.unknown >= 0)
        return fail("has two unknown pieces, " + llvm::Twine(data.unknown) +
                    " and " + llvm::Twine(id));
      data.unknown = id;
    }
    if (type == kUserDefined) {
      // Turns are text to SentencePiece, and markers to the model.
      bool isControl = looksLikeControl(text) || text == "<start_of_turn>" ||
                       text == "<end_of_turn>";
      type = isControl ? kControl : kUserDefined;
      if (!isControl)
        text = withSpaces(text);
    }
    data.types.push_back(type);
    data.scores.push_back(score);
    strings->push_back(std::move(text));
  }
  auto count = static_cast<int64_t>(strings->size());
  if (std::string problem = setSpecialTokens(config, count, data);
      !problem.empty())
    return fail(problem);
  data.tokens.assign(strings->begin(), strings->end());
  data.owner = strings;
  return std::move(data);
}
