/// \file
/// The data contract: JSON Lines, one record a line (README of `data/` describes every key).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "medseg/image/image.h"
#include "medseg/image/rle.h"
#include "medseg/volume/volume.h"

namespace medseg {

/// Where the pixels of a mask are.
struct MaskSource {
  std::string label;           ///< the structure's name: what scores are grouped by
  std::filesystem::path file;  ///< PNG, relative to the manifest; or empty
  std::optional<int> value;    ///< this grey value only
  std::optional<Rle> rle;
  std::vector<std::vector<double>> polygons;
  std::string kind;  ///< "shipped", "atlas", "probability", "rule", …; may be empty
};

struct SliceOfVolume {
  int axis = 2;
  std::int64_t index = 0;
};

/// One message pair. `masks[i]` are the mask ids of the i-th `[SEG]` of the answer; two or more mean their union.
struct RecordTurn {
  std::string question;
  std::string answer;
  std::vector<std::vector<std::string>> masks;
  bool has_answer = true;
};

/// What a reader decided about a record.
struct Review {
  std::string status;  ///< "accepted", "rejected", …
  std::string reviewer;
  std::string note;
};

struct Record {
  std::string id;
  std::filesystem::path image;  ///< relative to the manifest
  std::string modality;         ///< "ct", "mr", …
  std::string subject;
  std::string split;       ///< "train", "val", "test"
  std::string split_unit;  ///< "" (subject) or "slab"
  std::string source;
  std::string licence;
  std::string window;
  std::optional<SliceOfVolume> slice;
  std::optional<std::array<double, 2>> spacing_mm;  ///< of a column step (x), a row step (y)
  std::map<std::string, MaskSource> masks;
  std::vector<std::string> absent;
  std::vector<RecordTurn> turns;
  std::string phrasing;  ///< free tag: "seen" or "unseen" wording in the demonstration
  std::optional<Review> review;
  int line = 0;  ///< 1-based line in the manifest
};

/// A line that is no record: not to be read, or with an id that stands in an earlier one.
struct ManifestFault {
  int line = 0;
  std::string id;    ///< "" where not even that could be read
  std::string what;  ///< without the place in front
};

class Manifest {
 public:
  /// Reads and checks every line's form: types, the `[SEG]` count of each answer against its masks, known mask
  /// ids, ids that come twice. \throws DataError "file:line: what".
  static Manifest read(const std::filesystem::path& path);
  /// The same, but faulty lines are left out and listed. \throws DataError if the file cannot be read or no record is left.
  static Manifest read(const std::filesystem::path& path, std::vector<ManifestFault>& faults);
  /// A manifest of one record, as if it stood alone in the file; for checks line by line.
  static Manifest of_line(const std::filesystem::path& path, const Record& record);

  /// Records from elsewhere, as if read from `path`.
  static Manifest of(const std::filesystem::path& path, std::vector<Record> records);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path folder() const { return path_.parent_path(); }
  const std::vector<Record>& records() const { return records_; }
  std::vector<const Record*> split(const std::string& name) const;  ///< "" is all
  const Record* find(const std::string& id) const;

 private:
  static Manifest read_lines(const std::filesystem::path& path,
                             const std::function<void(const ManifestFault&)>& on_fault);

  std::filesystem::path path_;
  std::vector<Record> records_;
};

/// A record from one line of JSON. \throws DataError with what is wrong, without file and line.
Record parse_record(const std::string& json_line);

/// One line of JSON, keys in the contract's order. Manifest::read gives the same record back.
std::string to_json_line(const Record& record);

/// "ct-bone" (a named window), or any name with its bounds: "mr-percentile(12, 1480.5)".
/// \throws ConfigError on an unknown name without bounds, or bounds that are not low < high.
Window parse_window(const std::string& text);
std::string window_text(const Window& window);  ///< with bounds; parse_window gives the same back

/// The picture of a record as 8-bit, through its window. \throws DataError "manifest:line: …".
Image load_image(const Manifest& manifest, const Record& record);

/// The mask of one `[SEG]`: the union of its ids, of the picture's size. \throws DataError "manifest:line: …"
/// on a missing file, an unknown id or another size.
Mask load_mask(const Manifest& manifest, const Record& record, const std::vector<std::string>& ids,
               int width, int height);

}  // namespace medseg
