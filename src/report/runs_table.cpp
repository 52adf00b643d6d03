#include "medseg/report/runs_table.h"

#include <algorithm>
#include <map>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "table_text.h"
#include "table_values.h"

namespace medseg {
namespace {

using nlohmann::json;
using Entries = std::vector<BenchmarkScores>;

const std::map<std::string, Names> kMainMetrics = {
    {"lisa",
     {"dice", "giou", "ciou", "seg_count_accuracy", "name_accuracy", "false_positive_rate"}},
    {"strict", {"dice", "iou", "hd95_monai", "nsd_deepmind", "ap50", "false_positive_rate"}}};
constexpr std::size_t kMostMain = 6;  // of a protocol without a list above
const Names kGroupMetrics = {
    "dice", "giou", "iou", "mdice", "miou", "dsc", "nsd", "dice_ignore_empty", "hd95"};
const Names kCounts = {"n", "turns", "missed", "absent", "spurious", "failed"};

// In the order in which they first come.
Names different(const Entries& entries, std::string BenchmarkScores::*member) {
  Names names;
  for (const auto& entry : entries) {
    if (std::find(names.begin(), names.end(), entry.*member) == names.end())
      names.push_back(entry.*member);
  }
  return names;
}

class RunsTable {
 public:
  RunsTable(const Entries& entries, const RunsTableOptions& options)
      : entries_(entries),
        format_(options.format),
        runs_(different(entries, &BenchmarkScores::run)),
        benchmarks_(different(entries, &BenchmarkScores::benchmark)),
        metrics_(options.metrics) {
    protocol_ = one_protocol();
    if (metrics_.empty()) metrics_ = main_metrics();
    for (const auto& metric : metrics_) check_metric(metric);
  }

  std::string text() const {
    Names parts = {facts_text(facts(), format_), table_text(runs_table(), format_),
                   table_text(counts_table(), format_)};
    for (const auto& benchmark : benchmarks_) {
      add_groups(parts, benchmark, "by_target", "target");
      add_groups(parts, benchmark, "by_modality", "modality");
      add_groups(parts, benchmark, "by_phrasing", "phrasing");
    }
    return join(parts, format_ == TableFormat::kLatex ? "\n\\par\\medskip\\noindent\n" : "\n");
  }

 private:
  std::string one_protocol() const {
    std::set<std::string> names;
    for (const auto& entry : entries_) {
      if (entry.kind == RowKind::kReference) continue;
      if (const json* name = value_at(entry.scores, {"protocol"});
          name != nullptr && name->is_string())
        names.insert(name->get<std::string>());
    }
    if (names.size() > 1) {
      throw DataError("table", "scores of several protocols: " +
                                   join({names.begin(), names.end()}, ", ") + "; expected one");
    }
    return names.empty() ? "" : *names.begin();
  }

  Names known_metrics() const {
    Names names;
    for (const auto& entry : entries_) {
      const json* metrics = value_at(entry.scores, {"metrics"});
      if (metrics == nullptr) continue;
      for (const auto& item : metrics->items()) {
        if (std::find(names.begin(), names.end(), item.key()) == names.end())
          names.push_back(item.key());
      }
    }
    return names;
  }

  Names main_metrics() const {
    const auto known = known_metrics();
    const auto main = kMainMetrics.find(protocol_.empty() ? "lisa" : protocol_);
    Names chosen;
    for (const auto& metric : main == kMainMetrics.end() ? known : main->second) {
      if (chosen.size() < kMostMain && std::find(known.begin(), known.end(), metric) != known.end())
        chosen.push_back(metric);
    }
    return chosen;
  }

  void check_metric(const std::string& metric) const {
    const auto known = known_metrics();
    if (std::find(known.begin(), known.end(), metric) == known.end())
      throw ConfigError("--metrics",
                        "no such metric \"" + metric + "\"" + did_you_mean(metric, known));
  }

  const BenchmarkScores* entry_of(const std::string& run, const std::string& benchmark) const {
    for (const auto& entry : entries_) {
      if (entry.run == run && entry.benchmark == benchmark) return &entry;
    }
    return nullptr;
  }

  RowKind kind_of(const std::string& run) const {
    return std::find_if(entries_.begin(), entries_.end(),
                        [&](const auto& entry) { return entry.run == run; })
        ->kind;
  }

  std::string row_name(const std::string& run) const {
    for (const auto& entry : entries_) {
      if (entry.run != run) continue;
      if (!entry.source.empty()) return run + " (" + entry.source + ")";
      if (entry.kind == RowKind::kBaseline) return run + " (told the target)";
    }
    return run;
  }

  // A column's head: with one benchmark its name stands in the facts alone.
  std::string head_of(const std::string& benchmark, const std::string& title) const {
    return benchmarks_.size() > 1 ? benchmark + " " + title : title;
  }

  // --- facts ---------------------------------------------------------------------

  std::vector<std::pair<std::string, std::string>> facts() const {
    std::vector<std::pair<std::string, std::string>> lines;
    lines.emplace_back("protocol", protocol_.empty() ? "unknown" : protocol_ + rules());
    for (const auto& benchmark : benchmarks_) lines.push_back({"benchmark", about(benchmark)});
    add_fact(lines, "mode", &ReportedFacts::mode);
    add_fact(lines, "history", &ReportedFacts::history);
    add_fact(lines, "decoding", &ReportedFacts::decoding);
    add_fact(lines, "seed", &ReportedFacts::seed);
    add_fact(lines, "precision", &ReportedFacts::precision);
    for (const auto& entry : entries_) {
      if (entry.kind != RowKind::kRun) continue;
      lines.emplace_back("trained on the test data",
                         entry.run + " on " + entry.benchmark + ": " +
                             (entry.facts.leakage.empty() ? "unknown" : entry.facts.leakage));
    }
    lines.emplace_back("in brackets",
                       "95 % interval, 1000 resamples of the subjects (of the "
                       "records where no subject is known)");
    if (runs_.size() > 1) lines.emplace_back("marks", marks());
    return lines;
  }

  std::string marks() const {
    switch (format_) {
      case TableFormat::kText:
        return "* best of a column, + within the interval of the best";
      case TableFormat::kMarkdown:
        return "bold is the best of a column, italic within the interval of the best";
      case TableFormat::kLatex:
        return "bold is the best of a column, underlined within the interval of the best";
      case TableFormat::kCsv:
        break;
    }
    return "best of a column; within the interval of the best";
  }

  std::string rules() const {
    for (const auto& entry : entries_) {
      const json* rules = value_at(entry.scores, {"rules"});
      if (rules != nullptr && rules->is_string()) return ": " + rules->get<std::string>();
    }
    return "";
  }

  std::string about(const std::string& benchmark) const {
    for (const auto& entry : entries_) {
      if (entry.benchmark != benchmark || entry.facts.manifest.empty()) continue;
      std::string text = benchmark + ": " + entry.facts.manifest;
      if (!entry.facts.split.empty()) text += ", split " + entry.facts.split;
      if (entry.facts.records >= 0) text += str_cat(", ", entry.facts.records, " records");
      return text;
    }
    return benchmark;
  }

  // One line where all runs agree, else one a run.
  void add_fact(std::vector<std::pair<std::string, std::string>>& lines, const std::string& name,
                std::string ReportedFacts::*member) const {
    std::map<std::string, Names> by_value;
    for (const auto& entry : entries_) {
      if (entry.kind != RowKind::kRun) continue;
      const std::string value =
          (entry.facts.*member).empty() ? std::string("unknown") : entry.facts.*member;
      by_value[value].push_back(entry.run + " on " + entry.benchmark);
    }
    for (const auto& [value, runs] : by_value)
      lines.emplace_back(name,
                         by_value.size() == 1 ? value : value + " (" + join(runs, "; ") + ")");
  }

  // --- tables --------------------------------------------------------------------

  std::vector<TableRow> runs_table() const {
    std::vector<TableRow> rows(runs_.size() + 1);
    rows[0].push_back({"run"});
    for (std::size_t r = 0; r < runs_.size(); ++r) rows[r + 1].push_back({row_name(runs_[r])});
    for (const auto& benchmark : benchmarks_) {
      for (const auto& metric : metrics_) {
        std::vector<Value> column;
        for (const auto& run : runs_) column.push_back(value_of(run, benchmark, metric));
        mark_best(column, lower_is_better(metric));
        add_column(rows, head_of(benchmark, title_of(metric)), column);
      }
    }
    return rows;
  }

  Value value_of(const std::string& run, const std::string& benchmark,
                 const std::string& metric) const {
    const auto* entry = entry_of(run, benchmark);
    if (entry == nullptr) return {};
    return {number_at(entry->scores, {"metrics", metric}),
            number_at(entry->scores, {"ci", metric, "low"}),
            number_at(entry->scores, {"ci", metric, "high"}), entry->kind};
  }

  void add_column(std::vector<TableRow>& rows, const std::string& head,
                  const std::vector<Value>& column) const {
    if (format_ == TableFormat::kCsv) {
      for (const char* part : {"", " low", " high", " mark"}) rows[0].push_back({head + part});
    } else {
      rows[0].push_back({head});
    }
    for (std::size_t r = 0; r < column.size(); ++r) {
      const auto& one = column[r];
      auto& row = rows[r + 1];
      if (format_ == TableFormat::kCsv) {
        const char* const note = one.best ? "best" : one.within ? "within" : "";
        row.insert(
            row.end(),
            {{shown_number(one.value)}, {shown_number(one.low)}, {shown_number(one.high)}, {note}});
        continue;
      }
      std::string text = shown_number(one.value);
      if (one.value && one.low)
        text += " (" + shown_number(one.low) + " to " + shown_number(one.high) + ")";
      row.push_back({text, one.best, one.within});
    }
  }

  std::vector<TableRow> counts_table() const {
    std::vector<TableRow> rows(1);
    rows[0].push_back({"counted"});
    for (const auto& benchmark : benchmarks_) {
      for (const auto& count : kCounts) rows[0].push_back({head_of(benchmark, count)});
    }
    for (const auto& run : runs_) {
      if (kind_of(run) == RowKind::kReference) continue;
      auto& row = rows.emplace_back();
      row.push_back({run});
      for (const auto& benchmark : benchmarks_) {
        const auto* entry = entry_of(run, benchmark);
        for (const auto& count : kCounts)
          row.push_back({entry == nullptr ? "" : shown_count(entry->scores, count)});
      }
    }
    return rows;
  }

  // The first two measures of the groups of any entry.
  Names group_metrics(const char* group) const {
    std::set<std::string> known;
    for (const auto& entry : entries_) {
      const json* groups = value_at(entry.scores, {group});
      if (groups == nullptr || !groups->is_object()) continue;
      for (const auto& [name, values] : groups->items()) {
        if (!values.is_object()) continue;
        for (const auto& item : values.items()) known.insert(item.key());
      }
    }
    Names chosen;
    for (const auto& metric : kGroupMetrics) {
      if (known.contains(metric) && chosen.size() < 2) chosen.push_back(metric);
    }
    return chosen;
  }

  void add_groups(Names& parts, const std::string& benchmark, const char* group,
                  const std::string& title) const {
    std::vector<const BenchmarkScores*> shown_entries;
    std::set<std::string> names;
    for (const auto& run : runs_) {
      const auto* entry = entry_of(run, benchmark);
      const json* groups = entry == nullptr ? nullptr : value_at(entry->scores, {group});
      if (groups == nullptr || !groups->is_object() || groups->empty()) continue;
      shown_entries.push_back(entry);
      for (const auto& item : groups->items()) names.insert(item.key());
    }
    const auto metrics = group_metrics(group);
    if (names.empty() || metrics.empty()) return;
    std::vector<TableRow> rows = {{{head_of(benchmark, title)}, {"n"}}};
    for (const auto* entry : shown_entries) {
      for (std::size_t m = 0; m < measures(*entry, metrics); ++m)
        rows[0].push_back({head_of_run(*entry, shown_entries.size(), metrics[m])});
    }
    for (const auto& name : names)
      rows.push_back(
          group_row(name.empty() ? "(none)" : name, group, name, shown_entries, metrics));
    parts.push_back(table_text(rows, format_));
  }

  // Of a baseline the first measure is enough.
  static std::size_t measures(const BenchmarkScores& entry, const Names& metrics) {
    return entry.kind == RowKind::kBaseline ? 1 : metrics.size();
  }

  std::string head_of_run(const BenchmarkScores& entry, std::size_t runs,
                          const std::string& metric) const {
    return runs > 1 ? title_of(metric) + " " + entry.run : title_of(metric);
  }

  TableRow group_row(const std::string& title, const char* group, const std::string& name,
                     const std::vector<const BenchmarkScores*>& shown_entries,
                     const Names& metrics) const {
    TableRow row = {{title}, {""}};
    std::vector<std::vector<Value>> by_metric(metrics.size());
    for (const auto* entry : shown_entries) {
      if (row[1].text.empty()) {
        const json* n = value_at(entry->scores, {group, name, "n"});
        if (n != nullptr && n->is_number()) row[1].text = n->dump();
      }
      for (std::size_t m = 0; m < measures(*entry, metrics); ++m)
        by_metric[m].push_back(
            {number_at(entry->scores, {group, name, metrics[m]}), {}, {}, entry->kind});
    }
    for (std::size_t m = 0; m < metrics.size(); ++m)
      mark_best(by_metric[m], lower_is_better(metrics[m]));
    std::vector<std::size_t> next(metrics.size());
    for (const auto* entry : shown_entries) {
      for (std::size_t m = 0; m < measures(*entry, metrics); ++m) {
        const Value& one = by_metric[m][next[m]++];
        row.push_back({shown_number(one.value), one.best, false});
      }
    }
    return row;
  }

  const Entries& entries_;
  TableFormat format_;
  Names runs_, benchmarks_, metrics_;
  std::string protocol_;
};

}  // namespace

std::string runs_table(const Entries& entries, const RunsTableOptions& options) {
  MEDSEG_CHECK(!entries.empty(), "runs_table: no entry");
  return RunsTable(entries, options).text();
}

Entries references_of(const json& list, const std::string& where, const Names& benchmarks) {
  Entries entries;
  const auto references = parse_references(list, where);
  for (std::size_t i = 0; i < references.size(); ++i) {
    const std::string here = str_cat(where, "[", i, "]");
    const json* named = value_at(references[i].scores, {"benchmark"});
    if (named != nullptr && !named->is_string())
      throw DataError(here, "benchmark: expected a text, got " + named->dump());
    if (named == nullptr && benchmarks.size() != 1) {
      throw DataError(here,
                      "expected \"benchmark\", one of the table's: " + join(benchmarks, ", "));
    }
    const std::string benchmark = named == nullptr ? benchmarks[0] : named->get<std::string>();
    if (std::find(benchmarks.begin(), benchmarks.end(), benchmark) == benchmarks.end()) {
      throw DataError(here, "benchmark \"" + benchmark + "\" is not in the table" +
                                did_you_mean(benchmark, benchmarks));
    }
    entries.push_back({references[i].name,
                       benchmark,
                       references[i].scores,
                       RowKind::kReference,
                       references[i].source,
                       {}});
  }
  return entries;
}

}  // namespace medseg
