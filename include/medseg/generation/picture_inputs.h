/// \file
/// What `predict` is asked about: image files, volumes, and folders of either.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/image/image.h"

namespace medseg {

struct PictureInput {
  std::filesystem::path file;
  bool is_volume = false;  ///< of several slices; a DICOM series is a folder
  std::string name;        ///< of its folder below the output; "" where it has the whole
};

/// The files that were named. A folder that holds DICOM files is one series, unless each is a
/// series of its own; of any other folder its images and volumes in the order of their names, other
/// files left out. Names are those of the
/// files without their ending, or with it where two would be equal. \throws DataError naming what
/// is not there, is neither image nor volume, or a folder with nothing to ask about.
std::vector<PictureInput> picture_inputs(const std::vector<std::filesystem::path>& named);

/// What an answer depends on, as one hash: how it is answered (`asker`), the questions, and the
/// image as it is shown.
std::string picture_request(const std::string& asker, const std::vector<std::string>& questions,
                            const Image& image);

/// `answer.json` in `folder` answers this request.
bool is_answered(const std::filesystem::path& folder, const std::string& request);

}  // namespace medseg
