/// \file
/// Names of SA-Med2D-20M: "ct_00--AbdomenCT1K--Case_00220--x_0359.png", masks with "--0003_000".
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "medseg/dataset/manifest.h"
#include "source_files.h"

namespace medseg {

struct SaMed2dName {
  std::string image;  ///< the stem of the image
  std::string modality, set, subject;
  std::string klass;  ///< "0003"; "" for an image
};

/// Empty image where the name has another form.
SaMed2dName sa_med2d_name(const std::string& file);

/// Names of classes by "set/0003" and "0003", from SAMed2D_v1_class_mapping_id.json (ids by names,
/// or names by ids, for all sets or for each). \throws DataError.
std::map<std::string, std::string> sa_med2d_classes(const SourceFiles& files);

/// The class's name; "class 0003" where none is known.
std::string sa_med2d_label(const std::map<std::string, std::string>& classes,
                           const SaMed2dName& name);

}  // namespace medseg
