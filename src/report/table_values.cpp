#include "table_values.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "medseg/base/str.h"

namespace medseg {
namespace {

using nlohmann::json;

const std::map<std::string, std::string> kTitles = {{"dice", "Dice"},
                                                    {"iou", "IoU"},
                                                    {"giou", "gIoU"},
                                                    {"ciou", "cIoU"},
                                                    {"seg_count_accuracy", "[SEG] count exact"},
                                                    {"name_accuracy", "right name"},
                                                    {"false_positive_rate", "false positives"},
                                                    {"hd95_monai", "HD95, mm"},
                                                    {"nsd_deepmind", "NSD"},
                                                    {"ap50", "AP50"}};
}  // namespace

std::string title_of(const std::string& metric) {
  const auto found = kTitles.find(metric);
  return found == kTitles.end() ? metric : found->second;
}

bool lower_is_better(const std::string& metric) {
  static const Names kParts = {"hd", "asd", "assd", "false_positive", "ece", "fp", "fn"};
  return std::any_of(kParts.begin(), kParts.end(), [&](const std::string& part) {
    return metric.starts_with(part) || metric.find("_" + part) != std::string::npos;
  });
}

const json* value_at(const json& object, const Names& path) {
  const json* here = &object;
  for (const auto& key : path) {
    if (!here->is_object() || !here->contains(key)) return nullptr;
    here = &(*here)[key];
  }
  return here;
}

std::optional<double> number_at(const json& object, const Names& path) {
  const json* value = value_at(object, path);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) return value->get<double>();
  if (*value == "inf") return std::numeric_limits<double>::infinity();
  return std::nullopt;
}

std::string shown_number(std::optional<double> value) {
  if (!value) return "";
  if (std::isinf(*value)) return "inf";
  return fixed(*value, std::abs(*value) >= 1000 ? 1 : 3);
}

std::string shown_count(const json& scores, const std::string& key) {
  const json* value = value_at(scores, {key});
  return value != nullptr && value->is_number() ? value->dump() : "";
}

void mark_best(std::vector<Value>& column, bool lower) {
  const auto competes = [](const Value& one) {
    return one.value && one.kind != RowKind::kBaseline;
  };
  if (std::count_if(column.begin(), column.end(), competes) < 2) return;
  const Value* best = nullptr;
  for (const auto& one : column) {
    if (!competes(one)) continue;
    if (best == nullptr || (lower ? *one.value < *best->value : *one.value > *best->value))
      best = &one;
  }
  const Value first = *best;
  for (auto& one : column) {
    if (!competes(one)) continue;
    one.best = *one.value == *first.value;
    one.within = !one.best && first.low && *one.value >= *first.low && *one.value <= *first.high;
  }
}

}  // namespace medseg
