#include "medseg/report/table.h"

#include <algorithm>
#include <map>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;
using Row = std::vector<std::string>;

const std::vector<std::pair<std::string, std::string>> kBaselines = {
    {"mean_mask", "mean mask"}, {"nearest_slice", "nearest slice"}, {"true_box", "true box"}};

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

class TableBuilder {
 public:
  explicit TableBuilder(const std::vector<RunScores>& runs) : runs_(runs) {
    const auto with = std::find_if(runs.begin(), runs.end(),
                                   [](const RunScores& run) { return run.baselines.is_object(); });
    if (with != runs.end()) baselines_ = with->baselines;
    Row head = {"", "n"};
    for (const auto& run : runs) {
      const std::string suffix = runs.size() > 1 ? " " + run.name : "";
      head.push_back("Dice" + suffix);
      head.push_back("gIoU" + suffix);
    }
    for (const auto& [key, title] : kBaselines) {
      if (baselines_.is_object() && baselines_.contains(key)) shown_.push_back({key, title});
    }
    for (const auto& [key, title] : shown_) head.push_back(title);
    rows_.push_back(std::move(head));
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
      rows_.push_back(std::move(row));
    }
  }

  // `in_giou_column`: where the number of a run stands.
  void metric(const std::string& title, const std::string& key, bool in_giou_column,
              bool with_baselines) {
    Row row = {title, number_at(runs_.front().scores, {"n"})};
    for (const auto& run : runs_) {
      const std::string value = number_at(run.scores, {"metrics", key});
      row.push_back(in_giou_column ? "" : value);
      row.push_back(in_giou_column ? value : "");
    }
    for (const auto& [name, unused] : shown_) {
      row.push_back(with_baselines ? number_at(baselines_, {name, "metrics", key}) : "");
    }
    rows_.push_back(std::move(row));
  }

  // A share of turns, not an overlap: one number a run.
  void share(const std::string& title, const std::string& key, const char* count) {
    Row row = {title, number_at(runs_.front().scores, {count})};
    for (const auto& run : runs_) {
      row.push_back(number_at(run.scores, {"metrics", key}));
      row.push_back("");
    }
    row.resize(rows_.front().size());
    rows_.push_back(std::move(row));
  }

  void unseen() {
    Row row = {"unseen phrasing gIoU",
               number_at(runs_.front().scores, {"by_phrasing", "unseen", "n"})};
    if (row[1].empty()) return;
    for (const auto& run : runs_) {
      row.push_back("");
      row.push_back(number_at(run.scores, {"by_phrasing", "unseen", "giou"}));
    }
    row.resize(rows_.front().size());
    rows_.push_back(std::move(row));
  }

  const std::vector<Row>& rows() const { return rows_; }

 private:
  const std::vector<RunScores>& runs_;
  json baselines_;
  std::vector<std::pair<std::string, std::string>> shown_;
  std::vector<Row> rows_;
};

std::size_t letters(const std::string& text) {  // UTF-8: bytes that start a character
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

// Columns of equal width between `bar`s; names to the left, numbers to the right.
std::string aligned(const std::vector<Row>& rows, const std::string& bar, bool rule) {
  std::vector<std::size_t> widths(rows.front().size(), 3);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], letters(row[c]));
  }
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::string line = bar;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      const std::string fill(widths[c] - letters(rows[r][c]), ' ');
      line += (c == 0 ? rows[r][c] + fill : fill + rows[r][c]) + (bar.empty() ? "  " : " | ");
    }
    text += trim("x" + line).substr(1) + "\n";
    if (r > 0 || !rule) continue;
    for (std::size_t c = 0; c < widths.size(); ++c) {
      text += c == 0 ? "|" + std::string(widths[c] + 2, '-') + "|"
                     : std::string(widths[c] + 1, '-') + ":|";
    }
    text += "\n";
  }
  return text;
}

std::string csv(const std::vector<Row>& rows) {
  std::string text;
  for (const auto& row : rows) {
    std::vector<std::string> cells;
    for (const auto& cell : row) {
      std::string quoted;
      for (const char c : cell) quoted += c == '"' ? "\"\"" : std::string(1, c);
      cells.push_back(cell.find_first_of(",\"\n") == std::string::npos ? cell
                                                                       : "\"" + quoted + "\"");
    }
    text += join(cells, ",") + "\n";
  }
  return text;
}

std::string latex(const std::vector<Row>& rows) {
  std::string text =
      "\\begin{tabular}{l" + std::string(rows.front().size() - 1, 'r') + "}\n\\toprule\n";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<std::string> cells;
    for (const auto& cell : rows[r]) {
      std::string escaped;
      for (const char c : cell)
        escaped +=
            std::string("%&_#$").find(c) != std::string::npos ? str_cat('\\', c) : str_cat(c);
      cells.push_back(escaped);
    }
    text += join(cells, " & ") + " \\\\\n" + (r == 0 ? "\\midrule\n" : "");
  }
  return text + "\\bottomrule\n\\end{tabular}\n";
}

}  // namespace

TableFormat table_format(const std::string& name) {
  static const std::map<std::string, TableFormat> kFormats = {{"text", TableFormat::kText},
                                                              {"markdown", TableFormat::kMarkdown},
                                                              {"csv", TableFormat::kCsv},
                                                              {"latex", TableFormat::kLatex}};
  const auto found = kFormats.find(name);
  if (found != kFormats.end()) return found->second;
  throw ConfigError("--format: unknown format \"" + name + "\"" +
                    did_you_mean(name, {"text", "markdown", "csv", "latex"}));
}

std::string benchmark_table(const std::vector<RunScores>& runs, TableFormat format) {
  MEDSEG_CHECK(!runs.empty(), "benchmark_table: no run");
  TableBuilder table(runs);
  table.groups("by_target", "");
  table.metric("mean over targets", "dice_over_targets", /*in_giou_column=*/false, true);
  table.metric("mean over masks", "dice", /*in_giou_column=*/false, true);
  table.metric("gIoU", "giou", /*in_giou_column=*/true, true);
  table.metric("cIoU", "ciou", /*in_giou_column=*/true, true);
  table.groups("by_modality", "modality ");
  table.groups("by_phrasing", "phrasing ");
  table.share("[SEG] count exact", "seg_count_accuracy", "turns");
  table.share("right name", "name_accuracy", "n");
  table.share("false positives on absent turns", "false_positive_rate", "absent");
  table.unseen();
  switch (format) {
    case TableFormat::kText:
      return aligned(table.rows(), "", false);
    case TableFormat::kMarkdown:
      return aligned(table.rows(), "| ", true);
    case TableFormat::kCsv:
      return csv(table.rows());
    case TableFormat::kLatex:
      return latex(table.rows());
  }
  return "";
}

}  // namespace medseg
