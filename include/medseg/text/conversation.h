/// \file
/// A dialogue as the language model sees it: token ids, labels and where things stand.
///
/// Labels come from spans known while the dialogue is rendered; text is never tokenised twice
/// (reference/semantics 1-4). Decoding an answer's tokens without its end token gives exactly the assistant's
/// text, with the blanks that llava_v1, llama2 and mistral_instruct themselves put round it (SentencePiece
/// takes the one in front away).
///
/// `plain` is LLaVA's PLAIN style with an end token behind the answer. `chatml` and `llama3` are the published chat
/// templates; white space round a question or an answer stays (Llama 3's own template trims it).
///
/// Rendering is prefix-stable: an open prompt, the answer's span, and the next question behind it are the ids
/// of the whole dialogue, so a cache of keys and values can be kept over turns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/text/tokenizer.h"

namespace medseg {

inline constexpr std::int64_t kImageToken = -200;   ///< id that marks the place of an image
inline constexpr std::int64_t kIgnoreLabel = -100;  ///< label of a place without loss
inline constexpr const char* kSegToken = "[SEG]";
inline constexpr const char* kPhraseOpen = "<p>";
inline constexpr const char* kPhraseClose = "</p>";
inline constexpr const char* kImagePlace = "<image>";

/// One question and its answer; an empty answer in the last turn leaves the prompt open.
struct Turn {
  std::string question;  ///< UTF-8; may hold `<image>`
  std::string answer;    ///< UTF-8; one `[SEG]` per mask
};

struct ConversationOptions {
  /// One of `conversation_templates()`: llava_v1, llama2, mistral_instruct, llama3, chatml, plain.
  std::string name = "llava_v1";
  std::string system = {};       ///< empty: the template's own system text
  bool image_start_end = false;  ///< `<image>` becomes `<im_start><image><im_end>` (LISA)
  bool image_overview =
      false;  ///< the first `<image>\n` becomes a sentence about the picture (GLaMM)

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name);
    visit("system", self.system);
    visit("image_start_end", self.image_start_end);
    visit("image_overview", self.image_overview);
  }
};

/// Half-open token range of one answer with its end token.
struct TokenSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct RenderedDialogue {
  std::string prompt;                       ///< the whole text, for people and tests
  std::vector<std::int64_t> ids;            ///< [L], kImageToken at image places
  std::vector<std::int64_t> labels;         ///< [L], kIgnoreLabel outside the answers
  std::vector<TokenSpan> answers;           ///< one per answered turn
  std::vector<std::int64_t> seg_positions;  ///< indices of `[SEG]` in ids that lie inside answers
};

/// Renders all turns. With `open_prompt` the last turn's answer is left out and generation can go on.
/// \throws DataError if `[SEG]` is asked for but the tokenizer has no single id for it; ConfigError on an
/// unknown template, listing the known.
RenderedDialogue render(const std::vector<Turn>& turns, const Tokenizer& tokenizer,
                        const ConversationOptions& options, bool open_prompt = false);

/// Ids that end an answer under this template (EOS, or <|im_end|> …).
std::vector<std::int64_t> stop_ids(const Tokenizer& tokenizer, const ConversationOptions& options);

std::vector<std::string> conversation_templates();

/// Texts between `<p>` and `</p>`, trimmed, in order, and how many `[SEG]` the answer has.
std::vector<std::string> phrases_of(const std::string& answer);
std::size_t count_seg(const std::string& text);

}  // namespace medseg
