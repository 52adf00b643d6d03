#include "medseg/report/table.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/report/scores_text.h"
#include "support/score_cases.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(Table, HasEveryTargetAndTheSharesAndTheBaselines) {
  const auto scores = json::parse(scores_json(scores_of_cases()));
  const json baselines = {{"mean_mask", scores}, {"true_box", scores}};
  const std::string text = benchmark_table({{"run", scores, baselines}}, TableFormat::kMarkdown);
  for (const char* row :
       {"| skull ", "| tumour ", "| mean over targets ", "| gIoU ", "| cIoU ", "| modality ct ",
        "| phrasing unseen ", "| [SEG] count exact ", "| right name ",
        "| false positives on absent turns ", "| unseen phrasing gIoU ", "mean mask", "true box"}) {
    EXPECT_THAT(text, HasSubstr(row));
  }
  EXPECT_THAT(text, Not(HasSubstr("nearest slice")));
  EXPECT_THAT(scores_table(scores_of_cases()), HasSubstr("protocol lisa: n 23"));
}

TEST(Table, CsvQuotesAndLatexEscapes) {
  json scores = json::parse(scores_json(scores_of_cases()));
  scores["by_target"] = {{"a, \"b\" & 5%", {{"n", 1}, {"dice", 0.5}, {"giou", 0.25}}}};
  EXPECT_THAT(benchmark_table({{"r", scores, nullptr}}, TableFormat::kCsv),
              HasSubstr("\"a, \"\"b\"\" & 5%\",1,0.500,0.250"));
  EXPECT_THAT(benchmark_table({{"r", scores, nullptr}}, TableFormat::kLatex),
              HasSubstr("\\& 5\\%"));
  EXPECT_THROW(choice_named<TableFormat>("--format", "word"), ConfigError);
  EXPECT_EQ(choice_named<TableFormat>("--format", "latex"), TableFormat::kLatex);
}

TEST(Table, TwoRunsStandSideBySide) {
  const auto scores = json::parse(scores_json(scores_of_cases()));
  const std::string text =
      benchmark_table({{"one", scores, nullptr}, {"two", scores, nullptr}}, TableFormat::kCsv);
  EXPECT_THAT(text, HasSubstr("protocol lisa,n,Dice one,gIoU one,Dice two,gIoU two\n"));
}

// Labels with every character that one of the formats has a meaning for.
json hard_scores() {
  json scores = json::parse(scores_json(scores_of_cases()));
  scores["by_target"] = json::object();
  for (const char* label :
       {"grade ^2 (10^3)", "T1 {enhancing}", "a\\b lesion", "left|right lobe", "~5 mm node",
        "cyst, simple", "=SUM(A1)", "Lappen \"links\"", "two\nlines", "<b>bold</b>", "肝 & 脾",
        "[SEG] _x_ 5% #1 $2", "*Gefäß* größer", "Łódź ŋ ð — 3 µm², ±5° ≥ 2×", "--- -x", "a\\|b"})
    scores["by_target"][label] = {{"n", 1}, {"dice", 0.5}, {"giou", 0.25}};
  scores["by_target"][std::string(300, 'w')] = {{"n", 1}, {"dice", 0.5}, {"giou", 0.25}};
  return scores;
}

// Cells of the lines of a Markdown table: split at each bar that is not escaped.
std::vector<std::vector<std::string>> markdown_cells(const std::string& text) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& line : split(trim(text), '\n')) {
    auto& cells = rows.emplace_back();
    std::string cell;
    for (std::size_t i = 1; i < line.size(); ++i) {
      if (line[i] == '\\') {
        cell += line[++i];
      } else if (line[i] == '|') {
        cells.push_back(trim(cell));
        cell.clear();
      } else {
        cell += line[i];
      }
    }
  }
  return rows;
}

TEST(Table, MarkdownReadsBackWhateverTheLabels) {
  const auto rows =
      markdown_cells(benchmark_table({{"r", hard_scores(), nullptr}}, TableFormat::kMarkdown));
  std::vector<std::string> names;
  for (const auto& row : rows) {
    EXPECT_EQ(row.size(), 4U) << row[0];
    names.push_back(row[0]);
  }
  for (const char* label : {"left|right lobe", "a\\b lesion", "~5 mm node", "two lines",
                            "&lt;b>bold&lt;/b>", "a\\|b", "*Gefäß* größer"})
    EXPECT_THAT(names, testing::Contains(label));
}

TEST(Table, CsvHasNoFormulaAndQuotesLines) {
  const std::string text = benchmark_table({{"r", hard_scores(), nullptr}}, TableFormat::kCsv);
  EXPECT_THAT(text, HasSubstr("\n'=SUM(A1),1,0.500,0.250\n"));
  EXPECT_THAT(text, HasSubstr("\n\"two\nlines\",1,"));
  EXPECT_THAT(text, HasSubstr("\n\"Lappen \"\"links\"\"\",1,"));
  EXPECT_THAT(text, HasSubstr("\nleft|right lobe,1,"));
}

TEST(Table, LatexEscapesEveryCommandCharacter) {
  const std::string text = benchmark_table({{"r", hard_scores(), nullptr}}, TableFormat::kLatex);
  EXPECT_THAT(text, HasSubstr("\n{[}SEG] count exact"));
  EXPECT_THAT(text, HasSubstr("grade \\textasciicircum{}2"));
  EXPECT_THAT(text, HasSubstr("T1 \\{enhancing\\}"));
  EXPECT_THAT(text, HasSubstr("a\\textbackslash{}b lesion"));
  EXPECT_THAT(text, HasSubstr("two lines & 1"));
  EXPECT_THAT(text, HasSubstr("--- 3 $\\mu$m$^2$, $\\pm$5$^\\circ$"));
  EXPECT_THAT(text, HasSubstr("\\begin{tabular}{p{0.45\\linewidth}rrr}"));
  EXPECT_THAT(text, HasSubstr("{*}Gefäß{*} größer"));
  EXPECT_THAT(text, HasSubstr("{\\ifdefined\\Uchar 肝\\else U+809D\\fi} \\& "));
}

TEST(TableExtra, LatexCompiles) {
  if (std::system("command -v pdflatex > /dev/null 2>&1") != 0) GTEST_SKIP() << "no pdflatex";
  const TempFolder folder("table-latex");
  write_file(folder / "t.tex",
             "\\documentclass{article}\\usepackage{booktabs}\\begin{document}\n" +
                 benchmark_table({{"r_1", hard_scores(), nullptr}, {"r&2", hard_scores(), nullptr}},
                                 TableFormat::kLatex) +
                 "\\end{document}\n");
  const std::string command =
      "cd '" + folder.path().string() +
      "' && pdflatex -interaction=nonstopmode -halt-on-error t.tex > out 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0) << read_file(folder / "out");
}

TEST(Table, CountsAreRowsAndTheBestIsMarked) {
  auto scores = json::parse(scores_json(scores_of_cases()));
  auto better = scores;
  better["metrics"]["dice"] = 0.99;
  better["metrics"]["false_positive_rate"] = 0.9;
  const std::string text =
      benchmark_table({{"one", scores, nullptr}, {"two", better, nullptr}}, TableFormat::kMarkdown);
  EXPECT_THAT(text, HasSubstr("**0.990**"));
  EXPECT_THAT(text, HasSubstr("**0.500**")) << "the lower share of false positives is the better";
  EXPECT_THAT(text, Not(HasSubstr("**0.900**")));
  EXPECT_THAT(text, HasSubstr("| missed masks "));
  EXPECT_THAT(benchmark_table({{"", scores, nullptr}}, TableFormat::kMarkdown),
              Not(HasSubstr("**")));
}

TEST(Table, ReferencesCarryTheirSource) {
  const auto scores = json::parse(scores_json(scores_of_cases()));
  const json list = {
      {{"name", "Other"}, {"source", "arXiv 1, table 2"}, {"metrics", {{"giou", 0.75}}}}};
  std::vector<RunScores> runs = {{"mine", scores, nullptr}};
  for (const auto& reference : parse_references(list, "r.json")) runs.push_back(reference);
  const std::string text = benchmark_table(runs, TableFormat::kCsv);
  EXPECT_THAT(text, HasSubstr("\"gIoU Other (arXiv 1, table 2)\""));
  EXPECT_THAT(text, HasSubstr("0.750"));
  const json nameless = {{{"name", "Other"}, {"metrics", json::object()}}};
  EXPECT_THAT([&] { parse_references(nameless, "r.json"); },
              testing::ThrowsMessage<DataError>(HasSubstr("r.json[0]: expected an object with the "
                                                          "text \"source\"")));
}

}  // namespace
}  // namespace medseg
