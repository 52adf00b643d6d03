#include "answer_parts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <set>

#include "medseg/base/str.h"
#include "words.h"

namespace medseg {
namespace {

constexpr std::string_view kOpen = "<p>", kClose = "</p>", kSeg = "[SEG]";

std::size_t count_of(std::string_view text, std::string_view what) {
  std::size_t count = 0;
  for (auto at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1))
    ++count;
  return count;
}

bool blank(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return std::isspace(c) != 0; });
}

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

}  // namespace

AnswerParts parts_of(const std::string& answer) {
  AnswerParts parts;
  parts.answer = answer;
  std::size_t from = 0;
  while (true) {
    const auto open = answer.find(kOpen, from);
    if (open == std::string::npos) break;
    const auto close = answer.find(kClose, open);
    const auto seg = close == std::string::npos ? close : answer.find(kSeg, close);
    if (seg == std::string::npos || !blank(std::string_view(answer).substr(
                                        close + kClose.size(), seg - close - kClose.size()))) {
      parts.fault = "a phrase without its [SEG]";
      return parts;
    }
    const std::string text = trim(answer.substr(open + kOpen.size(), close - open - kOpen.size()));
    if (text.empty() || text.find('<') != std::string::npos) {
      parts.fault = text.empty() ? "an empty phrase" : "a phrase within a phrase";
      return parts;
    }
    parts.phrases.push_back({text, open, seg + kSeg.size()});
    from = seg + kSeg.size();
  }
  if (count_of(answer, kSeg) != parts.phrases.size()) parts.fault = "a [SEG] without its phrase";
  if (count_of(answer, kClose) != parts.phrases.size()) parts.fault = "a </p> without its <p>";
  if (answer.find("<image>") != std::string::npos) parts.fault = "<image> in an answer";
  return parts;
}

std::string AnswerParts::said_of(std::size_t k) const {
  const std::size_t begin = k == 0 ? 0 : phrases[k - 1].end;
  const std::size_t end = k + 1 < phrases.size() ? phrases[k + 1].begin : answer.size();
  // What stands between two masks speaks of the one before up to a comma or "and".
  const std::string before = answer.substr(begin, phrases[k].begin - begin);
  const std::string after = answer.substr(phrases[k].end, end - phrases[k].end);
  if (k == 0) return before + ". " + after;
  return after;
}

bool has_markup(std::string_view text) {
  return text.find(kOpen) != std::string_view::npos ||
         text.find(kClose) != std::string_view::npos || text.find(kSeg) != std::string_view::npos ||
         text.find("<image>") != std::string_view::npos;
}

std::string plain_text(std::string_view text) {
  std::string plain(text);
  for (const auto mark : {kOpen, kClose, kSeg}) {
    for (auto at = plain.find(mark); at != std::string::npos; at = plain.find(mark, at))
      plain.replace(at, mark.size(), " ");
  }
  std::string single;
  for (const char c : plain) {
    const bool space = std::isspace(static_cast<unsigned char>(c)) != 0;
    if (space && (single.empty() || single.back() == ' ')) continue;
    if (!single.empty() && single.back() == ' ' && (c == '.' || c == ',' || c == ';' || c == ':'))
      single.pop_back();
    single += space ? ' ' : c;
  }
  return trim(single);
}

bool denies(std::string_view answer) {
  static const std::set<std::string> words = {"not",     "no",      "none",  "absent",  "neither",
                                              "nor",     "cannot",  "lacks", "without", "nowhere",
                                              "missing", "outside", "never", "isn",     "aren"};
  const auto said = words_of(answer);
  return std::any_of(said.begin(), said.end(),
                     [](const auto& word) { return words.contains(word); });
}

std::string spelled_measure(std::string_view text) {
  static const std::set<std::string> numbers = {
      "one",     "two",     "three",    "four",   "five",    "six",      "seven",
      "eight",   "nine",    "ten",      "eleven", "twelve",  "thirteen", "fourteen",
      "fifteen", "sixteen", "eighteen", "twenty", "thirty",  "forty",    "fifty",
      "sixty",   "seventy", "eighty",   "ninety", "hundred", "half"};
  static const std::set<std::string> units = {
      "mm",         "cm",          "millimetre", "millimetres", "millimeter", "millimeters",
      "centimetre", "centimetres", "centimeter", "centimeters", "percent",    "square"};
  const auto words = words_of(text);
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    if (numbers.contains(words[i]) && units.contains(words[i + 1]))
      return words[i] + " " + words[i + 1];
  }
  return "";
}

std::string strange_voice(std::string_view text) {
  static constexpr std::array<std::string_view, 18> phrases = {"as an ai",
                                                               "language model",
                                                               "i am an ai",
                                                               "i'm an ai",
                                                               "i cannot",
                                                               "i can't",
                                                               "i'm sorry",
                                                               "i am sorry",
                                                               "consult a doctor",
                                                               "consult your doctor",
                                                               "seek medical",
                                                               "medical advice",
                                                               "the mask",
                                                               "segmentation mask",
                                                               "provided facts",
                                                               "the facts",
                                                               "according to the json",
                                                               "bounding box"};
  const std::string lower = lower_case(text);
  for (const auto& phrase : phrases) {
    if (lower.find(phrase) != std::string::npos) return std::string(phrase);
  }
  return "";
}

}  // namespace medseg
