#include "medseg/report/protocol_text.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <tuple>

#include "medseg/base/str.h"
#include "medseg/report/table.h"
#include "table_text.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

Json number(double value) {
  if (std::isnan(value)) return nullptr;
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return value;
}

Json groups_json(const std::map<std::string, GroupResult>& groups) {
  auto json = Json::object();
  for (const auto& [name, group] : groups) {
    json[name]["n"] = group.n;
    for (const auto& [metric, value] : group.metrics) json[name][metric] = number(value);
  }
  return json;
}

Json interval_json(const Interval& interval) {
  return {{"low", number(interval.low)},
          {"high", number(interval.high)},
          {"jackknife_se", number(interval.jackknife_se)},
          {"subjects", interval.groups}};
}

std::string shown(double value) {
  if (std::isnan(value)) return "-";
  if (std::isinf(value)) return "inf";
  return fixed(value, std::abs(value) >= 1000 ? 1 : 4);
}

std::string counts_line(const ProtocolResult& result) {
  std::string line = str_cat("protocol ", result.protocol, ": n ", result.n, ", turns ",
                             result.turns, ", missed ", result.missed, ", absent ", result.absent,
                             ", spurious ", result.spurious, ", failed ", result.failed);
  for (const auto& [name, count] : result.counts) line += str_cat(", ", name, " ", count);
  return line + "\n";
}

std::string metrics_table(const ProtocolResult& result) {
  std::vector<TableRow> rows = {{{"metric"}, {result.protocol}, {"95 % interval"}}};
  for (const auto& [name, value] : result.metrics) {
    std::string interval;
    const auto found = result.intervals.find(name);
    if (found != result.intervals.end())
      interval = str_cat(shown(found->second.low), " to ", shown(found->second.high));
    rows.push_back({{name}, {shown(value)}, {interval}});
  }
  return table_text(rows, TableFormat::kText);
}

double mean_dice(const std::vector<const CaseRow*>& rows) {
  double sum = 0;
  for (const auto* row : rows) sum += row->dice;
  return sum / static_cast<double>(rows.size());
}

using CaseKey = std::tuple<std::string, int, std::size_t>;

CaseKey key_of(const CaseRow& row) { return {row.id, row.turn, row.index}; }

// The rows whose record, turn and position the other run has as well.
std::vector<CaseRow> shared_rows(const std::vector<CaseRow>& rows,
                                 const std::vector<CaseRow>& other) {
  std::set<CaseKey> known;
  for (const auto& row : other) known.insert(key_of(row));
  std::vector<CaseRow> shared;
  std::copy_if(rows.begin(), rows.end(), std::back_inserter(shared),
               [&](const CaseRow& row) { return known.contains(key_of(row)); });
  return shared;
}

std::string cases_line(const Json& comparison) {
  const Json& cases = comparison.at("cases");
  const auto count = [&](const char* key) { return cases.at(key).get<std::int64_t>(); };
  if (count("only_first") == 0 && count("only_second") == 0) return "";
  return str_cat("references that both answered: ", count("both"),
                 "; left out: ", count("only_first"), " of the first alone, ", count("only_second"),
                 " of the second alone\n");
}

Json by_target(const std::vector<CaseRow>& first, const std::vector<CaseRow>& second) {
  std::map<std::string, std::pair<std::vector<const CaseRow*>, std::vector<const CaseRow*>>>
      targets;
  for (const auto& row : first) targets[row.target].first.push_back(&row);
  for (const auto& row : second) targets[row.target].second.push_back(&row);
  auto json = Json::object();
  for (const auto& [target, rows] : targets) {
    if (rows.first.empty() || rows.second.empty()) continue;
    const double a = mean_dice(rows.first), b = mean_dice(rows.second);
    json[target] = {{"n", rows.first.size()}, {"first", a}, {"second", b}, {"difference", a - b}};
  }
  return json;
}

}  // namespace

Json protocol_json(const ProtocolResult& result) {
  Json json;
  json["protocol"] = result.protocol;
  json["rules"] = result.rules;
  json["n"] = result.n;
  json["turns"] = result.turns;
  json["missed"] = result.missed;
  json["absent"] = result.absent;
  json["spurious"] = result.spurious;
  json["failed"] = result.failed;
  json["metrics"] = Json::object();
  for (const auto& [name, value] : result.metrics) json["metrics"][name] = number(value);
  json["by_modality"] = groups_json(result.by_modality);
  json["by_target"] = groups_json(result.by_target);
  if (!result.by_phrasing.empty() || result.protocol == "lisa")
    json["by_phrasing"] = groups_json(result.by_phrasing);
  for (const auto& [name, count] : result.counts) json[name] = count;
  if (result.mask_score_threshold) json["mask_score_threshold"] = *result.mask_score_threshold;
  for (const auto& [name, interval] : result.intervals) json["ci"][name] = interval_json(interval);
  return json;
}

std::string protocol_text(const ProtocolResult& result) {
  const bool is_lisa = result.protocol == "lisa";
  return (is_lisa ? benchmark_table({{"", nlohmann::json(protocol_json(result)), nullptr}},
                                    TableFormat::kText)
                  : metrics_table(result)) +
         counts_line(result) + "rules: " + result.rules + "\n";
}

Json comparison_json(const std::vector<CaseRow>& all_first,
                     const std::vector<CaseRow>& all_second) {
  const auto first = shared_rows(all_first, all_second);
  const auto second = shared_rows(all_second, all_first);
  const auto subjects = subject_differences(first, second);
  std::vector<double> differences;
  std::vector<GroupSum> a, b;
  for (const auto& subject : subjects) {
    differences.push_back(subject.first - subject.second);
    a.push_back({subject.first, 1});
    b.push_back({subject.second, 1});
  }
  const PairedTest test = paired_test(differences);
  std::vector<GroupSum> sums;
  for (const double difference : differences) sums.push_back({difference, 1});
  const auto mean = [](const std::vector<GroupSum>& values) {
    double sum = 0;
    for (const auto& value : values) sum += value.sum;
    return sum / static_cast<double>(values.size());
  };
  return {{"metric", "dice"},
          {"unit", "subject"},
          {"subjects", subjects.size()},
          {"first", number(mean(a))},
          {"second", number(mean(b))},
          {"difference", number(test.difference)},
          {"ci", interval_json(bootstrap_mean(sums))},
          {"permutation_p", number(test.permutation_p)},
          {"wilcoxon_statistic", number(test.wilcoxon_statistic)},
          {"wilcoxon_p", number(test.wilcoxon_p)},
          {"cohen_dz", number(test.cohen_dz)},
          {"rank_biserial", number(test.rank_biserial)},
          {"cases",
           {{"both", first.size()},
            {"only_first", all_first.size() - first.size()},
            {"only_second", all_second.size() - second.size()}}},
          {"by_target", by_target(first, second)}};
}

std::string comparison_text(const Json& comparison) {
  const auto value = [&](const char* key) {
    const Json& number = comparison.at(key);
    return number.is_number() ? shown(number.get<double>()) : std::string("-");
  };
  const auto of = [](const Json& group, const char* key) {
    return group.at(key).is_number() ? shown(group.at(key).get<double>()) : std::string("-");
  };
  std::vector<TableRow> rows = {{{"Dice"}, {"n"}, {"first"}, {"second"}, {"difference"}}};
  for (const auto& [target, group] : comparison.at("by_target").items()) {
    rows.push_back({{target},
                    {group.at("n").dump()},
                    {of(group, "first")},
                    {of(group, "second")},
                    {of(group, "difference")}});
  }
  rows.push_back({{"mean over subjects"},
                  {comparison.at("subjects").dump()},
                  {value("first")},
                  {value("second")},
                  {value("difference")}});
  const Json& ci = comparison.at("ci");
  return cases_line(comparison) + table_text(rows, TableFormat::kText) +
         str_cat("difference of subjects: ", value("difference"), ", 95 % interval ", of(ci, "low"),
                 " to ", of(ci, "high"), "\npermutation p ", value("permutation_p"),
                 "; Wilcoxon W ", value("wilcoxon_statistic"), ", p ", value("wilcoxon_p"),
                 "\nCohen's dz ", value("cohen_dz"), "; rank-biserial ", value("rank_biserial"),
                 "\n");
}

std::string case_rows_csv(const std::vector<CaseRow>& rows) {
  std::vector<TableRow> cells = {{{"id"},
                                  {"turn"},
                                  {"index"},
                                  {"target"},
                                  {"modality"},
                                  {"subject"},
                                  {"state"},
                                  {"dice"},
                                  {"iou"},
                                  {"boundary_iou"},
                                  {"hd95_monai"},
                                  {"hd95_deepmind"},
                                  {"assd"},
                                  {"nsd_monai"},
                                  {"nsd_deepmind"}}};
  for (const auto& row : rows) {
    auto& line = cells.emplace_back();
    for (const std::string& text : {row.id, str_cat(row.turn), str_cat(row.index), row.target,
                                    row.modality, row.subject, name_of(row.failure)})
      line.push_back({text});
    for (const double value :
         {row.dice, row.iou, row.boundary_iou, row.surfaces.hd95_monai, row.surfaces.hd95_deepmind,
          row.surfaces.assd, row.surfaces.nsd_monai, row.surfaces.nsd_deepmind})
      line.push_back({fixed(value, 6)});
  }
  return table_text(cells, TableFormat::kCsv);
}

}  // namespace medseg
