#include "medseg/report/table.h"

#include <algorithm>
#include <optional>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "table_text.h"

namespace medseg {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

const std::vector<std::pair<std::string, std::string>> kBaselines = {
    {"mean_mask", "mean mask"}, {"nearest_slice", "nearest slice"}, {"true_box", "true box"}};

const std::vector<std::pair<std::string, std::string>> kCounts = {{"missed masks", "missed"},
                                                                  {"spurious masks", "spurious"},
                                                                  {"absent turns", "absent"},
                                                                  {"failed turns", "failed"}};

// The number at a path of keys, or "" where the file does not have it.
std::string number_at(const json& object, const std::vector<std::string>& path, int digits = 3) {
  const json* here = &object;
  for (const auto& key : path) {
    if (!here->is_object() || !here->contains(key)) return "";
    here = &(*here)[key];
  }
  if (here->is_number_integer()) return str_cat(here->get<std::int64_t>());
  return here->is_number() ? fixed(here->get<double>(), digits) : "";
}

std::set<std::string> keys_of(const std::vector<RunScores>& runs, const char* group) {
  std::set<std::string> keys;
  for (const auto& run : runs) {
    if (!run.scores.contains(group)) continue;
    for (const auto& item : run.scores[group].items()) keys.insert(item.key());
  }
  return keys;
}

enum class Better { kHigher, kLower, kNeither };

class TableBuilder {
 public:
  explicit TableBuilder(const std::vector<RunScores>& runs) : runs_(runs) {
    const auto with = std::find_if(runs.begin(), runs.end(),
                                   [](const RunScores& run) { return run.baselines.is_object(); });
    if (with != runs.end()) baselines_ = with->baselines;
    for (const auto& [key, title] : kBaselines) {
      if (baselines_.is_object() && baselines_.contains(key)) shown_.push_back({key, title});
    }
    const json& first = runs.front().scores;
    const bool named = first.is_object() && first.contains("protocol");
    Row head = {named ? "protocol " + first["protocol"].get<std::string>() : "", "n"};
    for (const auto& run : runs) {
      std::string suffix = runs.size() > 1 ? " " + run.name : "";
      if (!run.source.empty()) suffix += " (" + run.source + ")";
      head.push_back("Dice" + suffix);
      head.push_back("gIoU" + suffix);
    }
    for (const auto& [key, title] : shown_) head.push_back(title);
    add(head);
  }

  void groups(const char* group, const std::string& title) {
    for (const auto& key : keys_of(runs_, group)) {
      Row row = {title + key, ""};
      for (const auto& run : runs_) {
        if (row[1].empty()) row[1] = number_at(run.scores, {group, key, "n"});
        row.push_back(number_at(run.scores, {group, key, "dice"}));
        row.push_back(number_at(run.scores, {group, key, "giou"}));
      }
      for (const auto& [name, unused] : shown_)
        row.push_back(number_at(baselines_, {name, group, key, "dice"}));
      add(row, Better::kHigher);
    }
  }

  // `in_giou_column`: where the number of a run stands.
  void metric(const std::string& title, const std::string& key, bool in_giou_column) {
    Row row = {title, number_at(runs_.front().scores, {"n"})};
    for (const auto& run : runs_) {
      const std::string value = number_at(run.scores, {"metrics", key});
      row.push_back(in_giou_column ? "" : value);
      row.push_back(in_giou_column ? value : "");
    }
    for (const auto& [name, unused] : shown_)
      row.push_back(number_at(baselines_, {name, "metrics", key}));
    add(row, Better::kHigher);
  }

  // A share of turns, not an overlap: one number a run.
  void share(const std::string& title, const std::string& key, const char* count, Better better) {
    Row row = {title, number_at(runs_.front().scores, {count})};
    for (const auto& run : runs_) {
      row.push_back(number_at(run.scores, {"metrics", key}));
      row.push_back("");
    }
    add(row, better);
  }

  // How many of something; nothing is best.
  void count(const std::string& title, const std::string& key) {
    Row row = {title, ""};
    for (const auto& run : runs_) {
      row.push_back(number_at(run.scores, {key}));
      row.push_back("");
    }
    add(row);
  }

  void unseen() {
    Row row = {"unseen phrasing gIoU",
               number_at(runs_.front().scores, {"by_phrasing", "unseen", "n"})};
    if (row[1].empty()) return;
    for (const auto& run : runs_) {
      row.push_back("");
      row.push_back(number_at(run.scores, {"by_phrasing", "unseen", "giou"}));
    }
    add(row, Better::kHigher);
  }

  const std::vector<TableRow>& rows() const { return rows_; }

 private:
  void add(Row row, Better better = Better::kNeither) {
    if (!rows_.empty()) row.resize(rows_.front().size());
    TableRow cells;
    for (auto& text : row) cells.push_back({std::move(text)});
    if (better != Better::kNeither && runs_.size() > 1) {
      mark_best(cells, 2, better);
      mark_best(cells, 3, better);
    }
    rows_.push_back(std::move(cells));
  }

  // Of the runs' cells from column `first` on, every second one; equal values are all best.
  void mark_best(TableRow& cells, std::size_t first, Better better) const {
    std::optional<double> best;
    for (std::size_t c = first; c < 2 + 2 * runs_.size(); c += 2) {
      if (cells[c].text.empty()) continue;
      const double value = std::stod(cells[c].text);
      if (!best || (better == Better::kHigher ? value > *best : value < *best)) best = value;
    }
    for (std::size_t c = first; c < 2 + 2 * runs_.size(); c += 2)
      cells[c].best = !cells[c].text.empty() && std::stod(cells[c].text) == *best;
  }

  const std::vector<RunScores>& runs_;
  json baselines_;
  std::vector<std::pair<std::string, std::string>> shown_;
  std::vector<TableRow> rows_;
};

}  // namespace

std::vector<RunScores> parse_references(const json& list, const std::string& where) {
  if (!list.is_array()) throw DataError(where, "expected a list of references");
  std::vector<RunScores> references;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const json& item = list[i];
    const std::string here = str_cat(where, "[", i, "]");
    const auto text = [&](const char* key) {
      if (!item.is_object() || !item.contains(key) || !item[key].is_string() ||
          trim(item[key].get<std::string>()).empty())
        throw DataError(here, str_cat("expected an object with the text \"", key, "\""));
      return item[key].get<std::string>();
    };
    RunScores reference{text("name"), item, nullptr, text("source")};
    if (!item.contains("metrics") || !item["metrics"].is_object())
      throw DataError(here, "expected an object \"metrics\"");
    references.push_back(std::move(reference));
  }
  return references;
}

std::string benchmark_table(const std::vector<RunScores>& runs, TableFormat format) {
  MEDSEG_CHECK(!runs.empty(), "benchmark_table: no run");
  TableBuilder table(runs);
  table.groups("by_target", "");
  table.metric("mean over targets", "dice_over_targets", /*in_giou_column=*/false);
  table.metric("mean over masks", "dice", /*in_giou_column=*/false);
  table.metric("gIoU", "giou", /*in_giou_column=*/true);
  table.metric("cIoU", "ciou", /*in_giou_column=*/true);
  table.groups("by_modality", "modality ");
  table.groups("by_phrasing", "phrasing ");
  table.share("[SEG] count exact", "seg_count_accuracy", "turns", Better::kHigher);
  table.share("right name", "name_accuracy", "n", Better::kHigher);
  table.share("false positives on absent turns", "false_positive_rate", "absent", Better::kLower);
  table.unseen();
  for (const auto& [title, key] : kCounts) table.count(title, key);
  return table_text(table.rows(), format);
}

}  // namespace medseg
