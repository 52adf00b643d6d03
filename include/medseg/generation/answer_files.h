/// \file
/// What an answered dialogue leaves on disk: masks, overlay, answer.json.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/generation/generate.h"
#include "medseg/image/image.h"

namespace medseg {

struct AnsweredQuestion {
  std::string question;
  Answer answer;
};

/// mask-TURN-INDEX.png for each `[SEG]`, overlay.png, answer.json; all or nothing. A folder that an
/// earlier call wrote is replaced. \throws DataError if `out` holds anything else.
void write_answers(const std::filesystem::path& out, const std::filesystem::path& picture,
                   const Image& image, const std::filesystem::path& model,
                   const std::vector<AnsweredQuestion>& dialogue);

}  // namespace medseg
