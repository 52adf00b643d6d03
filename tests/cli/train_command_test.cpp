// `medseg train` as a user types it.
#include <gmock/gmock.h>

#include "support/run_cli.h"
#include "training/tiny_run.h"

namespace medseg {
namespace {

using testing::HasSubstr;

class TrainCommand : public tiny::TinyRun {
 protected:
  std::string path(const std::string& name) const { return (root_ / name).string(); }
};

TEST_F(TrainCommand, ResumesARunByItsFolderWithoutRepeatingWhatWasSet) {
  write_file(root_ / "config.json", write_options(config()).dump());
  const auto first =
      run_words({"train", path("config.json"), "--set", "train.steps=2", "--set",
                 "train.optimizer.lr=0.001", "--set", "train.save_every=1", "--out", path("run")});
  ASSERT_EQ(first.code, 0) << first.err;
  const auto refused = run_words({"train", path("run")});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("add --resume"));
  const auto again = run_words({"train", path("run"), "--resume", "--set", "train.steps=3"});
  ASSERT_EQ(again.code, 0) << again.err;
  const auto lines = metrics("run");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[2]["step"], 3);
  EXPECT_EQ(lines[2]["lr"], 0.001);
}

}  // namespace
}  // namespace medseg
