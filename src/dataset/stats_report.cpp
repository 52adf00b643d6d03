// The two forms of the counts: a table for people, JSON for programs.
#include <algorithm>
#include <iomanip>
#include <set>
#include <sstream>

#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "medseg/dataset/stats.h"

namespace medseg {
namespace {

/// train, val, test first, then the rest by name.
std::vector<std::string> ordered_splits(const ManifestStats& stats) {
  std::vector<std::string> names;
  for (const char* name : {"train", "val", "test"}) {
    if (stats.splits.contains(name)) names.emplace_back(name);
  }
  for (const auto& [name, counts] : stats.splits) {
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

class Table {
 public:
  explicit Table(const ManifestStats& stats) : stats_(stats), splits_(ordered_splits(stats)) {}

  void head(const std::string& title) {
    out_ << (out_.tellp() > 0 ? "\n" : "") << std::left << std::setw(24) << title << std::right;
    for (const auto& split : splits_) out_ << std::setw(10) << split;
    out_ << "\n";
  }

  template <class Number>
  void row(const std::string& name, const Number& number) {
    out_ << std::left << std::setw(24) << name << std::right;
    for (const auto& split : splits_) out_ << std::setw(10) << number(stats_.splits.at(split));
    out_ << "\n";
  }

  template <class Key>
  void rows(const std::string& title, std::map<Key, std::int64_t> SplitStats::*field) {
    std::set<Key> keys;
    for (const auto& [split, counts] : stats_.splits) {
      for (const auto& [key, n] : counts.*field) keys.insert(key);
    }
    if (keys.empty()) return;
    head(title);
    for (const auto& key : keys) {
      row(str_cat(key), [&](const SplitStats& counts) {
        const auto it = (counts.*field).find(key);
        return it == (counts.*field).end() ? std::int64_t{0} : it->second;
      });
    }
  }

  std::string text() const { return out_.str(); }

 private:
  const ManifestStats& stats_;
  std::vector<std::string> splits_;
  std::ostringstream out_;
};

template <class Key>
nlohmann::ordered_json counts_json(const std::map<Key, std::int64_t>& counts) {
  auto json = nlohmann::ordered_json::object();
  for (const auto& [key, count] : counts) json[str_cat(key)] = count;
  return json;
}

}  // namespace

std::string stats_text(const ManifestStats& stats) {
  Table table(stats);
  table.head("");
  table.row("records", [](const SplitStats& s) { return s.records; });
  table.row("pictures", [](const SplitStats& s) { return s.pictures; });
  table.row("subjects", [](const SplitStats& s) { return s.subjects; });
  table.row("image-mask pairs", [](const SplitStats& s) { return s.pairs; });
  table.row("masks asked for", [](const SplitStats& s) { return s.masks_asked; });
  table.row("answered turns", [](const SplitStats& s) { return s.answered_turns; });
  table.row("  without a mask", [](const SplitStats& s) { return s.absent_turns; });
  table.rows("records by modality", &SplitStats::records_by_modality);
  table.rows("pairs by target", &SplitStats::pairs_by_target);
  table.rows("asked by target", &SplitStats::asked_by_target);
  table.rows("absent by target", &SplitStats::denied_by_target);
  table.rows("turns by [SEG]", &SplitStats::turns_by_seg);
  table.rows("pairs by mask area", &SplitStats::areas);
  table.rows("records by " + stats.length_unit + " from", &SplitStats::records_by_length);
  std::string text = table.text() + "\nleakage between splits: ";
  if (stats.leaks.empty()) return text + "none\n";
  text += "\n";
  for (const auto& leak : stats.leaks) {
    text += "  " + leak.what + " in " + join(leak.splits, ", ") +
            (leak.declared ? " (declared: split by slab)" : " (NOT DECLARED)") + "\n";
  }
  return text;
}

std::string stats_json(const ManifestStats& stats) {
  nlohmann::ordered_json json;
  json["splits"] = nlohmann::ordered_json::object();
  for (const auto& name : ordered_splits(stats)) {
    const auto& counts = stats.splits.at(name);
    json["splits"][name] = {
        {"records", counts.records},
        {"pictures", counts.pictures},
        {"subjects", counts.subjects},
        {"pairs", counts.pairs},
        {"masks_asked", counts.masks_asked},
        {"answered_turns", counts.answered_turns},
        {"absent_turns", counts.absent_turns},
        {"records_by_modality", counts_json(counts.records_by_modality)},
        {"pairs_by_target", counts_json(counts.pairs_by_target)},
        {"asked_by_target", counts_json(counts.asked_by_target)},
        {"absent_by_target", counts_json(counts.denied_by_target)},
        {"turns_by_seg", counts_json(counts.turns_by_seg)},
        {"pairs_by_area", counts_json(counts.areas)},
        {"records_by_" + stats.length_unit, counts_json(counts.records_by_length)}};
  }
  json["leaks"] = nlohmann::ordered_json::array();
  for (const auto& leak : stats.leaks) {
    json["leaks"].push_back({{"kind", name_of(leak.kind)},
                             {"what", leak.what},
                             {"splits", leak.splits},
                             {"declared", leak.declared}});
  }
  return json.dump();
}

}  // namespace medseg
