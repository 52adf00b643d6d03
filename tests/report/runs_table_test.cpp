#include "medseg/report/runs_table.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;
using Cells = std::vector<std::vector<std::string>>;

// Dice with its interval; other metrics by what they are.
BenchmarkScores entry(const std::string& run, const std::string& benchmark, double dice,
                      double false_positives = 0.5) {
  BenchmarkScores scores;
  scores.run = run;
  scores.benchmark = benchmark;
  scores.scores = {{"protocol", "lisa"},
                   {"rules", "i-th mask [SEG]; IoU = I/(U+1e-5)"},
                   {"n", 7},
                   {"turns", 9},
                   {"missed", 1},
                   {"absent", 2},
                   {"spurious", 3},
                   {"failed", 0},
                   {"metrics", {{"dice", dice}, {"false_positive_rate", false_positives}}},
                   {"ci", {{"dice", {{"low", dice - 0.05}, {"high", dice + 0.05}}}}},
                   {"by_target", {{"lung & <heart>", {{"n", 4}, {"dice", dice}, {"giou", 0.25}}}}},
                   {"by_modality", {{"ct", {{"n", 7}, {"dice", dice}, {"giou", 0.25}}}}}};
  scores.facts.manifest = "/data/" + benchmark + "/manifest.jsonl";
  scores.facts.split = "test";
  scores.facts.seed = "0";
  scores.facts.decoding = "greedy";
  scores.facts.precision = "bf16";
  scores.facts.leakage = "0 of 3 test pictures were trained on";
  scores.facts.records = 5;
  return scores;
}

std::string table(const std::vector<BenchmarkScores>& entries, TableFormat format,
                  std::vector<std::string> metrics = {}) {
  return runs_table(entries, {format, std::move(metrics)});
}

// Rows of a CSV text; a quoted cell may hold commas, quotes and line breaks.
Cells csv_cells(const std::string& text) {
  Cells rows(1);
  std::string cell;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        cell += text[++i];
      } else if (c == '"') {
        quoted = false;
      } else {
        cell += c;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',' || c == '\n') {
      rows.back().push_back(cell);
      cell.clear();
      if (c == '\n') rows.emplace_back();
    } else {
      cell += c;
    }
  }
  return rows;
}

TEST(RunsTable, RowsAreRunsAndColumnsBenchmarksAndMetrics) {
  const auto rows = csv_cells(table({entry("ours", "A", 0.8), entry("ours", "B", 0.6),
                                     entry("theirs", "A", 0.7), entry("theirs", "B", 0.9)},
                                    TableFormat::kCsv, {"dice"}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"run", "A Dice", "A Dice low", "A Dice high",
                                                      "A Dice mark", "B Dice", "B Dice low",
                                                      "B Dice high", "B Dice mark"}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"ours", "0.800", "0.750", "0.850", "best",
                                                      "0.600", "0.550", "0.650", ""}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"theirs", "0.700", "0.650", "0.750", "",
                                                      "0.900", "0.850", "0.950", "best"}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"ours", "7", "9", "1", "2", "3", "0", "7",
                                                      "9", "1", "2", "3", "0"}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"A target", "n", "Dice ours", "gIoU ours",
                                                      "Dice theirs", "gIoU theirs"}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"lung & <heart>", "4", "0.800", "0.250",
                                                      "0.700", "0.250"}));
}

TEST(RunsTable, TheHeadSaysWhatAReaderMustKnow) {
  auto second = entry("theirs", "A", 0.7);
  second.facts = {};
  const std::string text = table({entry("ours", "A", 0.8), second}, TableFormat::kText);
  for (const char* line :
       {"protocol: lisa: i-th mask [SEG]; IoU = I/(U+1e-5)",
        "benchmark: A: /data/A/manifest.jsonl, split test, 5 records", "seed: 0 (ours on A)",
        "seed: unknown (theirs on A)", "decoding: greedy (ours on A)",
        "precision: bf16 (ours on A)",
        "trained on the test data: ours on A: 0 of 3 test pictures were trained on",
        "trained on the test data: theirs on A: unknown", "95 % interval", "marks: * best"})
    EXPECT_THAT(text, HasSubstr(line));
  EXPECT_THAT(table({entry("ours", "A", 0.8)}, TableFormat::kText), HasSubstr("\nseed: 0\n"));
}

TEST(RunsTable, MarksTheBestAndWhatLiesWithinItsInterval) {
  auto baseline = entry("mean mask", "A", 0.99);
  baseline.kind = RowKind::kBaseline;
  const std::vector<BenchmarkScores> entries = {
      entry("a", "A", 0.80, 0.3), entry("b", "A", 0.78, 0.1), entry("c", "A", 0.60, 0.2), baseline};
  const std::string markdown = table(entries, TableFormat::kMarkdown);
  EXPECT_THAT(markdown, HasSubstr("**0.800 (0.750 to 0.850)**"));
  EXPECT_THAT(markdown, HasSubstr("*0.780 (0.730 to 0.830)*"));
  EXPECT_THAT(markdown, HasSubstr(" 0.600 (0.550 to 0.650) |"));
  EXPECT_THAT(markdown, HasSubstr("**0.100**")) << "fewer false positives are better";
  EXPECT_THAT(markdown, HasSubstr("mean mask (told the target)"));
  EXPECT_THAT(markdown, Not(HasSubstr("**0.990")));
  EXPECT_THAT(table(entries, TableFormat::kText), HasSubstr("0.780 (0.730 to 0.830)+"));
  EXPECT_THAT(table(entries, TableFormat::kLatex),
              HasSubstr("\\underline{0.780 (0.730 to 0.830)}"));
  EXPECT_THAT(table({entry("a", "A", 0.8)}, TableFormat::kMarkdown), Not(HasSubstr("**")));
}

TEST(RunsTable, ReferencesHaveASourceAndABenchmark) {
  const json list = {{{"name", "Paper"},
                      {"source", "arXiv 1, table 2"},
                      {"benchmark", "A"},
                      {"metrics", {{"dice", 0.9}}}}};
  std::vector<BenchmarkScores> entries = {entry("ours", "A", 0.8), entry("ours", "B", 0.8)};
  for (auto& one : references_of(list, "r.json", {"A", "B"})) entries.push_back(one);
  const auto rows = csv_cells(table(entries, TableFormat::kCsv, {"dice"}));
  EXPECT_THAT(rows, Contains(std::vector<std::string>{"Paper (arXiv 1, table 2)", "0.900", "", "",
                                                      "best", "", "", "", ""}));
  const auto refused = [&](const json& item, const std::string& what) {
    EXPECT_THAT(
        [&] {
          references_of(json::array({item}), "r.json", {"A", "B"});
        },
        ThrowsMessage<DataError>(testing::AllOf(HasSubstr("r.json[0]"), HasSubstr(what))));
  };
  json item = list[0];
  item["benchmark"] = "C";
  refused(item, "\"C\" is not in the table");
  item.erase("benchmark");
  refused(item, "expected \"benchmark\", one of the table's: A, B");
  item.erase("source");
  refused(item, "source");
}

TEST(RunsTable, RefusesSeveralProtocolsAndUnknownMetrics) {
  auto other = entry("b", "A", 0.5);
  other.scores["protocol"] = "strict";
  EXPECT_THAT(
      [&] {
        table({entry("a", "A", 0.5), other}, TableFormat::kText);
      },
      ThrowsMessage<DataError>(HasSubstr("several protocols: lisa, strict")));
  EXPECT_THAT([&] { table({entry("a", "A", 0.5)}, TableFormat::kText, {"dise"}); },
              ThrowsMessage<ConfigError>(HasSubstr("did you mean \"dice\"")));
}

// Names and labels with every character that one of the formats has a meaning for.
std::vector<BenchmarkScores> hard_entries() {
  std::vector<BenchmarkScores> entries = {entry("r_1 & 50% [x]", "A|B", 0.5),
                                          entry("=SUM(A1), \"q\"\nnext", "A|B", 0.25)};
  for (auto& one : entries) {
    one.scores["by_target"] = json::object();
    for (const char* label :
         {"grade ^2 (10^3)", "T1 {enhancing}", "a\\b lesion", "left|right lobe", "~5 mm node",
          "cyst, simple", "=SUM(A1)", "Lappen \"links\"", "two\nlines", "<b>bold</b>", "肝 & 脾",
          "[SEG] _x_ 5% #1 $2", "*Gefäß* größer", "Łódź ŋ ð — 3 µm², ±5° ≥ 2×", "--- -x"})
      one.scores["by_target"][label] = {{"n", 1}, {"dice", 0.5}, {"giou", 0.25}};
  }
  return entries;
}

TEST(RunsTable, EveryFormReadsBack) {
  const auto rows = csv_cells(table(hard_entries(), TableFormat::kCsv));
  std::vector<std::string> first;
  for (const auto& row : rows) first.push_back(row.empty() ? "" : row[0]);
  for (const char* name : {"r_1 & 50% [x]", "'=SUM(A1), \"q\"\nnext", "cyst, simple", "'=SUM(A1)",
                           "two\nlines", "肝 & 脾"})
    EXPECT_THAT(first, Contains(name));
  const std::string markdown = table(hard_entries(), TableFormat::kMarkdown);
  for (const auto& block : {std::string("| run "), std::string("| target ")}) {
    const auto at = markdown.find(block);
    ASSERT_NE(at, std::string::npos) << block;
    // Every line of a table has as many bars that are not escaped as its head.
    std::size_t bars = 0;
    for (const auto& line : split(markdown.substr(at), '\n')) {
      if (line.empty()) break;
      std::size_t here = 0;
      for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\\') {
          ++i;
        } else if (line[i] == '|') {
          ++here;
        }
      }
      if (bars == 0) bars = here;
      EXPECT_EQ(here, bars) << line;
    }
  }
  const std::string text = table(hard_entries(), TableFormat::kText);
  EXPECT_THAT(text, HasSubstr("\nleft|right lobe "));
  EXPECT_THAT(text, HasSubstr("\ntwo lines "));
}

TEST(RunsTableExtra, LatexCompiles) {
  if (std::system("command -v pdflatex > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "pdflatex is not installed (scripts/extra_tools.sh)";
  const TempFolder folder("runs-latex");
  auto entries = hard_entries();
  entries.push_back(entry("third", "C", 0.9));
  write_file(folder / "t.tex", "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" +
                                   table(entries, TableFormat::kLatex) + "\\end{document}\n");
  const std::string command =
      "cd '" + folder.path().string() +
      "' && pdflatex -interaction=nonstopmode -halt-on-error t.tex > out 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder / "out");
}

}  // namespace
}  // namespace medseg
