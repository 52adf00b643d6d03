#include "medseg/dataloader/quarantine.h"

#include <algorithm>
#include <filesystem>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

TEST(Quarantine, AListThatFindsNoRoomIsWrittenLater) {
  set_quiet(true);
  const auto folder = fs::temp_directory_path() / str_cat("medseg-quarantine-", ::getpid());
  fs::create_directories(folder / "list.jsonl");  // no file can be written here
  Quarantine quarantine(5, folder / "list.jsonl");
  ::testing::internal::CaptureStderr();
  quarantine.add({{"a", "m", 1, RecordPart::kImage, "gone"}});
  EXPECT_NE(::testing::internal::GetCapturedStderr().find("wait for room"), std::string::npos);
  fs::remove(folder / "list.jsonl");
  quarantine.add(
      {{"a", "m", 1, RecordPart::kImage, "gone"}, {"b", "m", 2, RecordPart::kMasks, "small"}});
  const auto text = read_file(folder / "list.jsonl");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_EQ(bad_samples_of(bad_samples_json(quarantine.list())), quarantine.list());
  fs::remove_all(folder);
}

TEST(Quarantine, AnUnknownPartIsNoList) {
  auto json = bad_samples_json({{"a", "m", 1, RecordPart::kImage, "gone"}});
  EXPECT_EQ(json[0]["part"], "picture");
  json[0]["part"] = "pixels";
  EXPECT_THROW(bad_samples_of(json), ConfigError);
}

}  // namespace
}  // namespace medseg
