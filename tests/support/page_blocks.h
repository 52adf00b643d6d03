/// \file
/// The commands that a page shows, for tests that run them as they stand there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "medseg/base/file.h"

namespace medseg {

/// The `sh` blocks of a page of the source tree between this heading and the next of its kind.
inline std::vector<std::string> blocks_under(const std::string& page_name,
                                             const std::string& heading) {
  const std::string page = read_file(std::filesystem::path(MEDSEG_SOURCE_DIR) / page_name);
  const auto begin = page.find("\n## " + heading + "\n");
  if (begin == std::string::npos) return {};
  const std::string section = page.substr(begin, page.find("\n## ", begin + 1) - begin);
  std::vector<std::string> blocks;
  const std::string open = "```sh\n", close = "```";
  for (auto at = section.find(open); at != std::string::npos; at = section.find(open, at)) {
    at += open.size();
    const auto end = section.find(close, at);
    blocks.push_back(section.substr(at, end - at));
    at = end;
  }
  return blocks;
}

}  // namespace medseg
