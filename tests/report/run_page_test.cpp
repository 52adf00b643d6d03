#include "medseg/report/run_page.h"

#include <cmath>

#include <gtest/gtest.h>
#include <unistd.h>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/report/line_chart.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

std::size_t count_of(const std::string& text, const std::string& piece) {
  std::size_t count = 0;
  for (auto at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) ++count;
  return count;
}

class RunPage : public TempFolderTest {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);  // a test may begin anew
    std::string lines;
    for (int step = 1; step <= 300; ++step) {
      lines += str_cat(R"({"step": )", step, R"(, "loss": )", 2.0 / step,
                       R"(, "lr": 0.001, "samples": 8, "seconds": 0.5})", "\n");
      if (step % 100 == 0) {
        lines +=
            str_cat(R"({"step": )", step, R"(, "split": "val", "manifest": "m.jsonl", "giou": 0.)",
                    step, R"(, "dice_over_targets": 0.)", step, "}\n");
      }
    }
    write_file(folder_ / "metrics.jsonl", lines);
  }

  void write_answers(const std::string& question,
                     const std::string& picture = "answer-1.png") const {
    const nlohmann_free_text quoted(question);
    write_png(folder_ / "answers/answer-1.png", Image{2, 2, 1, {0, 80, 160, 240}});
    write_file(
        folder_ / "answers/answers.json",
        R"({"step": 300, "answers": [{"split": "val", "id": "p1", "turn": 0, "question": ")" +
            quoted.text + R"(", "expected": "yes", "answer": "no", "picture": ")" + picture +
            "\"}]}");
  }

  std::string fault() const {
    try {
      run_page(folder_);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  }

  struct nlohmann_free_text {  // a JSON string's inside
    explicit nlohmann_free_text(const std::string& plain) {
      for (const char c : plain)
        text += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    }
    std::string text;
  };
};

TEST_F(RunPage, ShowsCurvesFactsConfigAndAnswers) {
  write_file(folder_ / "run.json",
             R"({"state": "done", "threads": 2, "data": [{"sha256": "abc"}], "parts": )"
             R"({"backward": {"seconds": 3.0, "peak_memory_bytes": 4235284480}, )"
             R"("data": {"seconds": 1.0}}})");
  write_file(folder_ / "config.json", R"({"train": {"steps": 400}})");
  write_answers("What?");
  const auto page = run_page(folder_);
  for (const char* piece :
       {"loss, all parts weighted", "overlap, val", "300 of 400", "<td>threads</td><td>2</td>",
        "data.0.sha256", "75.0 %", "4.24 GB", "&quot;steps&quot;: 400", "<b>What?</b>",
        "Answers after step 300", "data:image/png;base64,iVBORw0KGgo"}) {
    EXPECT_NE(page.find(piece), std::string::npos) << piece;
  }
  EXPECT_EQ(count_of(page, "<svg"), 5U);  // loss, rate, seconds, overlap; below, samples
  EXPECT_EQ(count_of(page, "<svg"), count_of(page, "</svg>"));
}

TEST_F(RunPage, TakesNothingFromTheNetworkAndRunsNothing) {
  const auto page = run_page(folder_);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("http://"), std::string::npos);
  EXPECT_EQ(page.find("https://"), std::string::npos);
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
}

TEST_F(RunPage, HostileTextIsText) {
  const std::string hostile =
      "</p><script>alert('1')</script><img src=x onerror=\"alert(2)\"> & -->";
  write_answers(hostile);
  write_file(folder_ / "run.json", R"({"<b>key": "</table><script>", "state": "\"><script>"})");
  write_file(folder_ / "config.json", R"({"model": "</pre><script>"})");
  write_file(folder_ / "metrics.jsonl", R"({"step": 1, "loss": 1, "<svg onload=x>": 3})"
                                        "\n"
                                        R"({"step": 1, "split": "</figure><script>", "dice": 1})"
                                        "\n");
  const auto page = run_page(folder_);
  EXPECT_EQ(page.find("<script"), std::string::npos);
  EXPECT_EQ(page.find("<img src=x"), std::string::npos);
  EXPECT_EQ(page.find("<svg onload"), std::string::npos);
  EXPECT_EQ(page.find("<b>key"), std::string::npos);
  EXPECT_EQ(count_of(page, "</table>"), 1U);
  EXPECT_EQ(count_of(page, "</pre>"), 1U);
  EXPECT_NE(page.find("&lt;/p&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"),
            std::string::npos);
}

TEST_F(RunPage, ALineThatIsNoMetricsIsNamed) {
  append_line(folder_ / "metrics.jsonl", "{\"loss\": 1}");
  EXPECT_NE(fault().find("metrics.jsonl:304: not a line of metrics"), std::string::npos) << fault();
  SetUp();
  append_line(folder_ / "metrics.jsonl", "{\"step\": 301");
  EXPECT_NE(fault().find("metrics.jsonl:304: "), std::string::npos) << fault();
  SetUp();
  append_bytes(folder_ / "metrics.jsonl", "{\"step\": 301");  // torn by a kill
  EXPECT_EQ(fault(), "");
}

TEST_F(RunPage, WhatIsNoRunIsSaid) {
  fs::remove(folder_ / "metrics.jsonl");
  EXPECT_NE(fault().find("no run folder, expected metrics.jsonl in it"), std::string::npos)
      << fault();
  write_file(folder_ / "metrics.jsonl", "");
  EXPECT_EQ(fault(), "");  // a run that just began
  write_file(folder_ / "run.json", "{");
  EXPECT_NE(fault().find("run.json: not JSON near byte"), std::string::npos) << fault();
}

TEST_F(RunPage, PicturesAreThoseOfTheFolder) {
  write_answers("What?", "../../secret.png");
  EXPECT_NE(fault().find("no such picture: ../../secret.png"), std::string::npos) << fault();
  write_answers("What?");
  write_file(folder_ / "answers/answer-1.png", "<svg onload=alert(1)>");
  EXPECT_NE(fault().find("answer-1.png: no PNG"), std::string::npos) << fault();
  write_file(folder_ / "answers/answers.json", R"({"step": "x"})");
  EXPECT_NE(fault().find("answers.json: not the answers of a run"), std::string::npos) << fault();
}

TEST(LineCharts, KeepEverySpikeOfManyPoints) {
  Curve curve{"loss", {}};
  for (int i = 0; i < 100000; ++i) curve.points.emplace_back(i, i == 54321 ? 9.0 : 1.0 + i % 2);
  const auto svg = line_chart({"spiky", {curve}});
  EXPECT_LT(svg.size(), 60000U);
  EXPECT_NE(svg.find(",8.0"), std::string::npos);  // the top of the plot: the highest value
}

TEST(LineCharts, DrawWhatIsHardToScale) {
  for (const auto& points :
       std::vector<std::vector<std::pair<double, double>>>{{},
                                                           {{1, 1}},
                                                           {{1, 0}},
                                                           {{1, 5}, {2, 5}},
                                                           {{1, -1e-30}, {2, 1e-30}},
                                                           {{1, 1e-9}, {2, 1e9}},
                                                           {{0, -1e300}, {1, 1e300}}}) {
    const auto svg = line_chart({"odd", {{"y", points}, {"none", {}}}, true});
    EXPECT_EQ(svg.find("nan"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("inf"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("no values yet") != std::string::npos, points.empty());
  }
  const auto decades = line_chart({"log", {{"y", {{1, 1e-4}, {2, 10.0}}}}});
  EXPECT_NE(decades.find(">0.01<"), std::string::npos) << decades;
}

}  // namespace
}  // namespace medseg
