#include "side_words.h"

#include <algorithm>
#include <set>

#include "medseg/base/str.h"
#include "words.h"

namespace medseg {
namespace {

/// Words of the text with those of known labels replaced by one empty word each.
std::vector<std::string> words_beside_labels(std::string_view text,
                                             const std::vector<std::string>& labels) {
  auto words = words_of(text);
  for (const auto& label : labels) {
    const auto name = words_of(label);
    if (name.size() < 2) continue;
    auto from = words.begin();
    while (true) {
      from = std::search(from, words.end(), name.begin(), name.end());
      if (from == words.end()) break;
      from = words.erase(from, from + static_cast<std::ptrdiff_t>(name.size()));
      from = words.insert(from, "") + 1;
    }
  }
  return words;
}

Side side_named(const std::string& word) {
  static const std::set<std::string> left = {"left", "leftmost", "leftward", "leftwards"};
  static const std::set<std::string> right = {"right", "rightmost", "rightward", "rightwards"};
  if (left.contains(word)) return Side::kLeft;
  return right.contains(word) ? Side::kRight : Side::kNone;
}

bool other_sense(const std::vector<std::string>& words, std::size_t at) {
  static const std::set<std::string> after = {
      "behind", "away", "next",   "angle", "angles", "after", "before", "above",
      "below",  "here", "beside", "at",    "under",  "now",   "answer", "over"};
  static const std::set<std::string> left_before = {"is", "are", "be", "has", "what"};
  if (words[at] == "right") return at + 1 < words.size() && after.contains(words[at + 1]);
  // "what is left": the past participle
  return at + 1 == words.size() && at > 0 && left_before.contains(words[at - 1]);
}

}  // namespace

std::vector<SideWord> side_words_in(std::string_view text, const std::vector<std::string>& labels) {
  static const std::set<std::string> of_picture = {"picture", "image", "slice", "border", "edge"};
  const auto words = words_beside_labels(text, labels);
  std::vector<SideWord> found;
  for (std::size_t i = 0; i < words.size(); ++i) {
    SideWord word;
    word.side = side_named(words[i]);
    if (word.side == Side::kNone || other_sense(words, i)) continue;
    const std::size_t first = i >= 3 ? i - 3 : 0, last = std::min(i + 6, words.size());
    const bool of_patient = i > 0 && words[i - 1] == "patient";
    for (std::size_t k = i + 1; k < last && !word.of_picture && !of_patient; ++k) {
      if (words[k] == "patient" || side_named(words[k]) != Side::kNone) break;
      word.of_picture = of_picture.contains(words[k]);
    }
    if (i > 0 && (words[i - 1] == "upper" || words[i - 1] == "lower" || words[i - 1] == "image"))
      word.of_picture = true;
    word.relative = i >= 2 && words[i - 1] == "the" && words[i - 2] == "to" &&
                    i + 1 < words.size() && words[i + 1] == "of" && !word.of_picture;
    if (i + 1 < words.size() && words[i + 1] == "of" && i >= 1 && words[i - 1] != "the" &&
        !word.of_picture)
      word.relative = true;
    std::vector<std::string> around(words.begin() + static_cast<std::ptrdiff_t>(first),
                                    words.begin() + static_cast<std::ptrdiff_t>(last));
    word.shown = trim(join(around, " "));
    found.push_back(std::move(word));
  }
  return found;
}

std::string side_fault(const SideWord& word, const MaskFacts& mask) {
  if (word.relative) return "";
  const Side actual = word.of_picture ? mask.side_in_image : mask.side_of_patient;
  const std::string said = name_of(word.side);
  if (word.of_picture) {
    const bool placed = mask.position.ends_with(said);
    const bool border =
        std::find(mask.borders.begin(), mask.borders.end(), said) != mask.borders.end();
    if (placed || border || actual == word.side || actual == Side::kBoth) return "";
  } else if (actual == word.side || actual == Side::kBoth) {
    return "";
  } else if (actual == Side::kNone) {
    return str_cat("\"", word.shown, "\": this view tells no side of the patient");
  }
  return str_cat("\"", word.shown, "\": the mask of \"", mask.label, "\" lies on the side ",
                 word.of_picture ? "of the picture: " : "of the patient: ", name_of(actual));
}

}  // namespace medseg
