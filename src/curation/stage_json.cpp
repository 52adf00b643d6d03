#include "stage_json.h"

#include <algorithm>

#include "medseg/base/str.h"

namespace medseg {

using nlohmann::json;

nlohmann::ordered_json group_facts(const Picture& picture, const std::vector<std::string>& ids) {
  auto facts = facts_json(picture.facts);
  auto kept = nlohmann::ordered_json::array();
  for (auto& mask : facts["masks"]) {
    if (std::find(ids.begin(), ids.end(), mask["id"].get<std::string>()) == ids.end()) continue;
    for (auto& neighbour : mask["neighbours"]) {
      neighbour["label"] = picture.facts.find(neighbour["id"].get<std::string>())->label;
      neighbour.erase("id");
    }
    kept.push_back(std::move(mask));
  }
  facts["masks"] = std::move(kept);
  return facts;
}

std::string id_fault(const json& answer, const std::vector<std::string>& ids) {
  for (const auto& [key, value] : answer.items()) {
    if (answer.is_object() && key == "id" && value.is_string()) {
      if (std::find(ids.begin(), ids.end(), value.get<std::string>()) == ids.end())
        return str_cat("\"id\" is ", value.dump(), ", known are ", join(ids, ", "));
    } else if (value.is_structured()) {
      if (auto fault = id_fault(value, ids); !fault.empty()) return fault;
    }
  }
  return "";
}

Draft draft_of(const json& answer) {
  Draft draft;
  for (const auto& turn : answer.at("turns")) {
    DraftTurn one;
    one.kind =
        find_choice<TurnKind>(turn.value("kind", std::string())).value_or(TurnKind::kFollowUp);
    one.question = turn.at("question").get<std::string>();
    one.answer = turn.at("answer").get<std::string>();
    one.targets = turn.value("targets", std::vector<std::string>());
    one.absent = turn.value("absent", std::vector<std::string>());
    draft.push_back(std::move(one));
  }
  return draft;
}

std::string violation_text(const std::vector<Violation>& violations) {
  std::vector<std::string> lines;
  for (const auto& [rule, turn, what] : violations)
    lines.push_back(str_cat("turn ", turn, " (", name_of(rule), "): ", what));
  return join(lines, "; ");
}

}  // namespace medseg
