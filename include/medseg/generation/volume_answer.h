/// \file
/// Questions about a whole volume: each slice is asked in turn, the masks of one phrase become one
/// mask of the volume, on the grid of its file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "medseg/generation/slice_answers.h"
#include "medseg/volume/volume.h"
#include "medseg/volume/write_mask.h"

namespace medseg {

/// Which slices are asked: `begin` to `end` - 1.
struct SliceRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// "A:B"; nothing for "auto". \throws ConfigError at --slices.
std::optional<SliceRange> parse_slices(const std::string& text);

struct VolumeQuestions {
  std::filesystem::path file;
  std::optional<std::int64_t> volume;  ///< of a file with several (4-D)
  std::string modality;
  std::string window;
  int axis = 2;
  /// "": all; "auto": from the first to the last slice that shows something; "A:B": A to B - 1.
  std::string slices;
  bool consistent = false;  ///< drops pieces that no neighbouring slice supports
  MaskVolumeFormat format = MaskVolumeFormat::kNiftiGz;
  std::vector<std::string> questions;
  std::filesystem::path out;
};

/// One dialogue about one image, an answer a question.
using AskImage = std::function<SliceAnswers(const Image&)>;

/// A volume that was opened for questions.
class VolumeAnswer {
 public:
  /// Reads the volume and decides window and slices. \throws DataError on the file or on a foreign
  /// folder at `out`; ConfigError on --slices, --window, or an option that does not apply.
  explicit VolumeAnswer(VolumeQuestions questions);

  /// What was guessed about the file, one line each.
  const std::vector<std::string>& notes() const { return notes_; }
  const std::vector<std::int64_t>& slices() const { return slices_; }

  /// Asks about every slice that `out` does not hold the answer of, and writes what answer_files.h
  /// says. `asker` names the model and how it answers: slices that another one answered are asked
  /// again. \throws Interrupted on a signal; what was answered is kept.
  void run(const AskImage& ask, const std::filesystem::path& model, const std::string& asker);

 private:
  Image picture(std::int64_t slice) const;
  std::string request(const std::string& asker) const;
  void choose_slices();
  void write(const std::map<std::int64_t, SliceAnswers>& answers,
             const std::filesystem::path& model) const;
  void add_segments(const std::vector<PhraseMask>& all, const std::filesystem::path& model,
                    nlohmann::ordered_json& json) const;

  VolumeQuestions questions_;
  Volume stored_;  ///< as in the file, without voxels
  Volume turned_;
  Window window_;
  std::vector<std::string> notes_;
  std::vector<std::int64_t> slices_;
};

}  // namespace medseg
