#include "medseg/dataset/stats.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "medseg/base/progress.h"
#include "medseg/base/str.h"
#include "medseg/text/conversation.h"

namespace medseg {
namespace {

std::string area_class(const Mask& mask) {
  const double share = static_cast<double>(mask.area()) /
                       static_cast<double>(std::max<std::size_t>(mask.pixels.size(), 1));
  for (const auto& [limit, name] :
       std::vector<std::pair<double, const char*>>{{0.0, "0 empty"},
                                                   {0.001, "1 to 0.1 %"},
                                                   {0.003, "2 to 0.3 %"},
                                                   {0.01, "3 to 1 %"},
                                                   {0.03, "4 to 3 %"},
                                                   {0.1, "5 to 10 %"},
                                                   {0.3, "6 to 30 %"}}) {
    if (share <= limit) return name;
  }
  return "7 above 30 %";
}

std::int64_t word_count(const std::string& text) {
  std::int64_t words = 0;
  bool inside = false;
  for (const char c : text) {
    const bool blank = c == ' ' || c == '\n' || c == '\t';
    words += !blank && !inside ? 1 : 0;
    inside = !blank;
  }
  return words;
}

/// Sets behind the counts of one split.
struct Seen {
  std::set<std::string> pictures;
  std::set<std::string> subjects;
  std::set<std::pair<std::string, std::string>> pairs;
};

std::int64_t length_of(const std::string& text, const Tokenizer* tokenizer) {
  return tokenizer == nullptr ? word_count(text)
                              : static_cast<std::int64_t>(tokenizer->encode(text).size());
}

/// What is said, without the mark of the picture.
std::string spoken(std::string question) {
  const auto at = question.find(kImagePlace);
  return at == std::string::npos ? question
                                 : question.erase(at, std::char_traits<char>::length(kImagePlace));
}

void count_record(const Manifest& manifest, const Record& record, const Image& image,
                  const Tokenizer* tokenizer, SplitStats& stats, Seen& seen) {
  const std::string picture = picture_key(record);
  ++stats.records;
  ++stats.records_by_modality[record.modality.empty() ? "unknown" : record.modality];
  seen.pictures.insert(picture);
  if (!record.subject.empty()) seen.subjects.insert(record.subject);
  std::int64_t length = 0;
  for (const auto& turn : record.turns) {
    length += length_of(spoken(turn.question), tokenizer) + length_of(turn.answer, tokenizer);
    if (!turn.has_answer) continue;
    ++stats.answered_turns;
    if (turn.masks.empty()) ++stats.absent_turns;
    ++stats.turns_by_seg[static_cast<std::int64_t>(turn.masks.size())];
    for (const auto& ids : turn.masks) {
      const std::string target = target_label(record, ids);
      ++stats.masks_asked;
      ++stats.asked_by_target[target];
      if (!seen.pairs.emplace(picture, target).second) continue;
      ++stats.pairs_by_target[target];
      ++stats.areas[area_class(load_mask(manifest, record, ids, image.width, image.height))];
    }
  }
  for (const auto& label : record.absent) ++stats.denied_by_target[label];
  ++stats.records_by_length[length / 50 * 50];
}

}  // namespace

std::string target_label(const Record& record, const std::vector<std::string>& ids) {
  std::vector<std::string> labels;
  for (const auto& id : ids) {
    const auto it = record.masks.find(id);
    const std::string label = it == record.masks.end() ? id : it->second.label;
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
  }
  return join(labels, "+");
}

ManifestStats count_manifest(const Manifest& manifest, const Tokenizer* tokenizer) {
  ManifestStats stats;
  if (tokenizer != nullptr) stats.length_unit = "tokens";
  std::map<std::string, Seen> seen;
  std::map<std::string, std::pair<Image, std::string>> last;  // one picture: records stand together
  std::vector<LeakEntry> entries;
  Progress progress("reading", static_cast<std::int64_t>(manifest.records().size()));
  for (const auto& record : manifest.records()) {
    const std::string key = picture_key(record) + " " + record.window;
    if (!last.contains(key)) {
      last.clear();
      Image image = load_image(manifest, record);
      std::string digest = picture_digest(image);
      last.emplace(key, std::pair{std::move(image), std::move(digest)});
    }
    const auto& [image, digest] = last.begin()->second;
    const std::string split = record.split.empty() ? "none" : record.split;
    count_record(manifest, record, image, tokenizer, stats.splits[split], seen[split]);
    entries.push_back({&record, digest, volume_digest(manifest, record)});
    progress.update(static_cast<std::int64_t>(entries.size()));
  }
  progress.finish();
  for (auto& [split, counts] : stats.splits) {
    counts.pictures = static_cast<std::int64_t>(seen[split].pictures.size());
    counts.subjects = static_cast<std::int64_t>(seen[split].subjects.size());
    counts.pairs = static_cast<std::int64_t>(seen[split].pairs.size());
  }
  stats.leaks = find_leaks(entries);
  return stats;
}

}  // namespace medseg
