#include "questions.h"

#include <algorithm>
#include <map>
#include <set>

#include "medseg/base/random.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using Templates = std::vector<const char*>;

// "{x}" is the structure, "{is}" its verb, "{m}" the image.
const Templates kQuestions = {"Where {is} the {x} in this {m}?",
                              "Please outline the {x}.",
                              "Which part of this {m} {is} the {x}?",
                              "Mark the {x} in this {m}.",
                              "Can you show me the {x}?",
                              "Please segment the {x} in this {m}.",
                              "Does this {m} show the {x}, and where?"};
const Templates kAnswers = {"The <p> {x} </p> [SEG] {is} marked.",
                            "Here {is} the <p> {x} </p> [SEG].",
                            "It shows the <p> {x} </p> [SEG]."};
const Templates kDenials = {"The {x} {is} not seen in this {m}.", "No {x} {is} seen here.",
                            "This {m} does not show the {x}."};

bool is_plural(const std::string& label) {
  if (!label.ends_with('s')) return false;
  for (const char* ending : {"ss", "us", "is", "as", "aches", "biceps", "triceps"}) {
    if (label.ends_with(ending)) return false;
  }
  return true;
}

std::string filled(const std::string& text, const std::string& label, const std::string& image) {
  std::string out = text;
  const auto put = [&](const std::string& mark, const std::string& word) {
    for (auto at = out.find(mark); at != std::string::npos; at = out.find(mark, at + word.size()))
      out.replace(at, mark.size(), word);
  };
  put("{is}", is_plural(label) ? "are" : "is");
  put("{m}", image);
  put("{x}", label);  // last: a label may hold braces
  return out;
}

const char* one_of(const Templates& all, RandomStream& random) {
  return all[random.below(all.size())];
}

/// "left kidney", "kidney left" and "kidney_l" without their side; the same name if it has none.
std::string without_side(const std::string& label) {
  std::vector<std::string> words;
  for (const auto& word : split(label, ' ')) {
    if (word != "left" && word != "right" && word != "Left" && word != "Right")
      words.push_back(word);
  }
  return join(words, " ");
}

struct Structures {
  std::map<std::string, std::vector<std::string>> present;  ///< label: mask ids
  std::set<std::string> small;
  std::vector<std::string> absent;
};

Structures structures_of(const Draft& draft, std::int64_t min_area) {
  Structures found;
  std::map<std::string, std::int64_t> area;
  for (const auto& [id, mask] : draft.record.masks) area[mask.label] += draft.areas.at(id);
  for (const auto& [id, mask] : draft.record.masks) {
    if (area[mask.label] >= min_area) {
      found.present[mask.label].push_back(id);
    } else {
      found.small.insert(mask.label);
    }
  }
  std::set<std::string> base;  // of structures that are there, with and without side
  for (const auto& [label, ids] : found.present) base.insert(without_side(label));
  std::set<std::string> said;
  for (const auto& label : draft.looked_for) {
    const bool drawn = found.present.contains(label) || found.small.contains(label);
    const auto& doubtful = draft.doubtful;
    if (drawn || !said.insert(label).second) continue;
    if (std::find(doubtful.begin(), doubtful.end(), label) != doubtful.end()) continue;
    const std::string plain = without_side(label);
    const bool sided = plain != label;
    // "left kidney" is no denial where "kidney" is there, nor "kidney" where the left one is.
    if (sided ? found.present.contains(plain) : base.contains(plain)) continue;
    found.absent.push_back(label);
  }
  return found;
}

RecordTurn asked(const std::string& label, const std::vector<std::string>& ids,
                 const std::string& image, RandomStream& random) {
  RecordTurn turn;
  turn.question = filled(one_of(kQuestions, random), label, image);
  turn.answer = filled(one_of(kAnswers, random), label, image);
  turn.masks = {ids};
  return turn;
}

RecordTurn denied(const std::string& label, const std::string& image, RandomStream& random) {
  RecordTurn turn;
  turn.question = filled(one_of(kQuestions, random), label, image);
  turn.answer = filled(one_of(kDenials, random), label, image);
  return turn;
}

/// A turn and the structure that it is about.
struct Asked {
  std::string label;
  RecordTurn turn;
  bool present = true;
};

std::vector<Asked> all_turns(Structures& found, const std::string& image,
                             const ConvertOptions& options, RandomStream& random) {
  std::vector<Asked> turns;
  for (const auto& [label, ids] : found.present)
    turns.push_back({label, asked(label, ids, image, random), true});
  const double share = options.absent * static_cast<double>(std::max<std::size_t>(turns.size(), 1));
  auto wanted = static_cast<std::size_t>(share);
  if (random.uniform() < share - static_cast<double>(wanted)) ++wanted;
  if (turns.empty() && options.absent > 0) wanted = std::max<std::size_t>(wanted, 1);
  random.shuffle(found.absent);
  for (std::size_t i = 0; i < std::min(wanted, found.absent.size()); ++i)
    turns.push_back({found.absent[i], denied(found.absent[i], image, random), false});
  random.shuffle(turns);
  return turns;
}

}  // namespace

std::string image_word(const Record& record) {
  static const std::map<std::string, std::string> words = {{"ct", "CT"},
                                                           {"mr", "MR"},
                                                           {"us", "ultrasound"},
                                                           {"xray", "X-ray"},
                                                           {"fundus", "fundus"},
                                                           {"endoscopy", "endoscopic"},
                                                           {"oct", "OCT"},
                                                           {"pet", "PET"},
                                                           {"dermoscopy", "dermoscopic"},
                                                           {"pathology", "pathology"}};
  const auto found = words.find(record.modality);
  const std::string kind = record.slice ? "slice" : "image";
  return found == words.end() ? kind : found->second + " " + kind;
}

std::vector<Record> render_questions(const Draft& draft, const ConvertOptions& options,
                                     std::uint64_t number) {
  RandomStream random(options.seed, "questions", number);
  Structures found = structures_of(draft, options.min_area);
  const std::string image = image_word(draft.record);
  const auto turns = all_turns(found, image, options, random);
  std::vector<Record> records;
  const auto most = static_cast<std::size_t>(options.turns);
  for (std::size_t i = 0; i < turns.size(); i += most) {
    Record record = draft.record;
    if (turns.size() > most) record.id += str_cat("-", i / most);
    record.masks.clear();
    for (std::size_t j = i; j < std::min(turns.size(), i + most); ++j) {
      RecordTurn turn = turns[j].turn;
      if (j == i) turn.question = "<image>\n" + turn.question;
      for (const auto& ids : turn.masks) {
        for (const auto& id : ids) record.masks[id] = draft.record.masks.at(id);
      }
      if (!turns[j].present) record.absent.push_back(turns[j].label);
      record.turns.push_back(std::move(turn));
    }
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace medseg
