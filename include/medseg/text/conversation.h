/// \file
/// A dialogue as the language model gets it: token ids, labels and positions.
///
/// Labels come from spans that are known while the dialogue is rendered; text is never tokenised
/// twice (src/README.md, choices 1 to 4). Decoding an answer's tokens without its end token gives
/// exactly the assistant's text. With llava_v1, llama2 and mistral_instruct the blanks that the
/// template puts around it are included; SentencePiece removes the one in front.
///
/// `plain` is LLaVA's PLAIN style with an end token after the answer. `chatml` and `llama3` are the
/// published chat templates, but white space around a question or an answer is kept (Llama 3's own
/// template trims it).
///
/// Rendering is prefix-stable: an open prompt, the answer's span and the next question give the ids
/// of the whole dialogue, so keys and values can be cached over several turns.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "medseg/text/tokenizer.h"

namespace medseg {

inline constexpr std::int64_t kImageToken = -200;   ///< placeholder id of an image
inline constexpr std::int64_t kIgnoreLabel = -100;  ///< label of a token without loss
inline constexpr const char* kSegToken = "[SEG]";
inline constexpr const char* kPhraseOpen = "<p>";
inline constexpr const char* kPhraseClose = "</p>";
inline constexpr const char* kImagePlace = "<image>";

/// One question and its answer. An empty answer in the last turn leaves the prompt open.
struct Turn {
  std::string question;  ///< UTF-8; may hold `<image>`
  std::string answer;    ///< UTF-8; one `[SEG]` per mask
};

struct ConversationOptions {
  /// One of `conversation_templates()`: llava_v1, llama2, mistral_instruct, llama3, chatml, plain.
  std::string name = "llava_v1";
  std::string system = {};       ///< empty: the template's own system text
  bool image_start_end = false;  ///< `<image>` becomes `<im_start><image><im_end>` (LISA)
  /// The first `<image>\n` becomes a sentence about the image (GLaMM).
  bool image_overview = false;

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("name", self.name);
    visit("system", self.system);
    visit("image_start_end", self.image_start_end);
    visit("image_overview", self.image_overview);
  }
};

/// Half-open token range of one answer, its end token included.
struct TokenSpan {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct RenderedDialogue {
  std::string prompt;                       ///< the whole text, for messages and tests
  std::vector<std::int64_t> ids;            ///< [L], with kImageToken for each image
  std::vector<std::int64_t> labels;         ///< [L], kIgnoreLabel outside the answers
  std::vector<TokenSpan> answers;           ///< one per answered turn
  std::vector<std::int64_t> seg_positions;  ///< positions of `[SEG]` in ids that lie inside answers
};

/// Renders all turns. With `open_prompt` the last turn's answer is left out, to be generated.
/// \throws DataError if an answer has `[SEG]` but the tokenizer has no single id for it.
/// \throws ConfigError on an unknown template, with the known ones.
RenderedDialogue render(const std::vector<Turn>& turns, const Tokenizer& tokenizer,
                        const ConversationOptions& options, bool open_prompt = false);

/// Ids that end an answer under this template (EOS, or <|im_end|> …).
std::vector<std::int64_t> stop_ids(const Tokenizer& tokenizer, const ConversationOptions& options);

std::vector<std::string> conversation_templates();

/// Texts between `<p>` and `</p>`, trimmed, in order, and the number of `[SEG]` in a text.
std::vector<std::string> phrases_of(const std::string& answer);
std::size_t count_seg(const std::string& text);

}  // namespace medseg
