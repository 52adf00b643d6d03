/// \file
/// What an answered dialogue leaves on disk: masks, overlay, answer.json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/dataset/manifest.h"
#include "medseg/generation/generate.h"

namespace medseg {

struct AnsweredQuestion {
  std::string question;
  Answer answer;
};

/// mask-TURN-INDEX.png for each `[SEG]`, overlay.png, answer.json; all or nothing. answer.json says
/// through which window the image was shown and what was guessed about it. A folder that an earlier
/// call wrote is replaced. \throws DataError if `out` holds anything else.
void write_answers(const std::filesystem::path& out, const std::filesystem::path& picture,
                   const RecordImage& image, const std::filesystem::path& model,
                   const std::vector<AnsweredQuestion>& dialogue);

}  // namespace medseg
