/// \file
/// Where structures lie, in words. An answer of the demonstration set states it before it decides
/// whether the structure is present.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "scans.h"

namespace medseg {

struct DemoSlice;

/// "In this lower head MR slice", "In this chest CT slice".
std::string view_of(const SliceContent& content);

/// Where structures lie, derived from the training slices.
class DemoLocations {
 public:
  /// Slices of other splits are ignored.
  explicit DemoLocations(const std::vector<DemoSlice>& slices);

  /// "middle and upper head": the levels at which more training slices of a scan show the structure
  /// than surely lack it. "whole head" if these are all levels; "chest" if the scan has no levels.
  /// A scan without the structure gets the words of the first scan that has it.
  /// \pre some training slice shows the structure.
  std::string location_of(const SliceContent& content, const std::string& label) const;

  /// Structures that the slice shows at a level that is not in their words.
  std::set<std::string> beyond_their_place(const SliceContent& content) const;

 private:
  struct Location {
    std::string region;
    std::set<std::string> levels;
  };

  const std::pair<const std::string, Location>& find(const std::string& scan,
                                                     const std::string& label) const;

  std::map<std::string, std::map<std::string, Location>> locations_;  ///< by label, then by scan
  std::map<std::string, std::set<std::string>> levels_;  ///< of the training slices, by scan
};

}  // namespace medseg
