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

/// The names of everything that an answer leaves, so that a folder can be told from a stranger's.
bool is_answer_file(const std::string& name);

/// Beside a volume's answer: what was answered slice by slice (slice_answers.h).
inline constexpr const char* kSliceJournal = "slices.jsonl";

/// mask-TURN-INDEX.png for each `[SEG]`, overlay.png, answer.json; all or nothing. answer.json says
/// through which window the image was shown and what was guessed about it. A folder that an earlier
/// call wrote is replaced. `request` (picture_inputs.h), where given, is written beside them.
/// \throws DataError if `out` holds anything else.
void write_answers(const std::filesystem::path& out, const std::filesystem::path& picture,
                   const RecordImage& image, const std::filesystem::path& model,
                   const std::vector<AnsweredQuestion>& dialogue, const std::string& request = "");

}  // namespace medseg
