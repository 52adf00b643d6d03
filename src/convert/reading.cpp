#include <algorithm>

#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/convert/draft.h"

namespace medseg {

void Reading::skip(const std::string& reason, const std::string& item) {
  const auto found = std::find_if(skipped_.begin(), skipped_.end(),
                                  [&](const Skipped& one) { return one.reason == reason; });
  if (found == skipped_.end()) {
    skipped_.push_back({reason, 1, item});
  } else {
    ++found->count;
  }
}

void Reading::note(const std::string& line) {
  if (std::find(notes_.begin(), notes_.end(), line) == notes_.end()) notes_.push_back(line);
}

void Reading::left_out_key(const std::string& key) {
  if (std::find(left_out_keys_.begin(), left_out_keys_.end(), key) == left_out_keys_.end())
    left_out_keys_.push_back(key);
}

std::vector<LabelValues> parse_labels(const std::string& where, const std::string& text) {
  std::vector<LabelValues> labels;
  for (const auto& part : split(text, ',')) {
    const auto equals = part.find('=');
    LabelValues label;
    label.label = trim(equals == std::string::npos ? part : part.substr(equals + 1));
    if (label.label.empty())
      throw ConfigError(where, "expected \"1=liver,2=tumour\" or one name, found \"" + text + "\"");
    if (equals != std::string::npos) {
      for (const auto& number : split(part.substr(0, equals), '+')) {
        const std::string digits = trim(number);
        const bool good = !digits.empty() && digits.size() <= 5 &&
                          digits.find_first_not_of("0123456789") == std::string::npos;
        const int value = good ? std::stoi(digits) : -1;
        if (value < 0 || value > 65535)
          throw ConfigError(where, "expected a label from 0 to 65535, found \"" + number + "\"");
        label.values.push_back(value);
      }
    }
    labels.push_back(std::move(label));
  }
  const bool unnamed = std::any_of(labels.begin(), labels.end(),
                                   [](const LabelValues& one) { return one.values.empty(); });
  if (unnamed && labels.size() > 1)
    throw ConfigError(where, "several structures need their values: \"1=liver,2=tumour\"");
  return labels;
}

}  // namespace medseg
