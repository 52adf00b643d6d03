#include "medseg/dataset/turns.h"

#include <algorithm>

#include "medseg/base/str.h"

namespace medseg {
namespace {

// The label that a `[SEG]` answers; of a union of several labels, all of them.
std::string target_of(const Record& record, const std::vector<std::string>& ids) {
  std::vector<std::string> labels;
  for (const auto& id : ids) {
    const auto found = record.masks.find(id);
    const std::string label = found == record.masks.end() ? id : found->second.label;
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
  }
  return join(labels, " + ");
}

}  // namespace

std::vector<Turn> turns_of(const Record& record) {
  std::vector<Turn> turns;
  for (const auto& turn : record.turns) {
    turns.push_back({turn.question, turn.has_answer ? turn.answer : ""});
  }
  return turns;
}

std::vector<std::string> targets_of(const Record& record, const RecordTurn& turn) {
  std::vector<std::string> targets;
  for (const auto& ids : turn.masks) targets.push_back(target_of(record, ids));
  return targets;
}

std::vector<const RecordTurn*> answered_turns(const Record& record) {
  std::vector<const RecordTurn*> turns;
  for (const auto& turn : record.turns) {
    if (turn.has_answer) turns.push_back(&turn);
  }
  return turns;
}

}  // namespace medseg
