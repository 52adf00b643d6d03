#include "medseg/convert/convert.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <nlohmann/json.hpp>

#include "duplicates.h"
#include "formats.h"
#include "identity.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"
#include "placing.h"
#include "questions.h"
#include "splits.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

void check_options(const ConvertOptions& options, const Format& format) {
  const ConvertOptions plain;
  const auto refuse = [&](bool given, const char* option, const char* only) {
    if (given) throw ConfigError(option, str_cat("does not apply to ", format.name, ": ", only));
  };
  if (options.sources.empty()) throw ConfigError("SRC", "missing; expected a folder or a file");
  for (const auto& source : options.sources) {
    const auto out = fs::weakly_canonical(options.out), in = fs::weakly_canonical(source);
    const auto inside = in.lexically_relative(out);
    if (out == in || (!inside.empty() && inside.begin()->string() != ".."))
      throw ConfigError("--out", "\"" + options.out.string() + "\" holds the source itself");
  }
  const bool pairs = std::string(format.name) == "pairs";
  refuse(!pairs && !options.images.empty(), "--images", "it has names of its own");
  refuse(!pairs && !options.masks.empty(), "--masks", "it has names of its own");
  refuse(!pairs && !options.labels.empty(), "--labels", "it has names of its own");
  const bool dialogues = format.kind == SourceKind::kDialogues;
  const char* own = "its questions are the source's own";
  refuse(dialogues && options.absent != plain.absent, "--absent", own);
  refuse(dialogues && options.min_area != plain.min_area, "--min-area", own);
  refuse(dialogues && options.turns != plain.turns, "--turns", own);
  const bool volumes = format.kind == SourceKind::kVolumes;
  const char* flat = "it holds no volumes";
  refuse(!volumes && options.axis != plain.axis, "--axis", flat);
  refuse(!volumes && options.every != plain.every, "--every", flat);
  refuse(!volumes && !options.channel.empty(), "--channel", flat);
  double sum = 0;
  for (const auto share : options.shares) {
    if (!(share >= 0)) throw ConfigError("--splits", "expected three shares of at least 0");
    sum += share;
  }
  if (std::abs(sum - 1) > 1e-6) throw ConfigError("--splits", "expected shares that add up to 1");
}

/// Ids that come twice get a number behind them.
void make_ids_unique(std::vector<Record>& records) {
  std::map<std::string, int> seen;
  for (auto& record : records) {
    const int times = seen[record.id]++;
    if (times == 0) continue;
    std::string id;
    for (int number = times + 1; id.empty() || seen.contains(id); ++number)
      id = str_cat(record.id, "~", number);
    seen[id] = 1;
    record.id = id;
  }
}

std::vector<Record> records_of(Reading& reading) {
  const auto& options = reading.options();
  std::vector<Record> records;
  std::uint64_t number = 0;
  bool rendered = false;
  for (auto& draft : reading.drafts()) {
    if (!draft.record.turns.empty()) {
      records.push_back(std::move(draft.record));
      continue;
    }
    auto made = render_questions(draft, options, number++);
    if (made.empty()) {
      reading.skip("nothing to ask: no structure is large enough and none is known to be absent",
                   draft.record.id);
    }
    rendered = rendered || !made.empty();
    for (auto& record : made) records.push_back(std::move(record));
  }
  if (rendered) {
    reading.note(str_cat("questions are rendered from templates (seed ", options.seed, "); below ",
                         options.min_area, " pixels nothing is asked or denied"));
  }
  make_ids_unique(records);
  return records;
}

void count(ConvertSummary& summary, const std::vector<Record>& records) {
  std::set<std::string> pictures, subjects;
  std::set<std::pair<std::string, std::string>> masks;
  for (const auto& record : records) {
    ++summary.records;
    ++summary.records_by_split[record.split];
    const std::string picture = picture_key(record);
    pictures.insert(picture);
    if (!record.subject.empty()) subjects.insert(subject_key(record.subject));
    for (const auto& [id, mask] : record.masks) masks.emplace(picture, id);
    for (const auto& turn : record.turns) {
      ++summary.questions;
      if (turn.masks.empty()) ++summary.absent_questions;
    }
  }
  summary.pictures = static_cast<std::int64_t>(pictures.size());
  summary.subjects = static_cast<std::int64_t>(subjects.size());
  summary.masks = static_cast<std::int64_t>(masks.size());
}

void write_manifest(const fs::path& path, const std::vector<Record>& records) {
  std::string text;
  for (const auto& record : records) {
    try {
      text += to_json_line(record) + "\n";
    } catch (const nlohmann::json::exception&) {
      throw DataError(str_cat("record ", &record - records.data() + 1),
                      "a text or the name of a file is not UTF-8");
    }
  }
  write_file(path, text);
}

ordered_json json_of(const ConvertSummary& summary) {
  ordered_json json = {
      {"records", summary.records},     {"pictures", summary.pictures},
      {"masks", summary.masks},         {"subjects", summary.subjects},
      {"questions", summary.questions}, {"questions_without_mask", summary.absent_questions}};
  json["records_by_split"] = summary.records_by_split;
  json["skipped"] = ordered_json::array();
  for (const auto& one : summary.skipped)
    json["skipped"].push_back({{"reason", one.reason}, {"count", one.count}, {"first", one.first}});
  json["notes"] = summary.notes;
  json["de_identification"] = summary.identity;
  return json;
}

ordered_json json_of(const ConvertOptions& options) {
  std::vector<std::string> sources;
  for (const auto& source : options.sources) sources.push_back(source.filename().string());
  return {{"format", options.format}, {"sources", sources},           {"seed", options.seed},
          {"shares", options.shares}, {"limit", options.limit},       {"absent", options.absent},
          {"turns", options.turns},   {"min_area", options.min_area}, {"axis", options.axis},
          {"every", options.every},   {"channel", options.channel},   {"copy", options.copy}};
}

}  // namespace

std::string summary_json(const ConvertSummary& summary) { return json_of(summary).dump(); }

std::string summary_text(const ConvertSummary& summary) {
  std::string text = str_cat(summary.records, " records");
  std::vector<std::string> splits;
  for (const char* name : {"train", "val", "test"}) {
    const auto found = summary.records_by_split.find(name);
    if (found != summary.records_by_split.end())
      splits.push_back(str_cat(name, " ", found->second));
  }
  text += str_cat(" (", join(splits, ", "), ")\n", summary.pictures, " images, ", summary.masks,
                  " masks, ", summary.subjects,
                  summary.subjects == 1 ? " subject; " : " subjects; ", summary.questions,
                  " questions, ", summary.absent_questions, " of them without a mask\n");
  for (const auto& note : summary.notes) text += "note: " + note + "\n";
  for (const auto& one : summary.skipped) {
    text += str_cat("skipped: ", one.count, one.count == 1 ? " item: " : " items: ", one.reason,
                    " (", one.count == 1 ? "" : "first: ", one.first, ")\n");
  }
  for (const auto& line : summary.identity) text += "de-identification: " + line + "\n";
  return text;
}

ConvertSummary convert(const ConvertOptions& options) {
  const Format& format = format_named(options.format);
  if (!format.read) throw ConfigError("--from", str_cat(format.name, " is only written"));
  check_options(options, format);
  refuse_foreign_folder(options.out, [&](const std::string& name) {
    const bool earlier = fs::exists(options.out / "convert.json");
    return name == "convert.json" ||
           (earlier && (name == "manifest.jsonl" || name == "images" || name == "masks"));
  });
  AtomicFolder folder(options.out);
  Reading reading(options);
  reading.set_folder(folder.path());
  format.read(reading);
  std::string licence = options.licence.empty() ? reading.licence() : options.licence;
  if (licence.empty()) licence = format.licence;
  for (auto& draft : reading.drafts()) {
    auto& record = draft.record;
    if (!options.modality.empty()) record.modality = options.modality;
    record.source = options.source.empty() ? format.what : options.source;
    record.licence = licence;
  }
  if (licence.empty())
    reading.note("licence: not stated by the source; --licence writes it into every record");
  assign_splits(reading);
  take_subset(reading);
  drop_duplicates(reading);
  auto records = records_of(reading);
  if (records.empty()) {
    const auto& skipped = reading.skipped();
    throw DataError(options.sources.front().string(),
                    str_cat("nothing of ", format.name, " found; expected ", format.layout,
                            skipped.empty() ? ""
                                            : str_cat(" (skipped ", skipped.front().count, ": ",
                                                      skipped.front().reason, ")")));
  }
  ConvertSummary summary;
  summary.identity = identity_report(records, reading);
  count(summary, records);
  if (options.pseudonyms) pseudonymise(records);
  place_files(records, options, folder.path());
  summary.notes = reading.notes();
  summary.skipped = reading.skipped();
  write_manifest(folder.path() / "manifest.jsonl", records);
  const ordered_json told = {{"options", json_of(options)}, {"summary", json_of(summary)}};
  write_file(folder.path() / "convert.json", told.dump(2) + "\n");
  folder.commit();
  return summary;
}

std::vector<FormatDescription> convert_formats() {
  std::vector<FormatDescription> all;
  for (const auto& format : formats()) {
    all.push_back({format.name, format.what, format.layout, format.licence,
                   static_cast<bool>(format.read), static_cast<bool>(format.write)});
  }
  return all;
}

}  // namespace medseg
