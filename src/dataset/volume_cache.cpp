#include "volume_cache.h"

#include <algorithm>
#include <list>

namespace medseg {

std::shared_ptr<CachedVolume> cached_volume(const std::filesystem::path& path,
                                            std::optional<std::int64_t> index) {
  constexpr std::size_t kKept = 3;
  struct Entry {
    std::filesystem::path path;
    std::optional<std::int64_t> index;
    std::shared_ptr<CachedVolume> volume;
  };
  thread_local std::list<Entry> entries;  // the last used in front
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
    return entry.path == path && entry.index == index;
  });
  if (found != entries.end()) {
    entries.splice(entries.begin(), entries, found);
    return entries.front().volume;
  }
  while (entries.size() >= kKept) entries.pop_back();
  auto volume = std::make_shared<CachedVolume>();
  const Volume stored = read_volume(path, index);
  volume->stored_axes = axes_name(stored);
  volume->turned = to_canonical(stored);
  entries.push_front({path, index, volume});
  return volume;
}

}  // namespace medseg
