#include "medseg/curation/revisions.h"

#include <set>
#include <sstream>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/curation/agreement.h"
#include "medseg/image/rle.h"
#include "review_content.h"

namespace medseg {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* kNotStated = "not stated";

ordered_json runs_json(const Mask& mask) {
  const Rle rle = encode_rle(mask);
  return {{"size", {rle.height, rle.width}}, {"counts", rle.counts}};
}

ordered_json words_json(const std::string& question, const std::string& answer) {
  return {{"question", question}, {"answer", answer}};
}

void add(RevisionCounts& counts, const json& line) {
  ++counts.records;
  auto& model = counts.by_model[line.at("model").get<std::string>()];
  for (const auto& turn : line.at("turns")) {
    ++model.texts;
    for (const auto& target : turn.at("targets"))
      ++counts.by_target[target.get<std::string>()].texts;
  }
  for (const auto& mask : line.at("masks")) {
    const auto dice = mask.at("dice").get<double>();
    const auto kind = mask.at("kind").get<std::string>();
    for (auto* group : {&counts.by_target[mask.at("target").get<std::string>()],
                        &counts.by_kind[kind.empty() ? kNotStated : kind], &model}) {
      ++group->masks;
      group->dice += dice;
    }
  }
}

}  // namespace

std::string model_of_set(const std::filesystem::path& folder) {
  const auto file = folder / "report.json";
  if (!std::filesystem::exists(file)) return kNotStated;
  const auto report = json::parse(read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!report.is_object() || !report.contains("made_by")) return kNotStated;
  const auto& made_by = report["made_by"];
  for (const char* key : {"model", "stage"}) {
    if (made_by.is_object() && made_by.contains(key) && made_by[key].is_string())
      return made_by[key].get<std::string>();
  }
  return kNotStated;
}

std::optional<ordered_json> revision_of(const std::filesystem::path& folder, const Record& record,
                                        const json& content, const std::string& reader,
                                        const std::string& model) {
  ordered_json pair = {{"id", record.id},
                       {"model", model},
                       {"reader", reader},
                       {"turns", ordered_json::array()},
                       {"masks", ordered_json::array()}};
  for (std::size_t i = 0; i < record.turns.size(); ++i) {
    const auto& before = record.turns[i];
    const auto& after = content.at("turns").at(i);
    const auto question = after.at("question").get<std::string>();
    const auto answer = after.at("answer").get<std::string>();
    if (question == before.question && answer == before.answer) continue;
    std::set<std::string> targets;
    for (const auto& ids : before.masks) {
      for (const auto& id : ids) targets.insert(record.masks.at(id).label);
    }
    pair["turns"].push_back({{"turn", i},
                             {"targets", targets},
                             {"before", words_json(before.question, before.answer)},
                             {"after", words_json(question, answer)}});
  }
  const Manifest alone = Manifest::of_line(folder / "manifest.jsonl", record);
  for (const auto& [id, after] : masks_of_content(content)) {
    const auto& source = record.masks.at(id);
    const Mask before = read_mask_of(alone, record, id, after.width, after.height);
    if (before == after) continue;
    pair["masks"].push_back({{"id", id},
                             {"target", source.label},
                             {"kind", source.kind},
                             {"dice", dice_of(before, after)},
                             {"before", runs_json(before)},
                             {"after", runs_json(after)}});
  }
  if (pair["turns"].empty() && pair["masks"].empty()) return std::nullopt;
  return pair;
}

ordered_json RevisionCounts::Group::json() const {
  ordered_json out = {{"texts", texts}, {"masks", masks}};
  out["dice"] =
      masks == 0 ? ordered_json(nullptr) : ordered_json(dice / static_cast<double>(masks));
  return out;
}

ordered_json RevisionCounts::json() const {
  ordered_json out = {{"records", records}};
  for (const auto& [name, groups] :
       {std::pair{"by_target", &by_target}, std::pair{"by_kind", &by_kind},
        std::pair{"by_model", &by_model}}) {
    out[name] = ordered_json::object();
    for (const auto& [key, group] : *groups) out[name][key] = group.json();
  }
  return out;
}

std::string RevisionCounts::text() const {
  std::string text = str_cat("readers changed ", records, " records before they accepted them\n");
  const auto table = [&](const char* title, const std::map<std::string, Group>& groups) {
    if (groups.empty()) return;
    text += str_cat("  ", title, ": texts, masks, Dice of the mask before with the reader's\n");
    for (const auto& [name, group] : groups) {
      text +=
          str_cat("    ", name, ": ", group.texts, ", ", group.masks,
                  group.masks == 0 ? std::string()
                                   : ", " + fixed(group.dice / static_cast<double>(group.masks), 3),
                  "\n");
    }
  };
  table("by target", by_target);
  table("by how the mask was made", by_kind);
  table("by what wrote the dialogue", by_model);
  return text;
}

RevisionCounts count_revisions(const std::filesystem::path& file) {
  RevisionCounts counts;
  std::istringstream lines(read_file(file));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.empty()) continue;
    try {
      add(counts, json::parse(line));
    } catch (const json::exception&) {
      throw DataError(str_cat(file.string(), ":", number), "is no revision of a review");
    }
  }
  return counts;
}

}  // namespace medseg
