#include "locations.h"

#include "dialogues.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

std::string view_of(const SliceContent& content) {
  return str_cat("In this ", content.level, content.level.empty() ? "" : " ", content.region,
                 content.modality == "ct" ? " CT" : " MR", " slice");
}

DemoLocations::DemoLocations(const std::vector<DemoSlice>& slices) {
  // By label, scan and level: training slices that show the structure minus those that lack it.
  std::map<std::string, std::map<std::string, std::map<std::string, int>>> balance;
  for (const auto& slice : slices) {
    if (slice.split != "train") continue;
    const auto& content = slice.content;
    if (!content.level.empty()) levels_[content.scan].insert(content.level);
    for (const auto& label : content.present) {
      ++balance[label][content.scan][content.level];
      locations_[label][content.scan].region = content.region;
    }
    for (const auto& label : content.absent_near) --balance[label][content.scan][content.level];
  }
  for (auto& [label, scans] : locations_) {
    for (auto& [scan, location] : scans) {
      for (const auto& [level, count] : balance[label][scan]) {
        if (count > 0 && !level.empty()) location.levels.insert(level);
      }
    }
  }
}

const std::pair<const std::string, DemoLocations::Location>& DemoLocations::find(
    const std::string& scan, const std::string& label) const {
  const auto scans = locations_.find(label);
  MEDSEG_CHECK(scans != locations_.end(), "no training slice shows: " + label);
  const auto here = scans->second.find(scan);
  return here != scans->second.end() ? *here : *scans->second.begin();
}

std::set<std::string> DemoLocations::beyond_their_place(const SliceContent& content) const {
  std::set<std::string> labels;
  for (const auto& label : content.present) {
    const auto& levels = find(content.scan, label).second.levels;
    if (!levels.empty() && !levels.contains(content.level)) labels.insert(label);
  }
  return labels;
}

std::string DemoLocations::location_of(const SliceContent& content,
                                       const std::string& label) const {
  const auto& [scan, location] = find(content.scan, label);
  const auto all = levels_.find(scan);
  if (location.levels.empty() || all == levels_.end()) return location.region;
  if (location.levels == all->second) return "whole " + location.region;
  std::vector<std::string> from_below;
  for (const auto& level : demo_levels()) {
    if (location.levels.contains(level)) from_below.push_back(level);
  }
  const std::string last = from_below.back();
  from_below.pop_back();
  return join(from_below, ", ") + (from_below.empty() ? "" : " and ") + last + " " +
         location.region;
}

}  // namespace medseg
