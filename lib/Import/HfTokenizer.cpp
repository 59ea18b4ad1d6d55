// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Reads tokenizer.json as a SentencePiece vocabulary.

#include "HfTokenizer.h"

#include "HfTokens.h"
#include "Json.h"
#include "Quote.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/Twine.h"

using namespace flow;

namespace {

/// Of pieces that no merge makes: below the score of every merge. No piece
/// needs it to be found, since letters and markers are not merged.
constexpr float kLeastScore = -1e9f;

class TokenizerReader {
public:
  TokenizerReader(llvm::StringRef path, const HfConfig &config, int64_t vocab)
      : path(path), config(config), vocab(vocab) {}

  llvm::Expected<TokenizerData> read(const llvm::json::Object &root);

private:
  /// Whether pieces merge by rank rather than by score.
  bool isRanked() const { return config.gemma.architecture == "gemma4"; }
  llvm::Error fail(const llvm::Twine &what) const {
    return llvm::createStringError(path + ": " + what);
  }
  llvm::Error checkKind(const llvm::json::Object &root,
                        const llvm::json::Object &model) const;
  llvm::Error readPieces(const llvm::json::Object &pieces);
  llvm::Error readMerges(const llvm::json::Array &merges);
  llvm::Error readAdded(const llvm::json::Array &added);
  llvm::Error readSpecial(const llvm::json::Object &model);
  llvm::Error place(int64_t id, llvm::StringRef piece, int32_t type);

  llvm::StringRef path;
  const HfConfig &config;
  int64_t vocab;
  using Strings = std::shared_ptr<std::vector<std::string>>;
  Strings strings = std::make_shared<std::vector<std::string>>();
  /// Of a Gemma 4: "left right", by rank.
  Strings mergeTexts = std::make_shared<std::vector<std::string>>();
  llvm::StringMap<int32_t> ids;
  TokenizerData data;
};

/// `text` is of the form <0x00> to <0xFF>.
bool isBytePiece(llvm::StringRef text) {
  return text.size() == 6 && text.starts_with("<0x") && text.ends_with(">") &&
         llvm::isHexDigit(text[3]) && llvm::isHexDigit(text[4]);
}

llvm::Error TokenizerReader::place(int64_t id, llvm::StringRef piece,
                                   int32_t type) {
  if (id < 0 || id >= vocab)
    return fail("piece " + quoted(piece) + " has the id " + llvm::Twine(id) +
                ", expected one below " + llvm::Twine(vocab));
  if (static_cast<size_t>(id) >= strings->size()) {
    strings->resize(id + 1);
    data.types.resize(id + 1, 0);
  }
  if (data.types[id] != 0)
    return fail("the id " + llvm::Twine(id) + " is of both " +
                quoted((*strings)[id]) + " and " + quoted(piece));
  (*strings)[id] = piece.str();
  data.types[id] = type;
  return llvm::Error::success();
}

llvm::Error TokenizerReader::checkKind(const llvm::json::Object &root,
                                       const llvm::json::Object &model) const {
  // Older files do not name the type, of which BPE is the one with merges.
  if (model.getString("type").value_or("BPE") != "BPE")
    return fail("key 'model.type' must be 'BPE', found " +
                describeJson(*model.get("type")));
  if (model.getBoolean("byte_fallback") != true)
    return fail("key 'model.byte_fallback' must be true: tokenizers without "
                "byte fallback are not supported");
  // Spaces become U+2581 and nothing else is changed.
  const llvm::json::Object *normalizer = root.getObject("normalizer");
  const llvm::json::Object *pattern =
      normalizer ? normalizer->getObject("pattern") : nullptr;
  if (!pattern || normalizer->getString("type") != "Replace" ||
      pattern->getString("String") != " " ||
      normalizer->getString("content") != kSpace)
    return fail("key 'normalizer' must replace each space by U+2581, as every "
                "Gemma's does");
  // By now there are no spaces that a text could be split at.
  const llvm::json::Value *split = root.get("pre_tokenizer");
  if (!split || split->kind() == llvm::json::Value::Null)
    return llvm::Error::success();
  const llvm::json::Object *object = split->getAsObject();
  const llvm::json::Object *at =
      object ? object->getObject("pattern") : nullptr;
  if (!at || object->getString("type") != "Split" ||
      at->getString("String") != " ")
    return fail("key 'pre_tokenizer' must be null or split at spaces, as every "
                "Gemma's does");
  return llvm::Error::success();
}

llvm::Error TokenizerReader::readPieces(const llvm::json::Object &pieces) {
  for (const auto &[piece, value] : pieces) {
    llvm::StringRef text = piece;
    std::optional<int64_t> id = value.getAsInteger();
    if (!id)
      return fail("piece " + quoted(text) + " must have an id, found " +
                  describeJson(value));
    if (llvm::Error error =
            place(*id, text, isBytePiece(text) ? kByte : kNormal))
      return error;
    ids[text] = static_cast<int32_t>(*id);
  }
  return llvm::Error::success();
}

llvm::Error TokenizerReader::readMerges(const llvm::json::Array &merges) {
  data.scores.assign(strings->size(), isRanked() ? 0 : kLeastScore);
  std::string merged;
  for (auto [rank, value] : llvm::enumerate(merges)) {
    llvm::StringRef left, right;
    if (std::optional<llvm::StringRef> text = value.getAsString()) {
      std::tie(left, right) = text->split(' ');
    } else if (const llvm::json::Array *pair = value.getAsArray();
               pair && pair->size() == 2) {
      left = (*pair)[0].getAsString().value_or("");
      right = (*pair)[1].getAsString().value_or("");
    }
    merged = (left + right).str();
    auto found = ids.find(merged);
    if (left.empty() || right.empty() || found == ids.end())
      return fail("merge " + llvm::Twine(rank) +
                  " must be of two pieces that "
                  "make a third, found " +
                  describeJson(value));
    if (isRanked()) {
      mergeTexts->push_back((left + " " + right).str());
      continue;
    }
    // The first merge that makes a piece is the one that counts: those of one
    // piece follow each other, and so they have one score.
    float &score = data.scores[found->second];
    if (score == kLeastScore)
      score = -static_cast<float>(rank);
  }
  return llvm::Error::success();
}

llvm::Error TokenizerReader::readAdded(const llvm::json::Array &added) {
  for (const llvm::json::Value &value : added) {
    const llvm::json::Object *entry = value.getAsObject();
    std::optional<int64_t> id = entry ? entry->getInteger("id") : std::nullopt;
    std::optional<llvm::StringRef> content =
        entry ? entry->getString("content") : std::nullopt;
    if (!id || !content)
      return fail("key 'added_tokens' must hold objects with id and content");
    bool isControl = entry->getBoolean("special").value_or(false) ||
                     looksLikeControl(*content);
    std::string text = isControl ? content->str() : withSpaces(*content);
    // What a piece of the vocabulary is, an added token says anew.
    auto known = ids.find(*content);
    if (known != ids.end()) {
      if (known->second != *id)
        return fail("the added token " + quoted(*content) + " has the id " +
                    llvm::Twine(*id) + ", expected " +
                    llvm::Twine(known->second) + ", that of the piece");
      data.types[*id] = 0;
    }
    if (llvm::Error error =
            place(*id, text, isControl ? kControl : kUserDefined))
      return error;
  }
  data.scores.resize(strings->size(), isRanked() ? 0 : kLeastScore);
  return llvm::Error::success();
}

llvm::Error TokenizerReader::readSpecial(const llvm::json::Object &model) {
  if (std::optional<llvm::StringRef> name = model.getString("unk_token")) {
    auto found = ids.find(*name);
    if (found == ids.end())
      return fail("key 'model.unk_token' is " + quoted(*name) +
                  ", which is no piece");
    data.unknown = found->second;
    data.types[data.unknown] = kUnknown;
  }
  if (std::string problem =
          setSpecialTokens(config, static_cast<int64_t>(strings->size()), data);
      !problem.empty())
    return fail(problem);
  return llvm::Error::success();
}

llvm::Expected<TokenizerData>
TokenizerReader::read(const llvm::json::Object &root) {
  const llvm::json::Object *model = root.getObject("model");
  const llvm::json::Object *pieces =
      model ? model->getObject("vocab") : nullptr;
  const llvm::json::Array *merges = model ? model->getArray("merges") : nullptr;
  if (!pieces || !merges)
    return fail("key 'model' must be an object with vocab and merges");
  if (llvm::Error error = checkKind(root, *model))
    return std::move(error);
  if (llvm::Error error = readPieces(*pieces))
    return std::move(error);
  if (llvm::Error error = readMerges(*merges))
    return std::move(error);
  if (const llvm::json::Array *added = root.getArray("added_tokens"))
    if (llvm::Error error = readAdded(*added))
      return std::move(error);
  if (llvm::Error error = readSpecial(*model))
    return std::move(error);
  for (auto [id, type] : llvm::enumerate(data.types))
    if (type == 0) {
      type = kUnused;
      (*strings)[id] = "[PAD" + std::to_string(id) + "]";
    }
  data.model = isRanked() ? "gemma4" : "llama";
  data.tokens.assign(strings->begin(), strings->end());
  data.merges.assign(mergeTexts->begin(), mergeTexts->end());
  data.owner =
      std::make_shared<std::pair<Strings, Strings>>(strings, mergeTexts);
  return std::move(data);
}

} // namespace

llvm::Expected<TokenizerData> flow::parseHfTokenizer(llvm::StringRef text,
                                                     llvm::StringRef path,
                                                     const HfConfig &config,
                                                     int64_t vocab) {
  llvm::Expected<llvm::json::Object> root = parseJsonObject(text, path + ":");
  if (!root)
    return root.takeError();
  return TokenizerReader(path, config, vocab).read(*root);
}
