#include "medseg/dataset/doctor.h"

#include <map>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"

namespace medseg {
namespace {

/// What is known across all manifests.
struct Seen {
  std::map<std::string, std::string> ids;  // id -> where
  std::map<std::string, std::pair<std::string, std::string>>
      split_of_subject;  // subject -> split, where
  std::map<std::string, std::pair<std::string, std::string>>
      split_of_pixels;  // hash -> split, where
};

class Examination {
 public:
  Examination(const std::filesystem::path& manifest, Seen& seen, std::vector<Fault>& faults)
      : path_(manifest), seen_(seen), faults_(faults) {}

  void run() {
    std::string text;
    try {
      text = read_file(path_);
    } catch (const DataError& error) {
      report(0, error.what(), "check the path");
      return;
    }
    // Line by line, so that one bad line does not hide the others.
    int line = 0;
    bool any = false;
    for (const auto& content : split(text, '\n')) {
      ++line;
      if (trim(content).empty()) continue;
      any = true;
      examine_line(content, line);
    }
    if (!any) report(0, "no records", "write one JSON object a line");
  }

 private:
  void report(int line, const std::string& what, const std::string& mend) {
    faults_.push_back({path_.string(), line, what, mend});
  }

  // Errors carry "manifest:line: "; the fault has both apart.
  std::string bare(const std::string& message, int line) const {
    const std::string prefix = str(path_.string(), ":", line, ": ");
    return message.starts_with(prefix) ? message.substr(prefix.size()) : message;
  }

  void examine_line(const std::string& content, int line) {
    Record record;
    try {
      record = parse_record(content);
    } catch (const DataError& error) {
      report(line, bare(error.what(), line),
             "correct the line; data/README.md describes every key");
      return;
    }
    record.line = line;
    const std::string where = str(path_.string(), ":", line);
    if (const auto [found, fresh] = seen_.ids.emplace(record.id, where); !fresh) {
      report(line, "id \"" + record.id + "\" stands already at " + found->second,
             "give every record its own id");
    }
    examine_split(record, where);
    examine_questions(record);
    examine_absent(record);
    examine_pixels(record, where);
  }

  void examine_split(const Record& record, const std::string& where) {
    const auto [found, fresh] =
        seen_.split_of_subject.emplace(record.subject, std::pair(record.split, where));
    if (fresh || found->second.first == record.split || record.split_unit == "slab") return;
    report(record.line,
           "subject \"" + record.subject + "\" is in " + record.split + ", and in " +
               found->second.first + " at " + found->second.second,
           "keep a subject in one split, or say \"split_unit\": \"slab\"");
  }

  void examine_questions(const Record& record) {
    for (std::size_t t = 0; t < record.turns.size(); ++t) {
      const auto& question = record.turns[t].question;
      const bool shows = question.find(kImagePlace) != std::string::npos;
      if (t == 0 && !shows)
        report(record.line, "<image> is missing from the first question",
               "begin it with \"<image>\\n\"");
      if (t > 0 && shows)
        report(record.line, str("<image> in turn ", t + 1),
               "keep <image> in the first question only");
      auto words = question;
      if (const auto at = words.find(kImagePlace); at != std::string::npos)
        words.erase(at, std::string(kImagePlace).size());
      if (trim(words).empty())
        report(record.line, str("question ", t + 1, " is empty"), "ask something");
    }
  }

  void examine_absent(const Record& record) {
    for (const auto& name : record.absent) {
      for (const auto& [id, mask] : record.masks) {
        if (mask.label == name)
          report(record.line, "absent \"" + name + "\" has a mask (" + id + ")",
                 "remove one of the two");
      }
    }
  }

  void examine_pixels(const Record& record, const std::string& where) {
    Manifest manifest = Manifest::of_line(path_, record);
    Image image;
    try {
      image = load_image(manifest, record);
    } catch (const Error& error) {
      report(record.line, bare(error.what(), record.line), "check the file");
      return;
    }
    const auto key = str(image.width, "x", image.height, ":",
                         sha256(std::span<const std::uint8_t>(image.pixels)));
    const auto [found, fresh] = seen_.split_of_pixels.emplace(key, std::pair(record.split, where));
    if (!fresh && found->second.first != record.split) {
      report(record.line,
             "the picture equals that of " + found->second.second + " in " + found->second.first,
             "keep equal pictures in one split");
    }
    std::set<std::string> behind_seg;
    for (const auto& turn : record.turns) {
      for (const auto& ids : turn.masks) behind_seg.insert(ids.begin(), ids.end());
    }
    for (const auto& [id, source] : record.masks) {
      try {
        const auto mask = load_mask(manifest, record, {id}, image.width, image.height);
        if (mask.area() == 0 && behind_seg.contains(id)) {
          report(record.line, "mask " + id + " behind [SEG] is empty",
                 "answer without [SEG] and list it in \"absent\"");
        }
      } catch (const Error& error) {
        report(record.line, bare(error.what(), record.line), "check the mask");
      }
    }
  }

  std::filesystem::path path_;
  Seen& seen_;
  std::vector<Fault>& faults_;
};

}  // namespace

std::vector<Fault> examine(const std::vector<std::filesystem::path>& manifests) {
  std::vector<Fault> faults;
  Seen seen;
  for (const auto& manifest : manifests) Examination(manifest, seen, faults).run();
  return faults;
}

}  // namespace medseg
