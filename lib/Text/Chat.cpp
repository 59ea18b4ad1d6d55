// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A conversation in the turn markers that instruction-tuned Gemma models know.

#include "flow/Text/Chat.h"

#include "Quote.h"

#include <utility>

using namespace flow;
using namespace flow::text;

namespace {

enum class Role { System, User, Model };

struct TurnMarkers {
  std::string_view open, close;
};

} // namespace

static std::optional<Role> parseRole(std::string_view role) {
  if (role == "system")
    return Role::System;
  if (role == "user")
    return Role::User;
  if (role == "model" || role == "assistant")
    return Role::Model;
  return std::nullopt;
}

static std::string_view nameOf(Role role) {
  switch (role) {
  case Role::System:
    return "system";
  case Role::User:
    return "user";
  case Role::Model:
    return "model";
  }
  return "";
}

static TurnMarkers markersOf(ChatStyle style) {
  if (style == ChatStyle::Gemma4)
    return {"<|turn>", "<turn|>"};
  return {"<start_of_turn>", "<end_of_turn>"};
}

static std::string_view trim(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
  size_t begin = text.find_first_not_of(kWhiteSpace);
  if (begin == std::string_view::npos)
    return {};
  return text.substr(begin, text.find_last_not_of(kWhiteSpace) + 1 - begin);
}

/// `text` without its reasoning: what stands between the markers of a channel,
/// or after one that is not closed. A marker that closes nothing goes too.
static std::string withoutChannels(std::string_view text) {
  constexpr std::string_view kOpen = "<|channel>", kClose = "<channel|>";
  std::string result;
  while (true) {
    size_t close = text.find(kClose);
    std::string_view part = text.substr(0, close);
    result += part.substr(0, part.find(kOpen));
    if (close == std::string_view::npos)
      return result;
    text.remove_prefix(close + kClose.size());
  }
}

static Error atMessage(size_t index, const std::string &what) {
  return {"chat message " + std::to_string(index) + ": " + what};
}

namespace {

/// Collects segments, joining markers that follow each other.
class Writer {
public:
  explicit Writer(ChatStyle style) : turn(markersOf(style)) {}

  void openTurn(Role role) {
    markers += turn.open;
    markers += nameOf(role);
  }
  void closeTurn() {
    markers += turn.close;
    markers += '\n';
  }
  void write(std::string text) {
    segments.push_back({std::move(markers), /*parseSpecial=*/true});
    markers.clear();
    segments.push_back({std::move(text), /*parseSpecial=*/false});
  }
  std::vector<Segment> finish() && {
    segments.push_back({markers + '\n', /*parseSpecial=*/true});
    return std::move(segments);
  }

private:
  TurnMarkers turn;
  std::string markers;
  std::vector<Segment> segments;
};

} // namespace

std::optional<ChatStyle>
flow::text::chatStyleFor(std::string_view architecture) {
  if (architecture == "gemma" || architecture == "gemma2")
    return ChatStyle::Gemma;
  if (architecture == "gemma3" || architecture == "gemma3n")
    return ChatStyle::Gemma3;
  if (architecture == "gemma4")
    return ChatStyle::Gemma4;
  return std::nullopt;
}

Result<std::vector<Segment>>
flow::text::renderChat(ChatStyle style,
                       const std::vector<ChatMessage> &messages) {
  Writer writer(style);
  std::string system;
  Role expected = Role::User;
  for (size_t index = 0; index < messages.size(); ++index) {
    const ChatMessage &message = messages[index];
    std::optional<Role> role = parseRole(message.role);
    if (!role)
      return atMessage(index, "expected the role system, user, model or "
                              "assistant, found " +
                                  quoted(message.role));
    if (*role == Role::System) {
      if (style == ChatStyle::Gemma)
        return atMessage(index, "expected no system role, which this model "
                                "family does not have");
      if (index != 0)
        return atMessage(index, "expected the system role only at the start");
      if (style == ChatStyle::Gemma3) {
        system = message.text + "\n\n";
        continue;
      }
      writer.openTurn(Role::System);
      writer.write("\n" + std::string(trim(message.text)));
      writer.closeTurn();
      continue;
    }
    if (*role != expected)
      return atMessage(index, "expected the role " +
                                  std::string(nameOf(expected)) +
                                  ", because turns alternate, found " +
                                  quoted(message.role));
    // The newline after the role is written with the text, because newlines at
    // the start of a system text form one piece with it.
    writer.openTurn(*role);
    std::string said = style == ChatStyle::Gemma4 && *role == Role::Model
                           ? withoutChannels(message.text)
                           : message.text;
    writer.write("\n" + std::exchange(system, {}) + std::string(trim(said)));
    writer.closeTurn();
    expected = *role == Role::User ? Role::Model : Role::User;
  }
  if (expected != Role::Model)
    return Error{"chat: expected the conversation to end with a user message, "
                 "found " +
                 (messages.empty() ? std::string("no message")
                                   : quoted(messages.back().role))};
  writer.openTurn(Role::Model);
  return std::move(writer).finish();
}

Result<std::vector<TokenId>>
flow::text::encodeChat(const Tokenizer &tokenizer, ChatStyle style,
                       const std::vector<ChatMessage> &messages) {
  TurnMarkers turn = markersOf(style);
  for (std::string_view marker : {turn.open, turn.close}) {
    TokenId id = tokenizer.vocabulary().find(marker);
    if (id == kNoToken || tokenizer.vocabulary().type(id) != TokenType::Control)
      return Error{"chat: expected the vocabulary to have the marker " +
                   quoted(marker) + ", found none"};
  }
  Result<std::vector<Segment>> segments = renderChat(style, messages);
  if (!segments)
    return Error{segments.error()};
  return tokenizer.encode(*segments, /*addSpecial=*/true);
}
