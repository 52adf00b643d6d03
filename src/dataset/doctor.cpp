#include "medseg/dataset/doctor.h"

#include <algorithm>
#include <map>
#include <set>

#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/str.h"
#include "medseg/dataset/manifest.h"
#include "medseg/dataset/stats.h"
#include "medseg/text/conversation.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// Pictures and masks that were read already, so that dialogues about one slice cost one reading.
struct Pixels {
  std::map<std::string, std::string> digest_of_picture;  ///< "" when unreadable
  std::map<std::string, std::pair<int, int>> size_of_picture;
  std::map<std::string, std::int64_t> area_of_mask;  ///< by picture and mask file
};

/// `text` without "file:line: " in front.
std::string without_place(const std::string& text, const std::string& place) {
  return text.starts_with(place) ? text.substr(place.size()) : text;
}

class Examination {
 public:
  void examine_manifest(const fs::path& path) {
    file_ = path.string();
    std::string text;
    try {
      text = read_file(path);
    } catch (const Error& error) {
      add(0, error.what(), "check the path");
      return;
    }
    const std::size_t faults_before = faults_.size();
    std::vector<Record> records;
    int line = 0;
    for (const auto& json : split(text, '\n')) {
      ++line;
      if (trim(json).empty()) continue;
      try {
        records.push_back(parse_record(json));
        records.back().line = line;
      } catch (const Error& error) {
        add(line, error.what(), mend_of(error.what()));
      }
    }
    if (records.empty() && faults_.size() == faults_before) {
      add(0, "no records", "one JSON object a line");
    }
    const Manifest manifest = Manifest::of(path, std::move(records));
    for (const auto& record : manifest.records()) examine_record(manifest, record);
    manifests_.push_back(manifest);
  }

  void examine_leaks() {
    std::vector<const Record*> records;
    std::vector<std::string> digests;
    std::map<const Record*, std::string> file_of;
    std::size_t m = 0;
    for (const auto& manifest : manifests_) {
      for (const auto& record : manifest.records()) {
        records.push_back(&record);
        digests.push_back(digests_[m++]);
        file_of[&record] = manifest.path().string();
      }
    }
    for (const auto& leak : find_leaks(records, digests)) {
      if (leak.declared) continue;
      file_ = file_of[records.front()];
      const bool subject = leak.what.starts_with("subject ");
      add(0, leak.what + " stands in splits " + join(leak.splits, ", "),
          subject ? "give a subject to one split, or say \"split_unit\": \"slab\" and leave gaps"
                  : "keep the picture in one split");
    }
  }

  std::vector<Fault> take() { return std::move(faults_); }

 private:
  void add(int line, const std::string& what, const std::string& mend) {
    faults_.push_back({file_, line, what, mend});
  }

  static std::string mend_of(const std::string& what) {
    if (what.find("[SEG] count") != std::string::npos) {
      return "write one mask id, or one list of ids, for every [SEG]";
    }
    if (what.find("unknown mask") != std::string::npos) {
      return "add it to \"masks\" or correct the id";
    }
    if (what.find("not JSON") != std::string::npos) return "one JSON object a line";
    return "see data/README.md for the form of a record";
  }

  void examine_record(const Manifest& manifest, const Record& record) {
    const auto [it, is_new] = place_of_id_.emplace(record.id, std::pair{file_, record.line});
    if (!is_new) {
      const auto& [file, line] = it->second;
      add(record.line,
          str_cat("id \"", record.id, "\" stands in ", file == file_ ? "" : file + " ", "line ",
                  line, " too"),
          "give every record an id of its own");
    }
    examine_text(record);
    for (const auto& label : record.absent) {
      for (const auto& [id, mask] : record.masks) {
        if (mask.label != label) continue;
        add(record.line, "\"" + label + "\" is absent and has the mask \"" + id + "\"",
            "take it out of \"absent\" or of \"masks\"");
      }
    }
    examine_pixels(manifest, record);
  }

  void examine_text(const Record& record) {
    const std::string place = kImagePlace;
    for (std::size_t i = 0; i < record.turns.size(); ++i) {
      std::string question = record.turns[i].question;
      const auto at = question.find(place);
      if (i == 0 && at == std::string::npos) {
        add(record.line, "<image> is missing from the first question",
            "write \"<image>\\n\" in front of it");
      }
      if (i > 0 && at != std::string::npos) {
        add(record.line, str_cat("<image> stands in question ", i + 1),
            "keep it in the first question only");
      }
      if (at != std::string::npos) question.erase(at, place.size());
      if (question.find(place) != std::string::npos) {
        add(record.line, str_cat("<image> stands twice in question ", i + 1),
            "keep it once, in the first question");
      }
      if (trim(question).empty()) {
        add(record.line, str_cat("question ", i + 1, " is empty"),
            "ask something or drop the turn");
      }
    }
  }

  void examine_pixels(const Manifest& manifest, const Record& record) {
    const std::string place = str_cat(file_, ":", record.line, ": ");
    const std::string key = (manifest.folder() / picture_key(record)).string() + record.window;
    auto& digest = pixels_.digest_of_picture;
    if (!digest.contains(key)) {
      try {
        const Image image = load_image(manifest, record);
        digest[key] = picture_digest(image);
        pixels_.size_of_picture[key] = {image.width, image.height};
      } catch (const Error& error) {
        digest[key] = "";
        unreadable_[key] = without_place(error.what(), place);
      }
    }
    digests_.push_back(digest[key]);
    if (digest[key].empty()) {
      add(record.line, "image: " + unreadable_[key], "put the file there or correct the path");
      return;
    }
    const auto [width, height] = pixels_.size_of_picture[key];
    for (const auto& [id, mask] : record.masks) {
      examine_mask(manifest, record, id, width, height, place);
    }
  }

  void examine_mask(const Manifest& manifest, const Record& record, const std::string& id,
                    int width, int height, const std::string& place) {
    const MaskSource& source = record.masks.at(id);
    const std::string key =
        source.file.empty() ? ""
                            : str_cat((manifest.folder() / source.file).string(), " ",
                                      source.value ? *source.value : -1, " ", width, " ", height);
    std::int64_t area = 0;
    const auto known = pixels_.area_of_mask.find(key);
    if (!key.empty() && known != pixels_.area_of_mask.end()) {
      area = known->second;
    } else {
      try {
        area = load_mask(manifest, record, {id}, width, height).area();
      } catch (const Error& error) {
        add(record.line, without_place(error.what(), place),
            "a mask is a lossless picture, RLE or polygons of the picture's size");
        return;
      }
      if (!key.empty()) pixels_.area_of_mask[key] = area;
    }
    if (area == 0 && is_asked(record, id)) {
      add(record.line, "masks." + id + ": empty behind [SEG]",
          "draw it, or answer without [SEG] and list it in \"absent\"");
    }
  }

  static bool is_asked(const Record& record, const std::string& id) {
    for (const auto& turn : record.turns) {
      for (const auto& ids : turn.masks) {
        if (std::find(ids.begin(), ids.end(), id) != ids.end()) return true;
      }
    }
    return false;
  }

  std::string file_;
  std::vector<Fault> faults_;
  std::vector<Manifest> manifests_;
  std::vector<std::string> digests_;  ///< by record, over all manifests
  std::map<std::string, std::pair<std::string, int>> place_of_id_;
  std::map<std::string, std::string> unreadable_;
  Pixels pixels_;
};

}  // namespace

std::vector<Fault> examine(const std::vector<fs::path>& manifests) {
  Examination examination;
  for (const auto& path : manifests) examination.examine_manifest(path);
  examination.examine_leaks();
  return examination.take();
}

}  // namespace medseg
