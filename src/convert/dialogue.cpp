#include "dialogue.h"

#include "medseg/base/str.h"
#include "medseg/text/conversation.h"
#include "source_files.h"

namespace medseg {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
    text.replace(at, from.size(), to);
  return text;
}

std::string tidy(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\t' || c == '\r';
    if (blank && (out.empty() || out.back() == ' ')) continue;
    out += blank ? ' ' : c;
  }
  return trim(out);
}

void add_turn(Record& record, std::string question, std::string answer,
              std::vector<std::vector<std::string>> masks) {
  question = trim(replaced(std::move(question), kImagePlace, ""));
  RecordTurn turn;
  turn.question = record.turns.empty() ? str_cat(kImagePlace, "\n", question) : question;
  turn.answer = std::move(answer);
  turn.masks = std::move(masks);
  record.turns.push_back(std::move(turn));
}

std::vector<std::pair<JsonItem, JsonItem>> question_pairs(const JsonItem& conversations) {
  const auto entries = conversations.items();
  if (entries.empty()) conversations.expected("questions and answers");
  if (entries.size() % 2 != 0) conversations.fail("a question without an answer");
  std::vector<std::pair<JsonItem, JsonItem>> pairs;
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    const std::string asks = entries[i].at("from").text(), says = entries[i + 1].at("from").text();
    if (asks != "human" && asks != "user") entries[i].at("from").expected("\"human\"");
    if (says != "gpt" && says != "assistant") entries[i + 1].at("from").expected("\"gpt\"");
    pairs.emplace_back(entries[i], entries[i + 1]);
  }
  return pairs;
}

std::string numbered_id(const std::string& file, std::size_t number) {
  return str_cat(stem_of(file), "-", number);
}

}  // namespace medseg
