// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// A conversation in the turn markers that instruction-tuned Gemma models know.

#ifndef FLOW_TEXT_CHAT_H
#define FLOW_TEXT_CHAT_H

#include "flow/Support/Result.h"
#include "flow/Text/Tokenizer.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flow::text {

/// How a family writes its turns.
enum class ChatStyle {
  /// Gemma 1 and 2: `<start_of_turn>`, no system role.
  Gemma,
  /// Gemma 3 and 3n: the same turns; a system text is put before the first user
  /// text, with an empty line between.
  Gemma3,
  /// Gemma 4: `<|turn>` and `<turn|>`, and the system text has a turn of its
  /// own. Reasoning (`<|channel>...<channel|>`) is left out of earlier answers.
  Gemma4,
};

/// The style of an architecture as GGUF names it (`general.architecture`:
/// `gemma`, `gemma2`, `gemma3`, `gemma3n`, `gemma4`), if there is one here.
std::optional<ChatStyle> chatStyleFor(std::string_view architecture);

/// One contribution to a conversation. `role` is `system`, `user`, or `model`
/// (also written `assistant`).
struct ChatMessage {
  std::string role;
  std::string text;
};

/// The conversation up to where the model is to speak:
///
/// ```
/// <start_of_turn>user\n{text}<end_of_turn>\n<start_of_turn>model\n
/// ```
///
/// with the earlier turns before it in the same form, and in Gemma 4
///
/// ```
/// <|turn>system\n{text}<turn|>\n<|turn>user\n{text}<turn|>\n<|turn>model\n
/// ```
///
/// Texts lose the ASCII white space at both ends; only a system text of Gemma 3
/// is taken as it is. Markers and texts are different segments, and only
/// markers have `parseSpecial`, so nobody can write a turn into a text. There
/// is no `<bos>` in it: encode with `addSpecial`.
///
/// Fails if the conversation is empty, a role is unknown, a system text is not
/// first or is unknown to the style, or the roles do not go user, model, user,
/// ..., user.
Result<std::vector<Segment>>
renderChat(ChatStyle style, const std::vector<ChatMessage> &messages);

/// `renderChat`, encoded with `bos`. Fails also if the vocabulary lacks a
/// marker of the style, because the model then cannot follow the conversation.
Result<std::vector<TokenId>>
encodeChat(const Tokenizer &tokenizer, ChatStyle style,
           const std::vector<ChatMessage> &messages);

} // namespace flow::text

#endif // FLOW_TEXT_CHAT_H
