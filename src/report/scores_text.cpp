#include "medseg/report/scores_text.h"

#include "medseg/metrics/protocols.h"
#include "medseg/report/protocol_text.h"

namespace medseg {
namespace {

std::map<std::string, GroupResult> groups_of(const std::map<std::string, GroupScores>& groups) {
  std::map<std::string, GroupResult> results;
  for (const auto& [name, group] : groups) {
    results[name] = {group.n, {{"giou", group.giou}, {"ciou", group.ciou}, {"dice", group.dice}}};
  }
  return results;
}

// The result that `score --protocol lisa` gives for the same answers.
ProtocolResult result_of(const Scores& scores) {
  ProtocolResult result;
  result.protocol = scores.protocol;
  result.rules = protocol_named(scores.protocol).rules;
  result.n = scores.n;
  result.turns = scores.turns;
  result.missed = scores.missed;
  result.absent = scores.absent;
  result.spurious = scores.spurious;
  result.failed = scores.failed;
  result.metrics = {{"giou", scores.giou},
                    {"ciou", scores.ciou},
                    {"dice", scores.dice},
                    {"dice_over_targets", scores.dice_over_targets},
                    {"seg_count_accuracy", scores.seg_count_accuracy},
                    {"name_accuracy", scores.name_accuracy},
                    {"false_positive_rate", scores.false_positive_rate},
                    {"giou_with_absent", scores.giou_with_absent},
                    {"ciou_with_absent", scores.ciou_with_absent}};
  result.by_modality = groups_of(scores.by_modality);
  result.by_target = groups_of(scores.by_target);
  result.by_phrasing = groups_of(scores.by_phrasing);
  return result;
}

}  // namespace

std::string scores_json(const Scores& scores) { return protocol_json(result_of(scores)).dump(); }

std::string scores_table(const Scores& scores) { return protocol_text(result_of(scores)); }

}  // namespace medseg
