#include "leak_search.h"

#include <algorithm>
#include <numeric>

namespace medseg {

void LeakSearch::add(std::size_t manifest, const Examined& record) {
  Facts facts;
  const std::string subject = record.subject.empty() ? "" : subject_key(record.subject);
  if (!subject.empty()) facts.subject = short_hash(subject);
  facts.image = record.image;
  facts.volume = record.volume;
  facts.begin = record.begin;
  facts.split =
      splits_.emplace(record.split, static_cast<std::uint32_t>(splits_.size())).first->second;
  facts.manifest = static_cast<std::uint16_t>(manifest);
  facts.slab = record.slab;
  facts_.push_back(facts);
}

void LeakSearch::mark(std::vector<bool>& leaking, ShortHash Facts::*key, bool slab_counts) const {
  std::vector<std::uint32_t> order(facts_.size());
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return facts_[a].*key < facts_[b].*key; });
  for (std::size_t first = 0; first < order.size();) {
    std::size_t end = first;
    bool several = false, slab = true;
    const Facts& head = facts_[order[first]];
    for (; end < order.size() && facts_[order[end]].*key == head.*key; ++end) {
      several = several || facts_[order[end]].split != head.split;
      slab = slab && facts_[order[end]].slab;
    }
    if (several && !(head.*key).empty() && !(slab_counts && slab)) {
      for (auto i = first; i < end; ++i) leaking[order[i]] = true;
    }
    first = end;
  }
}

std::vector<LeakSearch::Found> LeakSearch::find(
    const std::function<Record(std::size_t manifest, std::size_t begin)>& read) const {
  std::vector<bool> leaking(facts_.size(), false);
  mark(leaking, &Facts::subject, true);
  mark(leaking, &Facts::volume, true);
  mark(leaking, &Facts::image, false);
  std::vector<Record> records;
  std::vector<std::size_t> which;
  for (std::size_t i = 0; i < facts_.size(); ++i) {
    if (!leaking[i]) continue;
    Record record = read(facts_[i].manifest, facts_[i].begin);
    record.turns.clear();  // there may be many, and only names matter
    record.masks.clear();
    records.push_back(std::move(record));
    which.push_back(i);
  }
  std::vector<LeakEntry> entries;
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Facts& facts = facts_[which[i]];
    entries.push_back({&records[i], hex(facts.image), hex(facts.volume)});
  }
  std::vector<Found> found;
  for (auto& leak : find_leaks(entries)) {
    if (leak.declared) continue;
    const auto at = static_cast<std::size_t>(leak.first - records.data());
    const std::size_t manifest = facts_[which[at]].manifest;
    leak.first = nullptr;
    found.push_back({std::move(leak), manifest});
  }
  return found;
}

}  // namespace medseg
