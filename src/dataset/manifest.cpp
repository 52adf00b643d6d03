#include "medseg/dataset/manifest.h"

#include <nlohmann/json.hpp>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::ordered_json;

ordered_json mask_json(const MaskSource& mask) {
  ordered_json json = {{"label", mask.label}};
  if (!mask.file.empty()) json["file"] = mask.file.generic_string();
  if (mask.value) json["value"] = *mask.value;
  if (mask.colour) json["value"] = *mask.colour;
  if (mask.threshold) json["threshold"] = *mask.threshold;
  if (mask.ignore) json["ignore"] = *mask.ignore;
  if (mask.page) json["page"] = *mask.page;
  if (mask.rle) {
    json["rle"] = {{"size", {mask.rle->height, mask.rle->width}}, {"counts", mask.rle->counts}};
  }
  if (!mask.polygons.empty()) json["polygons"] = mask.polygons;
  if (!mask.kind.empty()) json["kind"] = mask.kind;
  return json;
}

void add_turn(ordered_json& list, const RecordTurn& turn) {
  list.push_back({{"from", "human"}, {"value", turn.question}});
  if (!turn.has_answer) return;
  ordered_json answer = {{"from", "gpt"}, {"value", turn.answer}};
  if (!turn.masks.empty()) {
    auto masks = ordered_json::array();
    for (const auto& ids : turn.masks) {
      if (ids.size() == 1) {
        masks.push_back(ids.front());
      } else {
        masks.push_back(ids);
      }
    }
    answer["masks"] = masks;
  }
  list.push_back(answer);
}

}  // namespace

Manifest Manifest::read(const std::filesystem::path& path) {
  return read_lines(path, [&](const ManifestFault& fault) {
    throw ManifestError(fault.kind, str_cat(path.string(), ":", fault.line), fault.what);
  });
}

Manifest Manifest::read(const std::filesystem::path& path, std::vector<ManifestFault>& faults) {
  return read_lines(path, [&](const ManifestFault& fault) { faults.push_back(fault); });
}

Manifest Manifest::read_lines(const std::filesystem::path& path,
                              const std::function<void(const ManifestFault&)>& on_fault) {
  Manifest manifest;
  manifest.path_ = path;
  std::map<std::string, int> line_of_id;
  for (const auto& [line, text] : manifest_lines(path)) {
    Record record;
    try {
      record = parse_record(text);
    } catch (const ManifestError& error) {
      on_fault({line, "", error.what(), error.kind()});
      continue;
    }
    record.line = line;
    const auto [it, is_new] = line_of_id.emplace(record.id, line);
    if (!is_new) {
      on_fault({line, record.id,
                str_cat("id: \"", record.id, "\" stands in line ", it->second, " too"),
                FaultKind::kDuplicateId});
      continue;
    }
    manifest.records_.push_back(std::move(record));
  }
  if (manifest.records_.empty())
    throw ManifestError(FaultKind::kNoRecords, path.string(), "no records");
  return manifest;
}

Manifest Manifest::of_line(const std::filesystem::path& path, const Record& record) {
  Manifest manifest;
  manifest.path_ = path;
  manifest.records_.push_back(record);
  return manifest;
}

Manifest Manifest::of(const std::filesystem::path& path, std::vector<Record> records) {
  Manifest manifest;
  manifest.path_ = path;
  manifest.records_ = std::move(records);
  return manifest;
}

std::vector<const Record*> Manifest::split(const std::string& name) const {
  std::vector<const Record*> found;
  for (const auto& record : records_) {
    if (name.empty() || record.split == name) found.push_back(&record);
  }
  return found;
}

const Record* Manifest::find(const std::string& id) const {
  for (const auto& record : records_) {
    if (record.id == id) return &record;
  }
  return nullptr;
}

std::string to_json_line(const Record& record) {
  ordered_json json = {{"id", record.id}, {"image", record.image.generic_string()}};
  const auto put = [&](const char* key, const std::string& value) {
    if (!value.empty()) json[key] = value;
  };
  put("modality", record.modality);
  put("subject", record.subject);
  put("split", record.split);
  put("split_unit", record.split_unit);
  put("source", record.source);
  put("licence", record.licence);
  put("window", record.window);
  if (record.slice) {
    json["slice"] = {{"axis", record.slice->axis}, {"index", record.slice->index}};
    if (record.slice->volume) json["slice"]["volume"] = *record.slice->volume;
  }
  if (record.page) json["page"] = *record.page;
  if (record.spacing_mm) json["spacing_mm"] = *record.spacing_mm;
  if (!record.masks.empty()) {
    json["masks"] = ordered_json::object();
    for (const auto& [id, mask] : record.masks) json["masks"][id] = mask_json(mask);
  }
  if (!record.absent.empty()) json["absent"] = record.absent;
  put("phrasing", record.phrasing);
  json["conversations"] = ordered_json::array();
  for (const auto& turn : record.turns) add_turn(json["conversations"], turn);
  if (record.review) {
    json["review"] = {{"status", record.review->status},
                      {"reviewer", record.review->reviewer},
                      {"note", record.review->note}};
  }
  return json.dump();
}

}  // namespace medseg
