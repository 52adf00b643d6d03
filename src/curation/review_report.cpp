// Agreement of readers, and the manifest that a review gives.
#include <algorithm>
#include <set>

#include "croissant.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "medseg/curation/agreement.h"
#include "medseg/curation/review_store.h"
#include "medseg/curation/revisions.h"
#include "review_content.h"
#include "review_judged.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

/// Verdicts of the readers of judged records, in all or of one target.
struct Ratings {
  std::vector<std::vector<int>> verdicts;  ///< a case: one category a reader
  std::vector<double> dice;                ///< of pairs of revised masks

  ordered_json json(std::int64_t readers) const {
    ordered_json out = {{"cases", verdicts.size()}};
    std::optional<double> kappa;
    if (readers == 2) {
      std::vector<int> a, b;
      for (const auto& one : verdicts) {
        a.push_back(one[0]);
        b.push_back(one[1]);
      }
      kappa = cohen_kappa(a, b);
    } else if (readers > 2) {
      std::vector<std::vector<int>> counts;
      for (const auto& one : verdicts) {
        counts.emplace_back(3);
        for (const int category : one) ++counts.back()[static_cast<std::size_t>(category)];
      }
      kappa = fleiss_kappa(counts);
    }
    out[readers == 2 ? "cohen_kappa" : "fleiss_kappa"] =
        kappa ? ordered_json(*kappa) : ordered_json(nullptr);
    double sum = 0;
    for (const double one : dice) sum += one;
    out["masks_compared"] = dice.size();
    out["dice"] =
        dice.empty() ? ordered_json(nullptr) : ordered_json(sum / static_cast<double>(dice.size()));
    return out;
  }
};

int category_of(ReviewAction verdict) {
  return verdict == ReviewAction::kAccept ? 0 : verdict == ReviewAction::kReject ? 1 : 2;
}

std::string card_text(ReviewStore& store, std::int64_t written,
                      const std::map<std::string, std::int64_t>& sources,
                      const std::map<std::string, std::int64_t>& reasons) {
  std::string text = str_cat("# Data card\n\nMade by medseg ", version(),
                             " from a review: ", written, " of ", store.size(), " records.\n");
  text += "\n## Sources and licences\n\n| source | licence | records |\n| --- | --- | --- |\n";
  for (const auto& [source, count] : sources) text += str_cat("| ", source, " | ", count, " |\n");
  text += "\n## Agreement of the readers\n\n```json\n" + store.agreement().dump(2) + "\n```\n";
  text += "\n## Reasons of rejections\n\n| reason | decisions |\n| --- | --- |\n";
  for (const auto& [reason, count] : reasons) text += str_cat("| ", reason, " | ", count, " |\n");
  return text;
}

/// "ch2.nii.gz of …, axial slice 5" without its slice: one source a scan.
std::string source_of(const Record& record) {
  const auto comma = record.source.find(", a");
  return (record.source.empty() ? "not stated" : record.source.substr(0, comma)) + " | " +
         (record.licence.empty() ? "not stated" : record.licence);
}

}  // namespace

ordered_json ReviewStore::agreement() {
  const std::lock_guard lock(mutex_);
  Ratings all;
  std::map<std::string, Ratings> by_target;
  std::map<std::string, std::int64_t> by_status;
  const std::int64_t count = size();
  std::vector<std::int64_t> touched;
  database_.each("SELECT record FROM statuses ORDER BY record", {},
                 [&](const SqlRow& row) { touched.push_back(row.whole(0)); });
  for (const std::int64_t position : touched) {
    const Judged one = judged(position);
    ++by_status[name_of(one.status)];
    if (static_cast<std::int64_t>(one.readers.size()) < settings_.readers) continue;
    std::vector<int> verdicts;
    for (std::int64_t i = 0; i < settings_.readers; ++i) {
      verdicts.push_back(
          category_of(*one.standings.at(one.readers[static_cast<std::size_t>(i)]).verdict));
    }
    all.verdicts.push_back(verdicts);
    std::set<std::string> labels;
    for (const auto& [id, source] : one.record.masks) labels.insert(source.label);
    for (const auto& label : labels) by_target[label].verdicts.push_back(verdicts);
    if (one.readers.size() < 2) continue;
    const auto& a = one.standings.at(one.readers[0]);
    const auto& b = one.standings.at(one.readers[1]);
    if (!a.content || !b.content) continue;
    const auto ma = masks_of_content(*a.content), mb = masks_of_content(*b.content);
    for (const auto& [id, mask] : ma) {
      const auto other = mb.find(id);
      if (other == mb.end() || other->second.width != mask.width ||
          other->second.height != mask.height)
        continue;
      const double dice = dice_of(mask, other->second);
      all.dice.push_back(dice);
      by_target[one.record.masks.at(id).label].dice.push_back(dice);
    }
  }
  by_status["open"] += count - static_cast<std::int64_t>(touched.size());
  ordered_json out = {{"records", count}, {"by_status", by_status}};
  out["all"] = all.json(settings_.readers);
  for (const auto& [label, ratings] : by_target)
    out["by_target"][label] = ratings.json(settings_.readers);
  return out;
}

std::optional<ordered_json> ReviewStore::revision(std::int64_t position, const std::string& model) {
  const auto all = judged(position);
  const auto& standing = all.standings.at(all.decider);
  if (!standing.content) return std::nullopt;
  return revision_of(source_folder(), all.record, *standing.content, all.decider, model);
}

std::int64_t export_review(ReviewStore& store, const fs::path& out,
                           std::optional<RecordStatus> status) {
  const fs::path from = store.source_folder(), to = fs::absolute(out).parent_path();
  const std::string model = model_of_set(from);
  std::string lines, revisions;
  ReviewedSet set;
  set.name = to.filename().string();
  set.manifest = out.filename().string();
  std::int64_t written = 0;
  std::map<std::string, std::int64_t> sources, reasons;
  const auto moved = [&](ordered_json& owner, const char* key) {
    const fs::path file = owner[key].get<std::string>();
    if (file.is_relative()) owner[key] = fs::relative(from / file, to).generic_string();
  };
  for (std::int64_t position = 0; position < store.size(); ++position) {
    const RecordStatus now = store.status(position);
    for (const auto& decision : store.trail(position)) {
      if (!decision.reason.empty()) ++reasons[decision.reason];
    }
    if (now == RecordStatus::kOpen || now == RecordStatus::kDisagreement) continue;
    if (status && now != *status) continue;
    ordered_json record = store.decided(position);
    moved(record, "image");
    if (record.contains("masks")) {
      for (auto& [id, mask] : record["masks"].items()) {
        if (mask.contains("file")) moved(mask, "file");
      }
    }
    lines += record.dump() + "\n";
    if (written == 0) {
      for (const auto& [key, value] : record.items()) set.columns.insert(key);
    }
    std::erase_if(set.columns, [&](const auto& key) { return !record.contains(key); });
    ++written;
    const Record before = store.record(position);
    ++sources[source_of(before)];
    if (!before.source.empty()) set.sources.insert(before.source);
    if (!before.licence.empty()) set.licences.insert(before.licence);
    if (now != RecordStatus::kAccepted) continue;
    if (const auto pair = store.revision(position, model)) revisions += pair->dump() + "\n";
  }
  if (written == 0) {
    throw DataError(out.string(), "no record is " + (status ? name_of(*status) : "decided"));
  }
  write_file(to / "data-card.md", card_text(store, written, sources, reasons));
  set.lines = lines;
  set.records = written;
  set.readers = store.settings().readers;
  set.agreement = store.agreement();
  write_file(to / "croissant.json", croissant_of(set).dump(2) + "\n");
  write_file(to / kRevisionsFile, revisions);
  write_file(out, lines);
  return written;
}

}  // namespace medseg
