#include "label_slices.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "mask_values.h"
#include "medseg/base/error.h"
#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/volume/volume.h"

namespace medseg {
namespace {

constexpr std::int64_t kNear = 3;  // slices in which the rest of a structure may lie

/// Voxels of each label of one slice.
using Counts = std::map<std::int64_t, std::int64_t>;

std::vector<Counts> count_labels(const Volume& labels, int axis) {
  const auto& size = labels.size;
  std::vector<Counts> slices(static_cast<std::size_t>(size[static_cast<std::size_t>(axis)]));
  std::size_t at = 0;
  for (std::int64_t k = 0; k < size[2]; ++k) {
    for (std::int64_t j = 0; j < size[1]; ++j) {
      for (std::int64_t i = 0; i < size[0]; ++i, ++at) {
        const float voxel = labels.voxels[at];
        if (!(voxel != 0.0F) || !std::isfinite(voxel)) continue;
        ++slices[static_cast<std::size_t>(axis == 0 ? i : axis == 1 ? j : k)][std::llround(voxel)];
      }
    }
  }
  return slices;
}

std::int64_t area_of(const LabelValues& label, const Counts& counts) {
  std::int64_t area = 0;
  for (const auto& [value, count] : counts) {
    const auto& wanted = label.values;
    if (wanted.empty() || std::find(wanted.begin(), wanted.end(), value) != wanted.end())
      area += count;
  }
  return area;
}

Mask mask_of_values(const Volume& slice, const std::vector<int>& values) {
  Volume chosen = slice;
  for (auto& voxel : chosen.voxels) {
    const bool wanted = std::isfinite(voxel) && std::find(values.begin(), values.end(),
                                                          std::llround(voxel)) != values.end();
    voxel = wanted ? 1.0F : 0.0F;
  }
  return axial_mask(chosen, 0);
}

class Slices {
 public:
  Slices(const VolumeCase& one, const std::vector<LabelValues>& names, Reading& reading)
      : one_(one), names_(names), reading_(reading), axis_(reading.options().axis) {}

  void add() {
    Volume image = read_volume(one_.image, one_.volume);
    labels_ = to_canonical(read_volume(one_.labels));
    const std::string modality = one_.modality.empty() ? image.modality : one_.modality;
    window_ = window_text(choose_window(image, modality, "").window);
    if (!same_grid(labels_, to_canonical(image))) {
      reading_.skip("label volume on another grid than its image", one_.labels.string());
      return;
    }
    slices_ = count_labels(labels_, axis_);
    tell_unnamed();
    for (const auto index : chosen()) add_slice(index);
  }

 private:
  void tell_unnamed() const {
    std::set<std::int64_t> unnamed;
    for (const auto& counts : slices_) {
      for (const auto& pixels : counts) {
        const auto value = pixels.first;
        const bool named = std::any_of(names_.begin(), names_.end(), [&](const LabelValues& name) {
          return area_of(name, {{value, 1}}) > 0;
        });
        if (!named && value != reading_.ignored()) unnamed.insert(value);
      }
    }
    for (const auto value : unnamed)
      reading_.note(str_cat("label ", value, " has no name and is left out"));
  }

  bool shows_any(std::size_t index) const {
    return std::any_of(names_.begin(), names_.end(), [&](const LabelValues& name) {
      return area_of(name, slices_[index]) >= reading_.options().min_area;
    });
  }

  bool near_any(std::size_t index, const LabelValues& name) const {
    const auto first = index < kNear ? 0 : index - kNear;
    const auto last = std::min(slices_.size() - 1, index + kNear);
    for (auto i = first; i <= last; ++i) {
      if (i != index && area_of(name, slices_[i]) > 0) return true;
    }
    return false;
  }

  std::vector<std::size_t> chosen() const {
    std::vector<std::size_t> shown, empty;
    for (std::size_t i = 0; i < slices_.size(); ++i) {
      if (shows_any(i)) shown.push_back(i);
      const bool far = std::none_of(names_.begin(), names_.end(), [&](const LabelValues& name) {
        return area_of(name, slices_[i]) > 0 || near_any(i, name);
      });
      if (far) empty.push_back(i);
    }
    std::vector<std::size_t> all;
    const auto every = static_cast<std::size_t>(reading_.options().every);
    for (std::size_t i = 0; i < shown.size(); i += every) all.push_back(shown[i]);
    RandomStream random(reading_.options().seed, "empty slices of " + one_.name);
    random.shuffle(empty);
    const auto wanted =
        static_cast<std::size_t>(static_cast<double>(all.size()) * reading_.options().absent / 4);
    empty.resize(std::min(empty.size(), wanted));
    all.insert(all.end(), empty.begin(), empty.end());
    std::sort(all.begin(), all.end());
    return all;
  }

  void add_slice(std::size_t index) {
    Draft draft;
    Record& record = draft.record;
    record.id = str_cat(one_.name, "-", "xyz"[axis_], index);
    record.image = one_.image;
    record.modality = one_.modality;
    record.subject = one_.subject;
    record.split = one_.split;
    record.window = window_;
    record.slice = SliceOfVolume{axis_, static_cast<std::int64_t>(index), one_.volume};
    for (const auto& name : names_) {
      const auto area = area_of(name, slices_[index]);
      if (area == 0 && near_any(index, name)) draft.doubtful.push_back(name.label);
      draft.looked_for.push_back(name.label);
      if (area == 0) continue;
      if (name.values.size() > 1) {
        add_mask(draft, name.label,
                 mask_of_values(slice_along(labels_, axis_, static_cast<std::int64_t>(index)),
                                name.values));
        continue;
      }
      MaskSource source;
      source.label = name.label;
      source.file = one_.labels;
      if (!name.values.empty()) source.value = name.values.front();
      source.ignore = reading_.ignored();
      const std::string id = next_mask_id(record);
      record.masks[id] = source;
      draft.areas[id] = area;
    }
    reading_.add(std::move(draft));
  }

  const VolumeCase& one_;
  const std::vector<LabelValues>& names_;
  Reading& reading_;
  int axis_;
  Volume labels_;
  std::string window_;
  std::vector<Counts> slices_;
};

}  // namespace

void add_slices(const VolumeCase& one, const std::vector<LabelValues>& labels, Reading& reading) {
  Slices(one, labels, reading).add();
}

}  // namespace medseg
