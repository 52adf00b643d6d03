#include "dataset_json.h"

#include <algorithm>
#include <cctype>
#include <map>

namespace medseg {
namespace {

std::string lower(std::string text) {
  for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() <= 5 &&
         text.find_first_not_of("0123456789") == std::string::npos;
}

std::string spoken(std::string label) {
  std::replace(label.begin(), label.end(), '_', ' ');
  return label;
}

}  // namespace

std::vector<LabelValues> labels_of_dataset(const JsonItem& dataset) {
  std::vector<LabelValues> labels;
  for (const auto& [key, value] : dataset.at("labels").entries()) {
    LabelValues label;
    if (is_number(key)) {
      label = {{std::stoi(key)}, spoken(value.text())};
    } else if (value.json().is_array()) {
      label.label = spoken(key);
      for (const auto& one : value.items())
        label.values.push_back(static_cast<int>(one.whole(0, 65535)));
      if (label.values.empty()) value.expected("labels");
    } else if (value.json().is_string() && is_number(value.text())) {
      label = {{std::stoi(value.text())}, spoken(key)};
    } else {
      label = {{static_cast<int>(value.whole(0, 65535))}, spoken(key)};
    }
    const bool background = label.values == std::vector<int>{0};
    if (label.label.empty()) value.expected("the name of a label");
    if (!background && lower(label.label) != "ignore") labels.push_back(std::move(label));
  }
  if (labels.empty()) dataset.at("labels").fail("names no structure");
  std::sort(labels.begin(), labels.end(),
            [](const LabelValues& a, const LabelValues& b) { return a.values < b.values; });
  return labels;
}

std::optional<int> ignored_of_dataset(const JsonItem& dataset) {
  const auto value = dataset.at("labels").find("ignore");
  if (!value || !value->json().is_number()) return std::nullopt;
  return static_cast<int>(value->whole(0, 65535));
}

std::string modality_named(const std::string& name) {
  const std::string word = lower(name);
  static const std::vector<std::pair<std::string, std::string>> words = {
      {"noNorm", ""},        {"pet", "pet"},       {"mri", "mr"},          {"mr", "mr"},
      {"flair", "mr"},       {"t1", "mr"},         {"t2", "mr"},           {"adc", "mr"},
      {"dwi", "mr"},         {"ultrasound", "us"}, {"us", "us"},           {"x-ray", "xray"},
      {"xray", "xray"},      {"cxr", "xray"},      {"derm", "dermoscopy"}, {"fundus", "fundus"},
      {"endo", "endoscopy"}, {"oct", "oct"},       {"path", "pathology"},  {"ct", "ct"}};
  for (const auto& [part, modality] : words) {
    if (word == part || (part.size() > 2 && word.find(part) != std::string::npos)) return modality;
    if (part.size() == 2 && (word.starts_with(part + "_") || word.starts_with(part + " ")))
      return modality;
  }
  return "";
}

std::vector<std::string> channels_of_dataset(const JsonItem& dataset) {
  auto names = dataset.find("channel_names");
  if (!names) names = dataset.find("modality");
  if (!names) return {};
  std::map<int, std::string> ordered;
  for (const auto& [key, value] : names->entries()) {
    if (!is_number(key)) names->expected("channels by number");
    ordered[std::stoi(key)] = value.text();
  }
  std::vector<std::string> all;
  for (const auto& [number, name] : ordered) all.push_back(name);
  return all;
}

}  // namespace medseg
