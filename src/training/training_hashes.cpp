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

constexpr std::size_t kMostRecords = 50'000;  // some minutes of reading

}  // namespace

void keep_training_hashes(const fs::path& run, const TrainConfig& config) {
  if (fs::exists(run / kTrainedOnFile)) return;
  TrainedOn all;
  std::size_t records = 0;
  std::int64_t unread = 0;
  for (const auto& source : config.data.train) {
    std::vector<BadSample> left_out;
    const auto manifest = read_manifest(source.manifest, config.data.on_bad_sample, left_out);
    records += manifest.split(source.split).size();
    if (records > kMostRecords) {
      log_info(str_cat("no hashes of the training data are kept (more than ", kMostRecords,
                       " records): an evaluation cannot say which of its images were trained on"));
      return;
    }
    all.merge(hashes_of({&manifest, source.split}, unread));
  }
  if (const auto before = fs::path(config.model) / kTrainedOnFile; fs::exists(before))
    all.merge(read_trained_on(before));
  write_trained_on(run / kTrainedOnFile, all);
  if (unread > 0)
    log_info(
        str_cat(unread, " training images cannot be read and have no hash in ", kTrainedOnFile));
}

void copy_training_hashes(const fs::path& run, const fs::path& bundle) {
  const auto file = run / kTrainedOnFile;
  if (fs::exists(file)) write_file(bundle / kTrainedOnFile, read_file(file));
}

}  // namespace medseg
