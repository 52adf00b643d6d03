// `medseg report` as a user runs it.
#include <filesystem>

#include <gtest/gtest.h>

#include "medseg/base/file.h"
#include "support/run_cli.h"
#include "support/temp_folder_fixture.h"

namespace medseg {
namespace {

class ReportCommand : public TempFolderTest {};

TEST_F(ReportCommand, WritesThePageAndSaysWhere) {
  write_file(folder_ / "metrics.jsonl", "{\"step\": 1, \"loss\": 2.5}\n");
  const auto outcome = run_words({"report", folder_.string()});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.out, (folder_ / "run.html").string() + "\n");
  EXPECT_NE(read_file(folder_ / "run.html").find("<svg"), std::string::npos);
}

TEST_F(ReportCommand, SaysWhatItCannotReport) {
  const auto none = run_words({"report", folder_.string()});
  EXPECT_EQ(none.code, 3);
  EXPECT_NE(none.err.find("no run folder, expected metrics.jsonl in it"), std::string::npos)
      << none.err;
  write_file(folder_ / "predictions.jsonl", "");
  const auto evaluated = run_words({"report", folder_.string()});
  EXPECT_EQ(evaluated.code, 2);
  EXPECT_NE(evaluated.err.find("--data: missing"), std::string::npos) << evaluated.err;
  EXPECT_NE(evaluated.err.find("`medseg table` shows these scores"), std::string::npos)
      << evaluated.err;
  EXPECT_EQ(run_words({"report", (folder_ / "absent").string()}).code, 3);
  EXPECT_EQ(run_words({"report"}).code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "run.html"));
}

}  // namespace
}  // namespace medseg
