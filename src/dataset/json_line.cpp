#include "json_line.h"

#include <set>
#include <vector>

#include "medseg/base/str.h"
#include "medseg/dataset/fault.h"

namespace medseg {
namespace {

using nlohmann::json;

/// Keeps the keys of every open object; JSON readers let the last of two equal keys win in silence.
class KeyWatch {
 public:
  bool operator()(int, json::parse_event_t event, json& parsed) {
    if (event == json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == json::parse_event_t::key) {
      Object& object = open_.back();
      object.last = parsed.get<std::string>();
      if (!object.keys.insert(object.last).second) {
        std::vector<std::string> path;
        for (const auto& outer : open_) path.push_back(outer.last);
        throw ManifestError(FaultKind::kDuplicateKey, join(path, "."), "stands twice");
      }
    }
    return true;
  }

 private:
  struct Object {
    std::set<std::string> keys;
    std::string last;
  };
  std::vector<Object> open_;
};

/// The usual slips of lines that are nearly JSON; "" where none is seen.
std::string slip_of(const std::string& line, std::size_t byte) {
  const std::string text = trim(line);
  const std::size_t at = byte > 0 ? byte - 1 : 0;
  if (text.ends_with(',') && json::accept(text.substr(0, text.size() - 1)))
    return "a comma behind the record";
  if (at < line.size() && line[at] == '{' && json::accept(line.substr(0, at)))
    return "two records in one line";
  const auto near = line.substr(at > 8 ? at - 8 : 0, 16);
  for (const char* word : {"NaN", "Infinity"}) {
    if (near.find(word) != std::string::npos) return std::string(word) + " is no JSON number";
  }
  for (const char* word : {"True", "False", "None"}) {
    if (near.find(word) != std::string::npos)
      return std::string(word) + " is Python; JSON has true, false and null";
  }
  if (at < line.size() && line[at] == '\'') return "JSON strings stand in double quotes";
  return "";
}

}  // namespace

json parse_json_line(const std::string& line) {
  try {
    return json::parse(line, KeyWatch());
  } catch (const json::parse_error& error) {
    const std::string slip = slip_of(line, error.byte);
    throw ManifestError(FaultKind::kNotJson, "",
                        str_cat("not JSON near byte ", error.byte, slip.empty() ? "" : ": ", slip));
  } catch (const json::out_of_range&) {
    throw ManifestError(FaultKind::kNotJson, "", "a number is beyond what a double holds");
  }
}

}  // namespace medseg
