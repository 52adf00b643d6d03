#include "medseg/bundle/thresholds.h"

#include "medseg/base/file.h"
#include "medseg/bundle/bundle.h"
#include "medseg/config/load.h"

namespace medseg {
namespace {

nlohmann::json config_of(const std::filesystem::path& bundle) {
  read_bundle_options(bundle);  // says why, where it is no bundle
  const auto path = bundle / "config.json";
  return raised_as<CheckpointError>([&] { return parse_json(read_file(path), path.string()); });
}

}  // namespace

std::optional<MaskThresholds> read_thresholds(const std::filesystem::path& bundle) {
  const auto config = config_of(bundle);
  if (!config.contains("thresholds")) return std::nullopt;
  MaskThresholds thresholds;
  raised_as<CheckpointError>((bundle / "config.json").string(), [&] {
    read_options(config.at("thresholds"), thresholds, "thresholds");
  });
  return thresholds;
}

void store_thresholds(const std::filesystem::path& bundle, const MaskThresholds& thresholds) {
  auto config = config_of(bundle);
  config["thresholds"] = write_options(thresholds);
  write_file(bundle / "config.json", config.dump(2) + "\n");
}

}  // namespace medseg
