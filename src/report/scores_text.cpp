#include "medseg/report/scores_text.h"

#include <nlohmann/json.hpp>

#include "medseg/base/str.h"
#include "medseg/report/table.h"

namespace medseg {
namespace {

using Json = nlohmann::ordered_json;

// What a number means, beside the number (evaluation conventions differ from paper to paper).
constexpr const char* kRules =
    "generated answers; i-th mask against i-th [SEG]; a missing mask is empty; logit > 0 at the "
    "picture's size; "
    "IoU = I/(U+1e-5), 1 if both are empty; Dice = 2I/(P+G+1e-6), 1 if both are empty";

Json groups_json(const std::map<std::string, GroupScores>& groups) {
  auto json = Json::object();
  for (const auto& [name, group] : groups) {
    json[name] = {{"n", group.n}, {"giou", group.giou}, {"ciou", group.ciou}, {"dice", group.dice}};
  }
  return json;
}

}  // namespace

std::string scores_json(const Scores& scores) {
  Json json;
  json["protocol"] = scores.protocol;
  json["rules"] = kRules;
  json["n"] = scores.n;
  json["turns"] = scores.turns;
  json["missed"] = scores.missed;
  json["absent"] = scores.absent;
  json["spurious"] = scores.spurious;
  json["metrics"] = {{"giou", scores.giou},
                     {"ciou", scores.ciou},
                     {"dice", scores.dice},
                     {"dice_over_targets", scores.dice_over_targets},
                     {"seg_count_accuracy", scores.seg_count_accuracy},
                     {"name_accuracy", scores.name_accuracy},
                     {"false_positive_rate", scores.false_positive_rate}};
  json["by_modality"] = groups_json(scores.by_modality);
  json["by_target"] = groups_json(scores.by_target);
  json["by_phrasing"] = groups_json(scores.by_phrasing);
  return json.dump();
}

std::string scores_table(const Scores& scores) {
  return benchmark_table({{"", nlohmann::json::parse(scores_json(scores)), nullptr}},
                         TableFormat::kText) +
         str_cat("protocol ", scores.protocol, ": n ", scores.n, ", turns ", scores.turns,
                 ", missed ", scores.missed, ", absent ", scores.absent, ", spurious ",
                 scores.spurious, "\n");
}

}  // namespace medseg
