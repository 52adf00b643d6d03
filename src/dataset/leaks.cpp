#include "medseg/dataset/leaks.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "medseg/base/hash.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

/// The records of one subject, volume or image.
struct Group {
  std::set<std::string> splits;
  std::set<std::string> names;
  /// what leaks already if it leaks: subjects of a volume, volumes of an image
  std::set<std::string> owners;
  bool slab = true;
  const Record* first = nullptr;

  void add(const Record& record, const std::string& name, const std::string& owner) {
    splits.insert(record.split);
    names.insert(name);
    owners.insert(owner);
    slab = slab && record.split_unit == "slab";
    if (first == nullptr) first = &record;
  }
  bool leaks() const { return splits.size() > 1; }
};

using Groups = std::map<std::string, Group>;

/// Leaks of one kind; groups with a single owner that leaks itself are left out.
void add_leaks(std::vector<Leak>& leaks, FaultKind kind, const char* what, const Groups& groups,
               const Groups& owners, bool slab_counts) {
  for (const auto& [key, group] : groups) {
    if (!group.leaks()) continue;
    if (group.owners.size() == 1) {
      const auto owner = owners.find(*group.owners.begin());
      if (owner != owners.end() && owner->second.leaks()) continue;
    }
    leaks.push_back({kind,
                     what + join({group.names.begin(), group.names.end()}, " = "),
                     {group.splits.begin(), group.splits.end()},
                     slab_counts && group.slab,
                     group.first});
  }
}

}  // namespace

std::string picture_key(const Record& record) {
  std::string key = record.image.generic_string();
  if (record.slice) {
    key += str_cat("#", record.slice->axis, ":", record.slice->index);
    if (record.slice->volume) key += str_cat(":", *record.slice->volume);
  }
  if (record.page) key += str_cat("#page ", *record.page);
  return key;
}

std::string picture_digest(const Image& image) {
  bool grey = image.channels == 3;
  for (std::size_t i = 0; grey && i + 2 < image.pixels.size(); i += 3)
    grey = image.pixels[i] == image.pixels[i + 1] && image.pixels[i] == image.pixels[i + 2];
  Sha256 sum;
  sum.add(str_cat(image.width, "x", image.height, "x", grey ? 1 : image.channels, ":"));
  if (grey) {
    std::vector<std::uint8_t> one;
    one.reserve(image.pixels.size() / 3);
    for (std::size_t i = 0; i < image.pixels.size(); i += 3) one.push_back(image.pixels[i]);
    sum.add(std::span<const std::uint8_t>(one));
  } else {
    sum.add(std::span<const std::uint8_t>(image.pixels));
  }
  return sum.text();
}

std::string subject_key(const std::string& subject) {
  // Runs of letters and runs of digits, joined by one mark: "P-001" and "p1" are the same, "1_2"
  // and "12" are not.
  std::string key;
  char kind = 0;
  for (const char c : subject) {
    const auto byte = static_cast<unsigned char>(c);
    const char now = std::isdigit(byte) ? 'd' : std::isalpha(byte) || byte >= 128 ? 'a' : ' ';
    if (now != ' ' && now != kind && !key.empty() && key.back() != '-') key += '-';
    if (now == ' ' && !key.empty() && key.back() != '-') key += '-';
    if (now != ' ') {
      if (now == 'd' && !key.empty() && key.back() == '0' &&
          (key.size() == 1 || key[key.size() - 2] == '-'))
        key.pop_back();  // a leading zero
      key += static_cast<char>(std::tolower(byte));
    }
    kind = now;
  }
  if (!key.empty() && key.back() == '-') key.pop_back();
  return key;
}

std::vector<Leak> find_leaks(const std::vector<LeakEntry>& entries) {
  Groups subjects, volumes, images;
  for (const auto& entry : entries) {
    const Record& record = *entry.record;
    const std::string subject = record.subject.empty() ? "" : subject_key(record.subject);
    if (!subject.empty()) subjects[subject].add(record, record.subject, "");
    if (!entry.volume_digest.empty()) {
      volumes[entry.volume_digest].add(record, record.image.generic_string(), subject);
    }
    if (!entry.image_digest.empty())
      images[entry.image_digest].add(record, picture_key(record), entry.volume_digest);
  }
  std::vector<Leak> leaks;
  add_leaks(leaks, FaultKind::kSubjectLeak, "subject ", subjects, {}, true);
  add_leaks(leaks, FaultKind::kVolumeLeak, "volume ", volumes, subjects, true);
  add_leaks(leaks, FaultKind::kImageLeak, "picture ", images, volumes, false);
  return leaks;
}

}  // namespace medseg
