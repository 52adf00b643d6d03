#include "medseg/text/conversation.h"

#include <algorithm>
#include <map>

#include "medseg/base/str.h"

namespace medseg {
namespace {

constexpr const char* kVicunaSystem =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the human's questions.";
constexpr const char* kLlama2System =
    "You are a helpful language and vision assistant. You are able to understand the visual "
    "content that the user provides, and assist the user with a variety of tasks using natural "
    "language.";

// The texts of a template: before the question, before the answer, and at the end of an answer.
struct Template {
  std::string default_system = {};
  std::string system_before = {}, system_after = {};  // around the system text, if there is any
  std::string first_question = {}, question = {};     // before the first and the later questions
  std::string after_question = {};                    // the end of an open prompt
  std::string before_answer = {}, after_answer = {};  // inside the answer's labelled span
  std::string end_token = {};                         // "" is the tokenizer's EOS
  std::string after_end = {};                         // not labelled
  bool bos_between = false;                           // BOS before later rounds
  // The system text is inside the first question, else in front of it.
  bool system_inside_question = false;
};

const std::map<std::string, Template>& templates() {
  static const std::map<std::string, Template> table = [] {
    Template instruct{.system_before = "<<SYS>>\n",
                      .system_after = "\n<</SYS>>\n\n",
                      .first_question = "[INST] ",
                      .question = "[INST] ",
                      .after_question = " [/INST]",
                      .before_answer = " ",
                      .after_answer = " ",
                      .system_inside_question = true};
    Template llama2 = instruct;
    llama2.default_system = kLlama2System;
    llama2.bos_between = true;
    const std::string user3 = "<|start_header_id|>user<|end_header_id|>\n\n";
    return std::map<std::string, Template>{
        {"llava_v1",
         {.default_system = kVicunaSystem,
          .system_after = " ",
          .first_question = "USER: ",
          .question = "USER: ",
          .after_question = " ASSISTANT:",
          .before_answer = " "}},
        {"llama2", llama2},
        {"mistral_instruct", instruct},
        {"llama3",
         {.system_before = "<|start_header_id|>system<|end_header_id|>\n\n",
          .system_after = "<|eot_id|>",
          .first_question = user3,
          .question = user3,
          .after_question = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
          .end_token = "<|eot_id|>"}},
        {"chatml",
         {.system_before = "<|im_start|>system\n",
          .system_after = "<|im_end|>\n",
          .first_question = "<|im_start|>user\n",
          .question = "<|im_start|>user\n",
          .after_question = "<|im_end|>\n<|im_start|>assistant\n",
          .end_token = "<|im_end|>",
          .after_end = "\n"}},
        {"plain", {.after_question = "\n"}}};
  }();
  return table;
}

const Template& template_of(const std::string& name) {
  const auto it = templates().find(name);
  if (it != templates().end()) return it->second;
  throw ConfigError("conversation", str_cat("unknown template \"", name, "\"; known are ",
                                            join(conversation_templates(), " ")));
}

std::int64_t end_id(const Template& form, const Tokenizer& tokenizer, const std::string& name) {
  if (form.end_token.empty()) {
    if (const auto eos = tokenizer.eos()) return *eos;
    throw DataError("conversation", str_cat("template ", name,
                                            " ends answers with EOS, but the tokenizer has none"));
  }
  if (const auto id = tokenizer.id_of(form.end_token)) return *id;
  throw DataError("conversation", str_cat("template ", name, " needs the token ", form.end_token,
                                          ", which the tokenizer does not have"));
}

std::string with_image_marks(std::string text, const ConversationOptions& options,
                             bool& first_image) {
  const std::string placeholder = kImagePlace;
  const std::string marked = "<im_start>" + placeholder + "<im_end>";
  std::string result;
  std::size_t at = 0;
  for (std::size_t found; (found = text.find(placeholder, at)) != std::string::npos;) {
    result.append(text, at, found - at);
    at = found + placeholder.size();
    if (options.image_overview && first_image && text.compare(at, 1, "\n") == 0) {
      result += "The " + marked + " provides an overview of the picture.";
    } else {
      result += options.image_start_end ? marked : placeholder;
    }
    first_image = false;
  }
  return result.append(text, at);
}

class Renderer {
 public:
  Renderer(const Tokenizer& tokenizer, std::int64_t end, std::optional<std::int64_t> seg)
      : tokenizer_(tokenizer), end_(end), seg_(seg) {
    if (tokenizer.adds_bos() && tokenizer.bos()) push(*tokenizer.bos(), false);
  }

  // Adds text of the system, the user or the template, which follows `after`. It is split at every
  // `<image>`.
  void add_text(const std::string& text, After after) {
    dialogue_.prompt += text;
    const std::string placeholder = kImagePlace;
    std::size_t at = 0;
    for (std::size_t found; (found = text.find(placeholder, at)) != std::string::npos;
         at = found + placeholder.size()) {
      push_all(tokenizer_.encode_after(text.substr(at, found - at), after), false);
      push(kImageToken, false);
      after = After::kNothing;
    }
    push_all(tokenizer_.encode_after(text.substr(at), after), false);
  }

  void add_bos() {
    const auto bos = tokenizer_.bos();
    if (!bos) return;
    dialogue_.prompt += tokenizer_.decode({*bos});
    push(*bos, false);
  }

  void add_answer(const std::string& text) {
    dialogue_.prompt += text + tokenizer_.decode({end_});
    const auto begin = position();
    push_all(tokenizer_.encode_after(text, After::kText), true);
    push(end_, true);
    dialogue_.answers.push_back({begin, position()});
  }

  RenderedDialogue take() { return std::move(dialogue_); }

 private:
  std::int64_t position() const { return static_cast<std::int64_t>(dialogue_.ids.size()); }
  void push(std::int64_t id, bool labelled) {
    if (labelled && seg_ && id == *seg_) dialogue_.seg_positions.push_back(position());
    dialogue_.ids.push_back(id);
    dialogue_.labels.push_back(labelled ? id : kIgnoreLabel);
  }
  void push_all(const std::vector<std::int64_t>& ids, bool labelled) {
    for (const auto id : ids) push(id, labelled);
  }

  const Tokenizer& tokenizer_;
  std::int64_t end_;
  std::optional<std::int64_t> seg_;
  RenderedDialogue dialogue_;
};

void check_tokens(const std::vector<Turn>& turns, const Tokenizer& tokenizer,
                  const ConversationOptions& options) {
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (count_seg(turns[i].answer) > 0 && !tokenizer.id_of(kSegToken)) {
      throw DataError("conversation",
                      str_cat("answer ", i, " has [SEG], but the tokenizer has no such token"));
    }
    if (turns[i].answer.find(kImagePlace) != std::string::npos) {
      throw DataError("conversation", str_cat("answer ", i, " holds <image>; only a question may"));
    }
  }
  if (!options.image_start_end && !options.image_overview) return;
  for (const char* token : {"<im_start>", "<im_end>"}) {
    if (!tokenizer.id_of(token)) {
      throw DataError("conversation", str_cat("image_start_end needs the token ", token,
                                              ", which the tokenizer does not have"));
    }
  }
}

}  // namespace

RenderedDialogue render(const std::vector<Turn>& turns, const Tokenizer& tokenizer,
                        const ConversationOptions& options, bool open_prompt) {
  const auto& form = template_of(options.name);
  check_tokens(turns, tokenizer, options);
  Renderer renderer(tokenizer, end_id(form, tokenizer, options.name), tokenizer.id_of(kSegToken));
  const auto& system = options.system.empty() ? form.default_system : options.system;
  bool first_image = true;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    const auto& turn = turns[i];
    const auto block =
        i == 0 && !system.empty() ? form.system_before + system + form.system_after : "";
    auto text = i == 0 ? (form.system_inside_question ? form.first_question + block
                                                      : block + form.first_question)
                       : form.after_end + form.question;
    text += with_image_marks(turn.question, options, first_image) + form.after_question;
    if (i > 0 && form.bos_between) renderer.add_bos();
    renderer.add_text(text, i == 0 ? After::kNothing : After::kSpecialToken);
    const bool last = i + 1 == turns.size();
    if (last && (open_prompt || turn.answer.empty())) return renderer.take();
    renderer.add_answer(form.before_answer + turn.answer + form.after_answer);
  }
  if (!form.after_end.empty()) renderer.add_text(form.after_end, After::kSpecialToken);
  return renderer.take();
}

std::vector<std::int64_t> stop_ids(const Tokenizer& tokenizer, const ConversationOptions& options) {
  std::vector<std::int64_t> ids = {end_id(template_of(options.name), tokenizer, options.name)};
  if (const auto eos = tokenizer.eos(); eos && *eos != ids.front()) ids.push_back(*eos);
  return ids;
}

std::vector<std::string> conversation_templates() {
  std::vector<std::string> names;
  for (const auto& [name, form] : templates()) names.push_back(name);
  return names;
}

std::vector<std::string> phrases_of(const std::string& answer) {
  const std::string open = kPhraseOpen, close = kPhraseClose;
  std::vector<std::string> phrases;
  for (std::size_t at = 0;;) {
    const auto begin = answer.find(open, at);
    if (begin == std::string::npos) return phrases;
    const auto end = answer.find(close, begin + open.size());
    if (end == std::string::npos) return phrases;
    phrases.push_back(trim(answer.substr(begin + open.size(), end - begin - open.size())));
    at = end + close.size();
  }
}

std::size_t count_seg(const std::string& text) {
  const std::string seg = kSegToken;
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(seg, at)) != std::string::npos; at += seg.size())
    ++count;
  return count;
}

}  // namespace medseg
