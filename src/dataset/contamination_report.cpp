// Contamination for people and for programs, and the file of training hashes.
#include <nlohmann/json.hpp>

#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/config/load.h"
#include "medseg/dataset/contamination.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "medseg-trained-on-1";

std::string unit_of(SharedKind kind, std::int64_t count) {
  const bool one = count == 1;
  if (kind == SharedKind::kPatient) return one ? "patient" : "patients";
  if (kind == SharedKind::kVolume) return one ? "volume" : "volumes";
  return one ? "picture" : "pictures";
}

std::string pair_line(const SharedPair& pair) {
  std::string line = str_cat("  ", name_of(pair.kind), " ", pair.test, " (", pair.test_place,
                             ") = ", pair.other, " (", pair.other_place, ")");
  if (pair.kind == SharedKind::kNearDuplicate)
    line += str_cat(", ", pair.distance, " of 256 bits differ");
  return line + "\n";
}

std::set<std::string> hashes_at(const nlohmann::json& object, const char* key,
                                const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array())
    throw DataError(where, str_cat(key, ": expected a list of hashes"));
  std::set<std::string> hashes;
  for (const auto& hash : *found) {
    if (!hash.is_string()) throw DataError(where, str_cat(key, ": expected texts"));
    hashes.insert(hash.get<std::string>());
  }
  return hashes;
}

}  // namespace

std::string contamination_text(const Contamination& found, std::size_t shown) {
  std::string text = "in the other data as well:\n";
  for (const auto& [kind, name] : Choice<SharedKind>::names) {
    const auto all = found.all.at(kind), shared = found.shared.at(kind);
    text += str_cat("  ", name, ": ", shared, " of ", all, " ", unit_of(kind, all), "\n");
  }
  for (const auto& [kind, name] : Choice<SharedKind>::names) {
    std::size_t printed = 0;
    for (const auto& pair : found.pairs) {
      if (pair.kind != kind) continue;
      if (printed++ < shown) text += pair_line(pair);
    }
    if (printed > shown)
      text += str_cat("  ", name, ": ", printed - shown, " more (--json lists all)\n");
  }
  return text;
}

Json contamination_json(const Contamination& found) {
  Json json;
  for (const auto& [kind, name] : Choice<SharedKind>::names)
    json[std::string(name)] = {{"all", found.all.at(kind)}, {"shared", found.shared.at(kind)}};
  json["pairs"] = Json::array();
  for (const auto& pair : found.pairs) {
    json["pairs"].push_back({{"kind", name_of(pair.kind)},
                             {"test", pair.test},
                             {"test_place", pair.test_place},
                             {"other", pair.other},
                             {"other_place", pair.other_place}});
    if (pair.kind == SharedKind::kNearDuplicate) json["pairs"].back()["distance"] = pair.distance;
  }
  return json;
}

void write_trained_on(const std::filesystem::path& file, const TrainedOn& trained) {
  const Json json = {{"format", kFormat},
                     {"patients", trained.patients},
                     {"volumes", trained.volumes},
                     {"pictures", trained.pictures}};
  write_file(file, json.dump() + "\n");
}

TrainedOn read_trained_on(const std::filesystem::path& file) {
  const std::string where = file.string();
  const auto json = raised_as<DataError>([&] { return parse_json(read_file(file), where); });
  if (!json.is_object() || json.value("format", nlohmann::json()) != kFormat)
    throw DataError(where,
                    str_cat("not hashes of training data: \"format\" is not \"", kFormat, "\""));
  return {hashes_at(json, "patients", where), hashes_at(json, "volumes", where),
          hashes_at(json, "pictures", where)};
}

std::string leakage_statement(const SeenInTraining& seen) {
  if (!seen.known) return "unknown: the model does not say what it was trained on";
  std::string text = str_cat(seen.seen_pictures, " of ", seen.pictures, " test pictures");
  if (seen.patients > 0)
    text += str_cat(" and ", seen.seen_patients, " of ", seen.patients, " patients");
  text += " were trained on";
  if (seen.unread > 0) text += str_cat("; ", seen.unread, " pictures could not be read");
  return text;
}

Json leakage_json(const SeenInTraining& seen) {
  Json json = {{"known", seen.known}};
  if (seen.known) {
    json["pictures"] = seen.pictures;
    json["seen_pictures"] = seen.seen_pictures;
    json["patients"] = seen.patients;
    json["seen_patients"] = seen.seen_patients;
    json["volumes"] = seen.volumes;
    json["seen_volumes"] = seen.seen_volumes;
    json["unread_pictures"] = seen.unread;
  }
  json["statement"] = leakage_statement(seen);
  return json;
}

}  // namespace medseg
