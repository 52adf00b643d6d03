#include "medseg/dataset/fingerprint.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "medseg/dataset/stats.h"
#include "medseg/text/conversation.h"

namespace medseg {
namespace {

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    const double last = static_cast<double>(values.size() - 1);
    return values[static_cast<std::size_t>(std::lround(share * last))];
  };
  return {values.front(), at(0.5), at(0.99), values.back()};
}

double length_of(const std::string& text, const Tokenizer* tokenizer) {
  if (tokenizer != nullptr) return static_cast<double>(tokenizer->encode(text).size());
  std::int64_t words = 0;
  for (const auto& word : split(text, ' ')) words += trim(word).empty() ? 0 : 1;
  return static_cast<double>(words);
}

class Measuring {
 public:
  Measuring(const Manifest& manifest, const Tokenizer* tokenizer)
      : manifest_(manifest), tokenizer_(tokenizer) {
    found_.in_tokens = tokenizer != nullptr;
  }

  Fingerprint measure(std::int64_t most_images) {
    std::map<std::string, std::set<std::string>> subjects;
    std::map<std::string, const Record*> pictures;
    for (const auto& record : manifest_.records()) {
      ++found_.records_by_split[record.split];
      if (!record.subject.empty()) subjects[record.split].insert(subject_key(record.subject));
      if (record.split != "train") continue;
      pictures.emplace(picture_key(record), &record);
      count(record);
    }
    if (!found_.records_by_split.contains("train"))
      throw DataError(manifest_.path().string(), "no record of the split \"train\"");
    for (const auto& [split, names] : subjects)
      found_.subjects_by_split[split] = static_cast<std::int64_t>(names.size());
    found_.pictures = static_cast<std::int64_t>(pictures.size());
    read_images(pictures, most_images);
    found_.length = spread_of(std::move(lengths_));
    found_.width = spread_of(std::move(widths_));
    found_.height = spread_of(std::move(heights_));
    found_.mask_share = spread_of(std::move(shares_));
    return std::move(found_);
  }

 private:
  void count(const Record& record) {
    ++found_.records_by_modality[record.modality.empty() ? "not stated" : record.modality];
    if (record.slice || !record.window.empty())
      ++found_.records_by_window[record.window.empty() ? "assumed" : window_name(record.window)];
    double length = 0;
    std::int64_t masks = 0, turns = 0;
    std::set<std::string> targets;
    for (const auto& turn : record.turns) {
      length += length_of(turn.question, tokenizer_) + length_of(turn.answer, tokenizer_);
      if (!turn.has_answer) continue;
      ++turns;
      if (turn.masks.empty()) ++found_.absent_turns;
      masks += static_cast<std::int64_t>(turn.masks.size());
      for (const auto& ids : turn.masks) targets.insert(target_label(record, ids));
    }
    for (const auto& target : targets) ++found_.records_by_target[target];
    found_.turns += turns;
    found_.most_turns = std::max(found_.most_turns, turns);
    found_.masks += masks;
    found_.most_masks = std::max(found_.most_masks, masks);
    lengths_.push_back(length);
  }

  static std::string window_name(const std::string& window) {
    return window.substr(0, window.find('('));
  }

  void read_images(const std::map<std::string, const Record*>& pictures, std::int64_t most) {
    const auto count = static_cast<std::int64_t>(pictures.size());
    const std::int64_t step = std::max<std::int64_t>(1, (count + most - 1) / most);
    std::int64_t at = 0;
    for (const auto& [key, record] : pictures) {
      if (at++ % step != 0) continue;
      const RecordImage read = read_image_of(manifest_, *record);
      ++found_.images_read;
      if (read.assumed_window) ++found_.assumed_windows;
      widths_.push_back(read.image.width);
      heights_.push_back(read.image.height);
      const double pixels = static_cast<double>(read.image.width) * read.image.height;
      for (const auto& turn : record->turns) {
        for (const auto& ids : turn.masks) {
          const Mask mask = load_mask(manifest_, *record, ids, read.image.width, read.image.height);
          shares_.push_back(static_cast<double>(mask.area()) / pixels);
        }
      }
    }
  }

  const Manifest& manifest_;
  const Tokenizer* tokenizer_;
  Fingerprint found_;
  std::vector<double> lengths_, widths_, heights_, shares_;
};

}  // namespace

Fingerprint fingerprint(const Manifest& manifest, const Tokenizer* tokenizer,
                        std::int64_t most_images) {
  return Measuring(manifest, tokenizer).measure(most_images);
}

}  // namespace medseg
