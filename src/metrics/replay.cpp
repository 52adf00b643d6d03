#include "medseg/metrics/replay.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "medseg/base/str.h"

namespace medseg {
namespace {

std::string lower(const std::string& text) {
  std::string low = trim(text);
  for (char& c : low) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return low;
}

// The planes of a case: from the lowest to the highest at one step.
struct Planes {
  std::int64_t low = 0, high = 0, step = 1;

  explicit Planes(const std::vector<const ReplayTurn*>& turns) {
    if (!turns.front()->plane) return;
    low = high = turns.front()->plane->index;
    std::int64_t divisor = 0;
    for (const auto* turn : turns) {
      low = std::min(low, turn->plane->index);
      high = std::max(high, turn->plane->index);
      divisor = std::gcd(divisor, turn->plane->index - turns.front()->plane->index);
    }
    if (divisor != 0) step = divisor;
  }
  std::int64_t count() const { return (high - low) / step + 1; }
  std::int64_t at(const ReplayTurn& turn) const {
    return turn.plane ? (turn.plane->index - low) / step : 0;
  }
};

// Which label the mask at `index` is drawn for; nullptr: none.
const std::string* label_of(const ReplayTurn& turn, std::size_t index,
                            const std::vector<std::string>& labels) {
  if (index < turn.targets.size()) return &turn.targets[index];
  if (index >= turn.phrases.size()) return nullptr;
  const auto found = std::find_if(labels.begin(), labels.end(), [&](const std::string& label) {
    return same_name(label, turn.phrases[index]);
  });
  return found == labels.end() ? nullptr : &*found;
}

void draw(PackedMask& volume, std::int64_t plane, const PackedMask& mask) {
  if (volume.size()[0] == 1) {
    volume |= mask;
  } else {
    volume.set_plane(plane, mask);
  }
}

ReplayCase case_of(const std::vector<const ReplayTurn*>& turns, ReplayCases& all) {
  const ReplayTurn& first = *turns.front();
  const Planes planes(turns);
  ReplayCase put{first.image,
                 first.plane ? Dimensions::kVolume : Dimensions::kImage,
                 {planes.count(), first.height, first.width},
                 first.spacing_or_1(),
                 {},
                 {}};
  put.spacing[0] *= static_cast<double>(planes.step);
  std::map<std::string, CaseLabel> drawn;
  const auto label_named = [&](const std::string& label) -> CaseLabel& {
    const auto [found, is_new] = drawn.try_emplace(label);
    if (is_new) found->second = {label, PackedMask(put.size), PackedMask(put.size)};
    return found->second;
  };
  for (const auto* turn : turns) {
    if (turn->size() != first.size())
      throw DataError(first.image, "its slices or turns have several sizes");
    if (turn->ignored.cells() > 0) {
      if (put.ignored.cells() == 0) put.ignored = PackedMask(put.size);
      draw(put.ignored, planes.at(*turn), turn->ignored);
    }
    for (std::size_t i = 0; i < turn->reference.size(); ++i)
      draw(label_named(turn->targets[i]).reference, planes.at(*turn), turn->reference[i]);
    for (std::size_t i = 0; i < turn->predicted.size(); ++i) {
      const std::string* label = label_of(*turn, i, all.labels);
      if (label == nullptr) {
        ++all.unattributed;
      } else {
        draw(label_named(*label).predicted, planes.at(*turn), turn->predicted[i]);
      }
    }
  }
  for (auto& [name, label] : drawn) {
    if (put.ignored.cells() > 0) {
      label.reference.remove(put.ignored);
      label.predicted.remove(put.ignored);
    }
    put.labels.push_back(std::move(label));
  }
  return put;
}

}  // namespace

bool same_name(const std::string& a, const std::string& b) { return lower(a) == lower(b); }

Replay::Replay(std::vector<ReplayTurn> turns, double tolerance_mm)
    : turns_(std::move(turns)), tolerance_mm_(tolerance_mm) {
  for (std::size_t t = 0; t < turns_.size(); ++t) {
    const auto& turn = turns_[t];
    for (std::size_t i = 0; i < turn.reference.size(); ++i) {
      ReplayItem item{t, i, i >= turn.predicted.size(), {}};
      item.counts = item.missing ? OverlapCounts{.reference = turn.reference[i].area()}
                                 : count_overlap(turn.predicted[i], turn.reference[i]);
      items_.push_back(item);
    }
  }
}

const std::vector<SurfaceScores>& Replay::surfaces() const {
  if (surfaces_.size() == items_.size()) return surfaces_;
  for (const auto& item : items_) {
    const auto& turn = turn_of(item);
    surfaces_.push_back(surface_scores(
        item.missing ? PackedMask(turn.size()) : turn.predicted[item.index],
        turn.reference[item.index], turn.spacing_or_1(), Dimensions::kImage, tolerance_mm_));
  }
  return surfaces_;
}

ReplayCases put_together(const Replay& replay) {
  ReplayCases all;
  std::set<std::string> labels;
  std::vector<std::string> order;
  std::map<std::string, std::vector<const ReplayTurn*>> by_case;
  for (const auto& turn : replay.turns()) {
    labels.insert(turn.targets.begin(), turn.targets.end());
    const std::string key = str_cat(turn.image, "\n", turn.plane ? turn.plane->axis : -1);
    if (!by_case.contains(key)) order.push_back(key);
    by_case[key].push_back(&turn);
  }
  all.labels.assign(labels.begin(), labels.end());
  for (const auto& key : order) all.cases.push_back(case_of(by_case[key], all));
  return all;
}

}  // namespace medseg
