#include "medseg/report/evaluation_page.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/report/protocol_text.h"
#include "support/packed_masks.h"
#include "support/temp_folder.h"

namespace medseg {
namespace {

using testing::HasSubstr;
using testing::Not;

ReplayTurn turn_of(const std::string& id, const std::string& label, const std::string& drawn) {
  ReplayTurn turn;
  turn.id = turn.image = turn.subject = id;
  turn.height = 1;
  turn.width = 4;
  turn.targets = {label};
  turn.reference = {packed_rows({"##.."})};
  if (!drawn.empty()) {
    turn.predicted = {packed_rows({drawn})};
    turn.phrases = {label};
    turn.scores = {0.7};
  }
  return turn;
}

EvaluationReport report_of(const std::string& name, const std::string& drawn) {
  const Replay replay({turn_of("a", "lung & <heart>", drawn), turn_of("b", "skull", "##.."),
                       turn_of("c", "skull", "")});
  EvaluationReport report;
  report.name = name;
  report.strict = score_by(protocol_named("strict"), replay);
  report.lisa = score_by(protocol_named("lisa"), replay);
  report.rows = case_rows(replay);
  report.scored = scored_masks(replay);
  report.worst = {{report.rows[2], "<image>\n<script>alert(1)</script>?", "expected", "answered",
                   Image{2, 1, 3, {0, 0, 0, 255, 255, 255}}}};
  return report;
}

TEST(EvaluationPage, HasTotalsTargetsFailuresAndCases) {
  const std::string page = evaluation_page({report_of("run", "#...")}, nullptr);
  EXPECT_THAT(page, HasSubstr("lung &amp; &lt;heart&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, HasSubstr("<p>&lt;script&gt;alert(1)"));
  EXPECT_THAT(page, HasSubstr("default-src 'none'"));
  EXPECT_THAT(page, HasSubstr("<td>missed masks</td><td class=\"number\">1</td>"));
  EXPECT_THAT(page, HasSubstr("<td>no [SEG]</td><td class=\"number\">1</td>"));
  EXPECT_THAT(page, HasSubstr("data:image/png;base64,"));
  EXPECT_THAT(page, HasSubstr("0.556 ("));  // Dice of 2/3, 1 and 0
  EXPECT_THAT(page, Not(HasSubstr("http:")));
  EXPECT_THAT(page, Not(HasSubstr("https:")));
}

TEST(EvaluationPage, TwoStandBesideEachOtherWithTheirDifference) {
  const auto a = report_of("one", "##.."), b = report_of("two", "..##");
  const std::string page = evaluation_page({a, b}, comparison_json(a.rows, b.rows));
  EXPECT_THAT(page, HasSubstr("value, one"));
  EXPECT_THAT(page, HasSubstr("value, two"));
  EXPECT_THAT(page, HasSubstr("permutation p 1.0000"));
  EXPECT_THAT(page, HasSubstr("Worst cases of two"));
}

TEST(EvaluationPage, CasesAreChosenOnce) {
  std::vector<CaseRow> rows(10);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i].dice = static_cast<double>(9 - i) / 10;
  const auto chosen = choose_cases(rows, 3);
  EXPECT_THAT(chosen.worst, testing::ElementsAre(9, 8, 7));
  EXPECT_THAT(chosen.median, testing::ElementsAre(6, 5, 4));
  EXPECT_THAT(chosen.best, testing::ElementsAre(2, 1, 0));
  rows.resize(2);
  EXPECT_EQ(choose_cases(rows, 3).worst.size(), 2U);
  EXPECT_TRUE(choose_cases({}, 3).worst.empty());
}

TEST(EvaluationPage, ScoredMasksKnowWhetherTheyAreRight) {
  const auto cases = scored_masks(Replay({turn_of("a", "x", "##.."), turn_of("b", "x", "..##")}));
  ASSERT_EQ(cases.size(), 2U);
  EXPECT_TRUE(cases[0].right);
  EXPECT_FALSE(cases[1].right);
}

// The page in a frame of so many pixels inside a page whose title a script sets: width of what is
// there, width of what is seen.
std::string framed(const std::string& page, int width) {
  std::string escaped;
  for (const char c : page) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '"') {
      escaped += "&quot;";
    } else {
      escaped += c;
    }
  }
  return str_cat("<!doctype html><title>-</title><iframe id=\"f\" width=\"", width,
                 "\" height=\"800\" srcdoc=\"", escaped,
                 "\"></iframe><script>onload=()=>{const d=document.getElementById('f')."
                 "contentDocument.documentElement;document.title=d.scrollWidth+'/'+d.clientWidth+"
                 "'/'+d.querySelectorAll('table').length}</script>");
}

TEST(EvaluationPageExtra, NeverScrollsSidewaysOnAPhoneOrADesk) {
  if (std::system("command -v chromium > /dev/null 2>&1") != 0)
    GTEST_SKIP() << "chromium is not installed (scripts/extra_tools.sh)";
  const TempFolder folder("page-browser");
  auto a = report_of("runs/a-rather-long-name-of-a-run/test", "##..");
  auto b = report_of("runs/another-rather-long-name-of-a-run/test", "..##");
  for (auto* report : {&a, &b}) {
    report->facts.manifest = "/somewhere/in/a/deep/folder/of/data/manifest.jsonl";
    report->facts.leakage = "0 of 1200 test pictures and 0 of 300 patients were trained on";
  }
  const std::string page = evaluation_page({a, b}, comparison_json(a.rows, b.rows));
  for (const int width : {360, 1280}) {
    write_file(folder / "page.html", framed(page, width));
    const std::string command = "chromium --headless --no-sandbox --disable-gpu --user-data-dir='" +
                                (folder / "profile").string() + "' --dump-dom 'file://" +
                                (folder / "page.html").string() + "' > '" +
                                (folder / "dom").string() + "' 2> /dev/null";
    ASSERT_EQ(std::system(command.c_str()), 0);
    const std::string dom = read_file(folder / "dom");
    const auto begin = dom.find("<title>");
    ASSERT_NE(begin, std::string::npos);
    const auto numbers = split(dom.substr(begin + 7, dom.find("</title>") - begin - 7), '/');
    ASSERT_EQ(numbers.size(), 3U) << dom.substr(0, 300);
    EXPECT_LE(std::stoi(numbers[0]), std::stoi(numbers[1])) << width;
    EXPECT_GE(std::stoi(numbers[2]), 4) << "the page was shown";
  }
}

}  // namespace
}  // namespace medseg
