#include <algorithm>
#include <charconv>

#include "medseg/base/str.h"
#include "medseg/bundle/audit.h"
#include "medseg/training/trained.h"
#include "token_matrix.h"

namespace medseg {
namespace {

// "NAME[first:end]" of some rows, or "NAME" of a whole tensor: then both are -1.
struct InitialisedEntry {
  std::string name;
  std::int64_t first = -1, end = -1;
};

InitialisedEntry parse_entry(const std::string& text) {
  InitialisedEntry entry{text};
  const auto open = text.rfind('[');
  if (open == std::string::npos || text.back() != ']') return entry;
  std::int64_t first = -1, end = -1;
  const char* last = text.data() + text.size() - 1;
  const auto middle = std::from_chars(text.data() + open + 1, last, first);
  if (middle.ec != std::errc{} || middle.ptr == last || *middle.ptr != ':') return entry;
  const auto done = std::from_chars(middle.ptr + 1, last, end);
  if (done.ec != std::errc{} || done.ptr != last || first < 0 || end < first) return entry;
  return {text.substr(0, open), first, end};
}

}  // namespace

std::vector<std::string> still_initialised(const BundleOptions& options,
                                           const std::vector<TrainedParameter>& trained) {
  const auto find = [&](const std::string& name) {
    return std::find_if(trained.begin(), trained.end(),
                        [&](const TrainedParameter& parameter) { return parameter.name == name; });
  };
  const auto vocabulary = options.model.language.vocabulary;
  std::vector<std::string> left;
  for (const auto& text : options.initialised) {
    const auto entry = parse_entry(text);
    if (find(entry.name) != trained.end() && !is_beyond_training(entry.name)) continue;
    auto rest = text;
    if (is_token_matrix(entry.name)) {
      const auto matrix = entry.name.substr(0, entry.name.rfind('.'));
      if (const auto rows = find(matrix + ".new_rows"); rows != trained.end()) {
        const auto trained_from = vocabulary - rows->tensor.size(0);
        const auto first = std::max<std::int64_t>(entry.first, 0);
        const auto end = entry.first < 0 ? vocabulary : entry.end;
        if (first >= trained_from) continue;
        if (end > trained_from) rest = str_cat(entry.name, "[", first, ":", trained_from, "]");
      }
    }
    left.push_back(rest);
  }
  return left;
}

}  // namespace medseg
