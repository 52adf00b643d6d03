/// \file
/// Where structures lie, in words: what an answer of the demonstration set weighs before it says that one is there.
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

/// What the training slices tell of where structures lie.
class DemoPlaces {
 public:
  /// Slices of other splits are not looked at.
  explicit DemoPlaces(const std::vector<DemoSlice>& slices);

  /// "middle and upper head": the levels at which more of a scan's training slices show the structure than surely do not;
  /// "whole head" if these are all; "chest" where the scan has no levels. For a scan without the structure: as the first
  /// scan that has it. \throws a contract fault for a structure of no training slice.
  std::string place_of(const SliceContent& content, const std::string& label) const;

  /// Structures that the slice shows at a level which their place leaves out.
  std::set<std::string> beyond_their_place(const SliceContent& content) const;

 private:
  struct Place {
    std::string region;
    std::set<std::string> levels;
  };

  const std::pair<const std::string, Place>& find(const std::string& scan,
                                                  const std::string& label) const;

  std::map<std::string, std::map<std::string, Place>> places_;  ///< label, scan
  std::map<std::string, std::set<std::string>> levels_;         ///< of a scan's training slices
};

}  // namespace medseg
