/// \file
/// Other data sets' formats into a manifest, and a manifest into theirs. Torch-free.
///
/// A conversion reads the source, counts what its masks hold, gives subjects to splits, renders
/// questions where the source has none, and writes `manifest.jsonl` and `convert.json` (what was
/// asked, and the summary) into a folder. The same source, options and seed give the same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "medseg/convert/draft.h"
#include "medseg/convert/options.h"

namespace medseg {

struct ConvertSummary {
  std::int64_t records = 0, pictures = 0, masks = 0, subjects = 0;
  std::int64_t questions = 0, absent_questions = 0;
  std::map<std::string, std::int64_t> records_by_split;
  std::vector<Skipped> skipped;
  std::vector<std::string> notes;     ///< what was assumed or chosen, one line each
  std::vector<std::string> identity;  ///< the de-identification report, one line each
};

std::string summary_text(const ConvertSummary& summary);
std::string summary_json(const ConvertSummary& summary);

/// \throws ConfigError on options that do not apply to the format; DataError naming file and item
/// of a source that cannot be read, or where no record is left. Then `out` is unchanged.
ConvertSummary convert(const ConvertOptions& options);

struct ExportSummary {
  std::int64_t pictures = 0, masks = 0;
  std::vector<Skipped> skipped;
  std::vector<std::string> notes;
};

/// Images as 8-bit PNG (as a model sees them) and masks without loss, below `out`, which must be
/// empty or missing. \throws ConfigError, DataError.
ExportSummary export_manifest(const std::filesystem::path& manifest, const std::string& format,
                              const std::filesystem::path& out);

/// One row of `data convert --list`.
struct FormatDescription {
  std::string name, what, layout, licence;
  bool reads = false, writes = false;
};
std::vector<FormatDescription> convert_formats();

}  // namespace medseg
