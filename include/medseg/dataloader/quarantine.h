/// \file
/// Records that cannot be trained on. With data.on_bad_sample "stop" the first that is drawn ends
/// the run (exit code 3). With "quarantine" it is left out, another record is trained on instead
/// (BatchMaker), and it is named once in the log and in the run folder, up to data.quarantine_limit
/// records.
#pragma once

#include <cstdint>
#include <filesystem>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "medseg/pipeline/record_error.h"

namespace medseg {

struct BadSample {
  std::string id;  ///< "" where the line is no record
  std::string manifest;
  int line = 0;
  RecordPart part = RecordPart::kLine;  ///< what is bad
  std::string why;                      ///< without manifest and line in front

  std::string where() const;  ///< "manifest:line"
  bool operator==(const BadSample&) const = default;
};

nlohmann::json bad_samples_json(const std::vector<BadSample>& samples);
/// Reverses bad_samples_json. \throws nlohmann::json::exception on another form, ConfigError on an
/// unknown part.
std::vector<BadSample> bad_samples_of(const nlohmann::json& json);

/// What a run has left out so far; for one thread. Which records these are follows from the files
/// alone, and the list is saved in every checkpoint: a resumed run leaves out the same records,
/// even if somebody mended a file in between.
class Quarantine {
 public:
  /// `file`: quarantine.jsonl of the run folder, {"id", "manifest", "line", "part", "why"} a line;
  /// there is none while the list is empty. Of several processes only one `writes` it.
  Quarantine(std::int64_t limit, std::filesystem::path file, bool writes = true);

  /// Adds those that are new, with a line in the log each. Where the disk has no room for the list,
  /// this is logged and the list written later.
  /// \throws DataError "manifest:line: why; …" once there are more than the limit.
  void add(const std::vector<BadSample>& samples);
  /// The list of a checkpoint; the file becomes what it was then. \throws DataError as add().
  void restore(std::vector<BadSample> samples);

  const std::vector<BadSample>& list() const { return list_; }

 private:
  void check_limit() const;
  void write();

  std::int64_t limit_;
  std::filesystem::path file_;
  bool writes_;
  std::vector<BadSample> list_;
  std::set<std::pair<std::string, int>> known_;  ///< manifest, line
  std::size_t written_ = 0;
};

}  // namespace medseg
