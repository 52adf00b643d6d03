#include "locations.h"

#include "dialogues.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

std::string view_of(const SliceContent& content) {
  return str_cat("In this ", content.level, content.level.empty() ? "" : " ", content.region,
                 content.modality == "ct" ? " CT" : " MR", " slice");
}

DemoPlaces::DemoPlaces(const std::vector<DemoSlice>& slices) {
  // By label, scan and level: training slices that show the structure minus those that lack it.
  std::map<std::string, std::map<std::string, std::map<std::string, int>>> balance;
  for (const auto& slice : slices) {
    if (slice.split != "train") continue;
    const auto& content = slice.content;
    if (!content.level.empty()) levels_[content.scan].insert(content.level);
    for (const auto& label : content.present) {
      ++balance[label][content.scan][content.level];
      places_[label][content.scan].region = content.region;
    }
    for (const auto& label : content.absent_near) --balance[label][content.scan][content.level];
  }
  for (auto& [label, scans] : places_) {
    for (auto& [scan, place] : scans) {
      for (const auto& [level, count] : balance[label][scan]) {
        if (count > 0 && !level.empty()) place.levels.insert(level);
      }
    }
  }
}

const std::pair<const std::string, DemoPlaces::Place>& DemoPlaces::find(
    const std::string& scan, const std::string& label) const {
  const auto scans = places_.find(label);
  MEDSEG_CHECK(scans != places_.end(), "no training slice shows: " + label);
  const auto here = scans->second.find(scan);
  return here != scans->second.end() ? *here : *scans->second.begin();
}

std::set<std::string> DemoPlaces::beyond_their_place(const SliceContent& content) const {
  std::set<std::string> labels;
  for (const auto& label : content.present) {
    const auto& levels = find(content.scan, label).second.levels;
    if (!levels.empty() && !levels.contains(content.level)) labels.insert(label);
  }
  return labels;
}

std::string DemoPlaces::place_of(const SliceContent& content, const std::string& label) const {
  const auto& [scan, place] = find(content.scan, label);
  const auto all = levels_.find(scan);
  if (place.levels.empty() || all == levels_.end()) return place.region;
  if (place.levels == all->second) return "whole " + place.region;
  std::vector<std::string> from_below;
  for (const auto& level : demo_levels()) {
    if (place.levels.contains(level)) from_below.push_back(level);
  }
  const std::string last = from_below.back();
  from_below.pop_back();
  return join(from_below, ", ") + (from_below.empty() ? "" : " and ") + last + " " + place.region;
}

}  // namespace medseg
