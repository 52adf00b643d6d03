#include "medseg/curation/annotated_set.h"

#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"

namespace medseg {

namespace fs = std::filesystem;

Record record_of(const Picture& picture, const Draft& draft, const std::string& id) {
  Record record = picture.record;
  record.id = id;
  record.masks.clear();
  record.absent.clear();
  std::map<std::string, std::string> new_id;
  for (std::size_t i = 0; i < draft.size(); ++i) {
    RecordTurn turn{(i == 0 ? "<image>\n" : "") + draft[i].question, draft[i].answer, {}, true};
    for (const auto& target : draft[i].targets) {
      const auto [known, is_new] = new_id.emplace(target, str_cat("m", new_id.size()));
      if (is_new) record.masks[known->second] = picture.record.masks.at(target);
      turn.masks.push_back({known->second});
    }
    for (const auto& label : draft[i].absent) {
      if (std::find(record.absent.begin(), record.absent.end(), label) == record.absent.end())
        record.absent.push_back(label);
    }
    record.turns.push_back(std::move(turn));
  }
  return record;
}

AnnotatedSet::AnnotatedSet(const Manifest& source, fs::path out)
    : source_folder_(fs::absolute(source.path()).parent_path()), out_(std::move(out)) {}

fs::path AnnotatedSet::relative(const fs::path& file) const {
  if (file.empty() || file.is_absolute()) return file;
  return fs::relative(source_folder_ / file, fs::absolute(out_));
}

void AnnotatedSet::add(const Picture& picture, const Draft& draft) {
  const std::string& base = picture.record.id;
  Record record = record_of(picture, draft, str_cat(base, "-q", ++dialogues_of_picture_[base]));
  record.image = relative(record.image);
  for (auto& [id, source] : record.masks) source.file = relative(source.file);
  lines_ += to_json_line(record) + "\n";
  ++dialogues_;
  ++dialogues_by_split_[record.split];
  for (const auto& turn : draft) {
    ++turns_;
    ++turns_by_kind_[name_of(turn.kind)];
    absent_turns_ += turn.targets.empty() ? 1 : 0;
    questions_.insert(turn.question);
    for (const auto& target : turn.targets)
      pairs_.insert({base, picture.record.masks.at(target).label});
  }
}

void AnnotatedSet::add_bare(const Picture& /*picture*/) { ++bare_; }

nlohmann::ordered_json AnnotatedSet::report() const {
  nlohmann::ordered_json report = {{"made_by", made_by_},
                                   {"pictures", dialogues_of_picture_.size()},
                                   {"pictures_without_dialogue", bare_},
                                   {"image_mask_pairs", pairs()},
                                   {"dialogues", dialogues_},
                                   {"dialogues_by_split", dialogues_by_split_},
                                   {"turns", turns_},
                                   {"turns_without_mask", absent_turns_},
                                   {"turns_by_kind", turns_by_kind_},
                                   {"different_questions", questions_.size()},
                                   {"rejected", rejected_.total()},
                                   {"rejected_by_rule", rejected_.json()}};
  if (!aside_.empty()) report["set_aside_by_stage"] = aside_;
  if (!without_entry_.empty()) report["labels_without_entry"] = without_entry_;
  return report;
}

std::string AnnotatedSet::report_text() const {
  std::string text =
      str_cat((out_ / "manifest.jsonl").string(), ": ", pairs(), " image-mask pairs of ",
              dialogues_of_picture_.size(), " pictures in ", dialogues_, " dialogues of ", turns_,
              " turns, ", absent_turns_, " of them about what is not there; ", questions_.size(),
              " different questions\n");
  if (bare_ > 0) text += str_cat(bare_, " pictures have no dialogue\n");
  for (const auto& [label, count] : without_entry_) {
    text += str_cat("no entry in the vocabulary: \"", label, "\" (", count,
                    " masks, asked for by place alone)\n");
  }
  for (const auto& [stage, count] : aside_)
    text += str_cat("set aside at stage ", stage, ": ", count, "\n");
  return text + rejected_.text();
}

void AnnotatedSet::write() const {
  if (dialogues_ == 0) throw DataError(out_.string(), "no dialogue is left: " + rejected_.text());
  write_file(out_ / "report.json", report().dump(2) + "\n");
  write_file(out_ / "manifest.jsonl", lines_);
}

}  // namespace medseg
