// Walks through the JSON files of a conversion's sources.
#include "foreign_json.h"
#include "formats.h"
#include "medseg/base/error.h"
#include "source_files.h"

namespace medseg {

namespace fs = std::filesystem;

void for_each_json(Reading& reading,
                   const std::function<bool(const SourceFiles&, const std::string& name,
                                            const JsonItem& root)>& use) {
  for (const auto& source : reading.options().sources) {
    const SourceFiles files(source, reading.options().out);
    const bool named = !fs::is_directory(source);
    std::vector<std::string> names;
    if (named) {
      names = {source.filename().string()};
    } else {
      names = files.names_ending(".json");
    }
    bool any = false;
    for (const auto& name : names) {
      const fs::path path = files.root() / name;
      const auto json = read_foreign_json(path);
      any = use(files, name, JsonItem(json, path.string() + ": ")) || any;
    }
    if (!any) {
      throw DataError(source.string(),
                      std::string("nothing of ") + format_named(reading.options().format).name +
                          " found; expected " + format_named(reading.options().format).layout);
    }
  }
}

}  // namespace medseg
