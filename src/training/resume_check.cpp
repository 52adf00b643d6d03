// What a run that is resumed may have changed since it began.
#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/log.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/training/options.h"
#include "medseg/training/run_folder.h"

namespace medseg {
namespace {

// Keys that may change when a run is resumed: the steps that are done keep their meaning whatever
// the values are from now on.
const std::vector<std::string> kMayChange = {"/train/steps",
                                             "/train/evaluate_every",
                                             "/train/evaluate_limit",
                                             "/train/save_every",
                                             "/train/keep",
                                             "/train/time_limit_s",
                                             "/train/threads",
                                             "/data/workers",
                                             "/data/cache_gb",
                                             "/data/cache_dir",
                                             "/train/non_finite",
                                             "/train/non_finite_limit",
                                             "/train/show_answers",
                                             "/train/activation_checkpointing",
                                             "/data/on_bad_sample",
                                             "/data/quarantine_limit",
                                             "/train/optimizer/shard",
                                             "/train/distributed/timeout_s"};

std::string value_text(const nlohmann::json& json, const std::string& pointer) {
  const nlohmann::json::json_pointer at(pointer);
  return json.contains(at) ? json.at(at).dump() : "nothing";
}

std::string dotted(std::string pointer) {
  pointer.erase(0, 1);
  std::replace(pointer.begin(), pointer.end(), '/', '.');
  return pointer;
}

}  // namespace

void RunFolder::require_same_config(const nlohmann::json& config) const {
  const auto path = path_ / "config.json";
  TrainConfig defaults;  // a key that is newer than the run has its default there
  read_options(parse_json(read_file(path), path.string()), defaults);
  const auto before = write_options(defaults);
  for (const auto& change : nlohmann::json::diff(before, config)) {
    const auto pointer = change.at("path").get<std::string>();
    if (std::find(kMayChange.begin(), kMayChange.end(), pointer) != kMayChange.end()) continue;
    throw ConfigError(dotted(pointer), str_cat(value_text(config, pointer),
                                               ", but the run that --resume goes on with has ",
                                               value_text(before, pointer)));
  }
}

void RunFolder::compare_data(
    const std::vector<std::pair<std::string, std::string>>& manifest_hashes) const {
  const auto path = path_ / "run.json";
  if (!std::filesystem::exists(path)) return;
  const auto run = nlohmann::json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!run.is_object() || !run.contains("data")) return;
  for (const auto& [manifest, hash] : manifest_hashes) {
    for (const auto& before : run["data"]) {
      if (before.value("manifest", "") == manifest && before.value("sha256", "") != hash) {
        log_warning(manifest +
                    ": is not what the run began with; the records that come next are others");
      }
    }
  }
}

}  // namespace medseg
