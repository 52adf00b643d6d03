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

#include "medseg/dataset/fault.h"
#include "medseg/image/image.h"
#include "medseg/image/mask_file.h"
#include "medseg/image/rle.h"
#include "medseg/volume/volume.h"

namespace medseg {

/// Where the pixels of a mask are.
struct MaskSource {
  std::string label;           ///< the structure's name: what scores are grouped by
  std::filesystem::path file;  ///< image or label volume, relative to the manifest; or empty
  std::optional<int> value;    ///< this sample (grey value, palette index, label) only
  std::optional<std::array<int, 3>> colour;  ///< this RGB colour only; JSON "value": [r, g, b]
  std::optional<int> threshold;              ///< samples above it: soft masks, probabilities, JPEG
  std::optional<int> ignore;                 ///< samples that are neither structure nor background
  std::optional<int> page;                   ///< of a TIFF with several
  std::optional<Rle> rle;
  std::vector<std::vector<double>> polygons;
  std::string kind;  ///< "shipped", "atlas", "probability", "rule", …; may be empty
};

struct SliceOfVolume {
  int axis = 2;
  std::int64_t index = 0;
  std::optional<std::int64_t> volume;  ///< of a file with several (4-D)
};

/// One message pair. `masks[i]` are the mask ids of the i-th `[SEG]` of the answer; two or more
/// mean their union.
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
  std::optional<int> page;                          ///< of a TIFF with several
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
  FaultKind kind = FaultKind::kMalformedRecord;
};

class Manifest {
 public:
  /// Reads and checks every line's form: types, the `[SEG]` count of each answer against its masks,
  /// known mask ids, ids that come twice. \throws DataError "file:line: what".
  static Manifest read(const std::filesystem::path& path);
  /// The same, but faulty lines are left out and listed. \throws DataError if the file cannot be
  /// read or no record is left.
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

/// One line of a manifest's text.
struct ManifestLine {
  int number = 0;  ///< 1-based
  std::string json;
};

/// The lines that are not empty, without byte order marks. \throws ManifestError where the whole
/// file has another form: UTF-16, a JSON array, one object over many lines, another data set's
/// annotation file.
std::vector<ManifestLine> manifest_lines(const std::filesystem::path& path);

/// A record from one line of JSON. \throws ManifestError with what is wrong, without file and line.
Record parse_record(const std::string& json_line);

/// One line of JSON, keys in the contract's order. Manifest::read gives the same record back.
std::string to_json_line(const Record& record);

/// The image of a record, and how it was made.
struct RecordImage {
  Image image;
  std::optional<Window> window;    ///< of everything that is not 8-bit
  bool assumed_window = false;     ///< the record names none
  std::vector<std::string> notes;  ///< what a user should know of the choice, one line each
  std::optional<std::array<double, 2>> spacing_mm;  ///< the record's, else the volume's
  int exif_orientation = 1;                         ///< the file's; the image is upright
};

/// Errors name the file alone. \throws DataError, ConfigError.
RecordImage read_image_of(const Manifest& manifest, const Record& record);

/// One mask of a record, of whatever size it has. Errors name the file alone.
Mask read_mask_of(const Manifest& manifest, const Record& record, const std::string& id, int width,
                  int height);

/// The pixels that are neither structure nor background for one `[SEG]`: where a mask of it says
/// "ignore".
/// \throws DataError as load_mask.
Mask load_ignored(const Manifest& manifest, const Record& record,
                  const std::vector<std::string>& ids, int width, int height);

/// What is odd about the samples of a mask that is an image file. Errors name the file alone.
MaskOddities mask_oddities(const Manifest& manifest, const Record& record, const std::string& id);

/// SHA-256 of the turned voxels of a record's volume; "" for an image file. \throws DataError.
std::string volume_digest(const Manifest& manifest, const Record& record);

/// The file that a record means: `path` below the manifest's folder, also where its name is stored
/// in another Unicode form.
/// \throws DataError on a Windows path, or a file that is not there, naming a near one.
std::filesystem::path file_of(const Manifest& manifest, const std::filesystem::path& path);

/// The picture of a record as 8-bit, through its window. \throws DataError "manifest:line: …".
Image load_image(const Manifest& manifest, const Record& record);

/// The mask of one `[SEG]`: the union of its ids, of the picture's size. \throws DataError
/// "manifest:line: …" on a missing file, an unknown id or another size.
Mask load_mask(const Manifest& manifest, const Record& record, const std::vector<std::string>& ids,
               int width, int height);

}  // namespace medseg
