#include "header_json.h"

#include <set>
#include <vector>

#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

nlohmann::json parse_header(std::string_view text, const std::string& where, int deepest) {
  using Event = nlohmann::json::parse_event_t;
  // Of the objects that are open.
  std::vector<std::set<std::string>> keys(static_cast<std::size_t>(deepest));
  const auto check = [&](int depth, Event event, nlohmann::json& parsed) {
    if (event == Event::object_start || event == Event::array_start) {
      if (depth >= deepest)
        throw CheckpointError(where, str_cat("its JSON nests deeper than ", deepest, " levels"));
      keys[static_cast<std::size_t>(depth)].clear();
    } else if (event == Event::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys[static_cast<std::size_t>(depth) - 1].insert(key).second)
        throw CheckpointError(where, str_cat(key, " occurs twice"));
    }
    return true;
  };
  auto json = nlohmann::json::parse(text, check, /*allow_exceptions=*/false);
  return json.is_discarded() ? nlohmann::json() : json;
}

}  // namespace medseg
