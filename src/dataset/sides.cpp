#include "medseg/dataset/sides.h"

#include <algorithm>
#include <cctype>
#include <set>

namespace medseg {
namespace {

bool is_letter(char c) { return std::isalpha(static_cast<unsigned char>(c)) != 0; }
bool is_digit(char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; }
bool is_upper(char c) { return std::isupper(static_cast<unsigned char>(c)) != 0; }

const std::set<std::string> kWords = {
    "dexter", "dextral", "sinister", "sinistral", "situs", "laterality", "lateralised",
    "lateralized", "clockwise", "counterclockwise", "anticlockwise", "clock", "oclock",
    // sides of a name
    "lh", "rh", "lt", "rt", "lul", "lll", "rul", "rml", "rll", "luq", "llq", "ruq", "rlq",
    // German, French, Spanish, Italian, Portuguese
    "links", "linke", "linken", "linker", "linkes", "linkem", "rechts", "rechte", "rechten",
    "rechter", "rechtes", "rechtem", "linksseitig", "rechtsseitig", "gauche", "gauches", "droit",
    "droite", "droits", "droites", "izquierda", "izquierdo", "derecha", "derecho", "sinistra",
    "sinistro", "destra", "destro", "esquerda", "esquerdo", "direita", "direito",
    // structures of one side
    "liver", "hepatic", "spleen", "splenic", "stomach", "gastric", "gallbladder", "appendix",
    "cecum", "caecum", "cecal", "caecal", "colon", "colic", "sigmoid", "duodenum", "duodenal",
    "pancreas", "pancreatic", "heart", "cardiac", "aorta", "aortic", "cava", "caval", "azygos",
    "hemiazygos"};

const std::set<std::string> kCapitals = {"L",    "R",    "LV",  "RV",  "LA",  "RA",
                                         "LVOT", "RVOT", "LAD", "LCX", "LCA", "RCA",
                                         "LMCA", "LPA",  "RPA", "LIJ", "RIJ"};

const std::set<std::string> kNoSides = {"bright",  "cleft",     "upright",   "fright",
                                        "alright", "copyright", "outright",  "downright",
                                        "wright",  "aright",    "forthright"};

bool is_side_word(const std::string& word) {
  if (kWords.contains(word)) return true;
  for (const char* side : {"left", "right", "dextro", "levo", "laevo"}) {
    if (word.starts_with(side)) return true;
  }
  return (word.ends_with("left") || word.ends_with("right")) && !kNoSides.contains(word);
}

// A lone l or r is a side where it is joined to a name: "hippocampus_l", "lh.cortex", not
// "l'image".
bool is_joined(std::string_view text, std::size_t begin, std::size_t end) {
  const auto joins = [](char c) { return c == '_' || c == '-' || c == '.'; };
  return (begin > 1 && joins(text[begin - 1])) || (end + 1 < text.size() && joins(text[end]));
}

}  // namespace

bool tells_sides(std::string_view text) {
  for (const char* side : {"左", "右"}) {
    if (text.find(side) != std::string_view::npos) return true;
  }
  for (std::size_t begin = 0; begin < text.size();) {
    if (!is_letter(text[begin])) {
      ++begin;
      continue;
    }
    auto end = begin + 1;  // of a run of letters, cut where a capital follows a small letter
    while (end < text.size() && is_letter(text[end]) &&
           !(is_upper(text[end]) && !is_upper(text[end - 1])))
      ++end;
    std::string word(text.substr(begin, end - begin));
    const bool is_level = word.size() == 1 && end < text.size() && is_digit(text[end]);  // L4
    if (kCapitals.contains(word) && !is_level) return true;
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (is_side_word(word)) return true;
    if ((word == "l" || word == "r") && is_joined(text, begin, end)) return true;
    begin = end;
  }
  return false;
}

bool tells_sides(const Record& record) {
  for (const auto& turn : record.turns) {
    if (tells_sides(turn.question) || tells_sides(turn.answer)) return true;
  }
  for (const auto& [id, mask] : record.masks) {
    if (tells_sides(mask.label)) return true;
  }
  return std::any_of(record.absent.begin(), record.absent.end(),
                     [](const std::string& label) { return tells_sides(label); });
}

}  // namespace medseg
