#include "training_hashes.h"

#include <cstdint>

#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/dataloader/records.h"
#include "medseg/dataset/contamination.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFile = "trained_on.json";
constexpr std::size_t kMostRecords = 50'000;  // some minutes of reading

}  // namespace

void keep_training_hashes(const fs::path& run, const TrainConfig& config) {
  if (fs::exists(run / kFile)) return;
  const auto not_kept = [](const std::string& why) {
    log_info("no hashes of the training data are kept (" + why +
             "): an evaluation cannot say which of its images were trained on");
  };
  try {
    TrainedOn all;
    std::size_t records = 0;
    for (const auto& source : config.data.train) {
      std::vector<BadSample> left_out;
      const auto manifest = read_manifest(source.manifest, config.data.on_bad_sample, left_out);
      records += manifest.split(source.split).size();
      if (records > kMostRecords) return not_kept(str_cat("more than ", kMostRecords, " records"));
      all.merge(hashes_of({&manifest, source.split}));
    }
    if (const auto before = fs::path(config.model) / kFile; fs::exists(before))
      all.merge(read_trained_on(before));
    write_trained_on(run / kFile, all);
  } catch (const DataError&) {  // which one, the run itself says when it comes to it
    not_kept("not all of it can be read");
  }
}

void copy_training_hashes(const fs::path& run, const fs::path& bundle) {
  if (fs::exists(run / kFile)) write_file(bundle / kFile, read_file(run / kFile));
}

}  // namespace medseg
