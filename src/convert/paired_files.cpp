#include "paired_files.h"

#include <algorithm>
#include <map>
#include <set>

#include "gif.h"
#include "label_slices.h"
#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/image/codec.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// What binds an image and its masks: all fields but those that masks alone have.
std::string key_of(const NameFields& fields, const std::vector<std::string>& shared) {
  std::string key;
  for (const auto& name : shared) {
    const auto found = fields.find(name);
    // Folders of images and masks may spell a split differently.
    if (name == "split") {
      const std::string split = split_named(found->second);
      key += (split.empty() ? found->second : split) + "/";
    } else {
      key += found->second + "/";
    }
  }
  return key;
}

struct Found {
  std::string name;
  NameFields fields;
};

class PairReader {
 public:
  PairReader(const PairSource& source, const PairLayout& layout, const SourceFiles& files,
             Reading& reading)
      : source_(source),
        layout_(layout),
        files_(files),
        reading_(reading),
        images_("--images", layout.images) {
    for (const auto& mask : layout.masks) masks_.emplace_back("--masks", mask.pattern);
  }

  /// Number of images with masks.
  std::size_t read() {
    find_shared();
    list_images();
    list_masks();
    std::size_t pairs = 0;
    for (auto& [key, image] : found_images_) {
      const auto masks = found_masks_.find(key);
      if (masks == found_masks_.end()) {
        if (pairs_possible()) reading_.skip("an image without a mask file", image.name);
        continue;
      }
      ++pairs;
      add(image, masks->second);
    }
    return pairs;
  }

 private:
  using MaskFile = std::pair<std::size_t, Found>;  ///< of layout_.masks

  bool pairs_possible() const { return !found_masks_.empty(); }

  void find_shared() {
    for (const char* name : {"case", "subject", "split", "view", "phase", "frame", "kind", "set"}) {
      const bool everywhere = images_.has_field(name) && std::all_of(masks_.begin(), masks_.end(),
                                                                     [&](const NamePattern& mask) {
                                                                       return mask.has_field(name);
                                                                     });
      if (everywhere) shared_.emplace_back(name);
    }
    if (std::find(shared_.begin(), shared_.end(), "case") == shared_.end())
      throw ConfigError("--masks", "expected {case} in the patterns of images and of masks");
  }

  bool is_mask(const std::string& name) const {
    // A mask's name may fit the images' pattern too: the one that says more decides.
    return std::any_of(masks_.begin(), masks_.end(), [&](const NamePattern& mask) {
      return mask.literal_size() > images_.literal_size() &&
             mask.match(name, [](const NameFields&) { return true; });
    });
  }

  void list_images() {
    for (const auto& name : files_.names()) {
      if (is_mask(name)) continue;
      images_.match(name, [&](const NameFields& fields) {
        const auto channel = fields.find("channel");
        const auto& wanted = reading_.options().channel;
        if (channel != fields.end() && !wanted.empty() && channel->second != wanted) return true;
        std::string key = key_of(fields, shared_);
        if (channel != fields.end()) key += "#" + channel->second;
        found_images_.emplace(key, Found{name, fields});
        cases_.insert(key_of(fields, shared_));
        return true;
      });
    }
  }

  void list_masks() {
    std::map<std::string, std::vector<MaskFile>> by_case;
    for (std::size_t i = 0; i < masks_.size(); ++i) {
      for (const auto& name : files_.names()) {
        masks_[i].match(name, [&](const NameFields& fields) {
          const std::string key = key_of(fields, shared_);
          if (!cases_.contains(key)) return false;  // another way to cut the name
          by_case[key].push_back({i, {name, fields}});
          return true;
        });
      }
    }
    for (const auto& [key, image] : found_images_) {
      const auto found = by_case.find(key_of(image.fields, shared_));
      if (found != by_case.end()) found_masks_[key] = found->second;
    }
  }

  std::vector<LabelValues> labels_of(const MaskLayout& layout, const NameFields& fields) const {
    if (layout.labels_of) return layout.labels_of(fields);
    if (!layout.labels.empty()) return layout.labels;
    const auto named = fields.find("label");
    if (named == fields.end()) return {};
    std::string label = named->second;
    std::replace(label.begin(), label.end(), '_', ' ');
    std::replace(label.begin(), label.end(), '+', ' ');
    return {{{}, label}};
  }

  void add(const Found& image, const std::vector<MaskFile>& masks) {
    const fs::path path = files_.root() / image.name;
    const auto field = [&](const char* name) {
      const auto found = image.fields.find(name);
      return found == image.fields.end() ? std::string() : found->second;
    };
    const std::string subject = field("subject").empty() ? field("case") : field("subject");
    std::string split = split_named(field("split"));
    if (split.empty()) split = layout_.split;
    const std::string modality =
        layout_.modality ? layout_.modality(image.fields) : source_.modality;
    std::string id;
    for (const char* name : {"set", "subject", "kind", "case", "view", "phase", "frame", "channel"})
      if (!field(name).empty()) id += (id.empty() ? "" : "-") + field(name);
    std::replace(id.begin(), id.end(), ' ', '_');
    if (volume_format(path)) {
      if (masks.size() > 1) {
        reading_.skip("a volume with several label files", image.name);
        return;
      }
      const auto labels =
          labels_of(layout_.masks[masks.front().first], masks.front().second.fields);
      if (labels.empty())
        throw ConfigError("--labels", "label volumes need names: --labels 1=liver,2=tumour");
      add_slices({id, path, files_.root() / masks.front().second.name, std::nullopt, subject, split,
                  modality, field("channel")},
                 labels, reading_);
      return;
    }
    Draft draft;
    draft.record.id = id;
    draft.record.image = path;
    draft.record.modality = modality;
    draft.record.subject = subject;
    draft.record.split = split;
    draft.looked_for = source_.looked_for;
    for (const auto& [i, mask] : masks) {
      fs::path file = files_.root() / mask.name;
      if (ends_with_any(mask.name, {".gif"})) {
        const Image drawn = read_gif(file);
        file = reading_.folder() / "masks" / (id + ".png");
        write_png(file, drawn);
        reading_.note("GIF masks are written as PNG");
      }
      const auto labels = labels_of(layout_.masks[i], mask.fields);
      if (!add_mask_file(draft, file, labels, reading_))
        throw ConfigError("--labels", "numbered labels in " + file.string() +
                                          " need names: --labels 1=liver,2=tumour");
    }
    reading_.add(std::move(draft));
  }

  const PairSource& source_;
  const PairLayout& layout_;
  const SourceFiles& files_;
  Reading& reading_;
  NamePattern images_;
  std::vector<NamePattern> masks_;
  std::vector<std::string> shared_;
  std::set<std::string> cases_;
  std::map<std::string, Found> found_images_;
  std::map<std::string, std::vector<MaskFile>> found_masks_;
};

}  // namespace

void read_paired_files(const PairSource& source, Reading& reading) {
  for (const auto& root : reading.options().sources) {
    const SourceFiles files(root, reading.options().out);
    std::size_t pairs = 0;
    for (const auto& layout : source.layouts)
      pairs += PairReader(source, layout, files, reading).read();
    if (pairs == 0) reading.skip("no image with a mask of that name", root.string());
  }
  // Of structures that the names of masks tell: what one image has and another has not is absent
  // there. Those of a kind of mask file are looked for only where there is such a file.
  std::set<std::string> of_kinds, labels;
  for (const auto& layout : source.layouts) {
    for (const auto& mask : layout.masks)
      for (const auto& one : mask.labels) of_kinds.insert(one.label);
  }
  for (const auto& draft : reading.drafts()) {
    if (draft.record.slice) continue;
    for (const auto& label : draft.looked_for)
      if (!of_kinds.contains(label)) labels.insert(label);
  }
  for (auto& draft : reading.drafts()) {
    if (draft.record.slice) continue;
    auto all = labels;
    all.insert(draft.looked_for.begin(), draft.looked_for.end());
    draft.looked_for.assign(all.begin(), all.end());
  }
}

}  // namespace medseg
