#include "splits.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "medseg/base/random.h"
#include "medseg/base/str.h"
#include "medseg/dataset/leaks.h"

namespace medseg {
namespace {

std::string subject_of(const Draft& draft) {
  // Without a subject all records of one image stay together.
  const std::string& named = draft.record.subject;
  if (named.empty()) return draft.record.image.generic_string();
  const std::string key = subject_key(named);
  return key.empty() ? named : key;
}

int rank_of(const std::string& split) { return split == "test" ? 2 : split == "val" ? 1 : 0; }

/// One split a subject, the highest of the source's; "" where it has none.
std::map<std::string, std::string> own_splits(Reading& reading) {
  std::map<std::string, std::string> splits;
  for (const auto& draft : reading.drafts()) {
    auto& split = splits[subject_of(draft)];
    const auto& own = draft.record.split;
    if (split.empty() || (!own.empty() && rank_of(own) > rank_of(split))) split = own;
  }
  auto& drafts = reading.drafts();
  const auto moved = std::stable_partition(drafts.begin(), drafts.end(), [&](const Draft& draft) {
    return draft.record.split.empty() || draft.record.split == splits.at(subject_of(draft));
  });
  for (auto it = moved; it != drafts.end(); ++it) {
    reading.skip("the subject stands in another split of the source too, which is scored",
                 it->record.id);
  }
  drafts.erase(moved, drafts.end());
  return splits;
}

/// The first of `subjects` for validation and test: at least one of each where there are three.
void deal(std::vector<std::string> subjects, const ConvertOptions& options,
          std::map<std::string, std::string>& splits) {
  RandomStream random(options.seed, "splits");
  random.shuffle(subjects);
  const auto share = [&](double part) {
    if (part <= 0) return std::size_t{0};
    const auto n = std::llround(part * static_cast<double>(subjects.size()));
    return static_cast<std::size_t>(std::max<std::int64_t>(n, subjects.size() >= 3 ? 1 : 0));
  };
  const auto tests = share(options.shares[2]), vals = share(options.shares[1]);
  for (std::size_t i = 0; i < subjects.size(); ++i)
    splits[subjects[i]] = i < tests ? "test" : i < tests + vals ? "val" : "train";
}

}  // namespace

void assign_splits(Reading& reading) {
  const auto& options = reading.options();
  auto splits = own_splits(reading);
  std::vector<std::string> unsplit, training;
  std::set<std::string> known;
  for (const auto& [subject, split] : splits) {
    if (split.empty()) unsplit.push_back(subject);
    if (split == "train") training.push_back(subject);
    known.insert(split);
  }
  known.erase("");
  if (known.empty()) {
    deal(unsplit, options, splits);
    reading.note(str_cat("splits: ", splits.size(),
                         splits.size() == 1 ? " subject dealt " : " subjects dealt ",
                         options.shares[0], " : ", options.shares[1], " : ", options.shares[2],
                         " with seed ", options.seed));
  } else {
    for (const auto& subject : unsplit) splits[subject] = "train";
    std::string line = "splits: the source's own";
    if (!known.contains("val") && training.size() >= 3 && options.shares[1] > 0) {
      const double part = options.shares[1] / (options.shares[0] + options.shares[1]);
      const auto n =
          std::max<std::int64_t>(1, std::llround(part * static_cast<double>(training.size())));
      RandomStream random(options.seed, "splits");
      random.shuffle(training);
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) splits[training[i]] = "val";
      line += str_cat("; it has no validation split: ", n, " of ", training.size(),
                      " training subjects make one");
    }
    reading.note(line);
  }
  for (auto& draft : reading.drafts()) draft.record.split = splits.at(subject_of(draft));
}

void take_subset(Reading& reading) {
  const auto limit = static_cast<std::size_t>(reading.options().limit);
  auto& drafts = reading.drafts();
  if (limit == 0 || drafts.size() <= limit) return;
  std::map<std::string, std::size_t> pictures_of_label;
  for (const auto& draft : drafts) {
    std::set<std::string> labels;
    for (const auto& [id, mask] : draft.record.masks) labels.insert(mask.label);
    for (const auto& label : labels) ++pictures_of_label[label];
  }
  std::map<std::string, std::vector<std::size_t>> groups;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    std::string rarest;
    for (const auto& [id, mask] : drafts[i].record.masks) {
      if (rarest.empty() || pictures_of_label[mask.label] < pictures_of_label[rarest])
        rarest = mask.label;
    }
    groups[drafts[i].record.split + "/" + rarest].push_back(i);
  }
  RandomStream random(reading.options().seed, "subset");
  // Positions in the groups' own orders, as shares of their lengths: taking the smallest first
  // gives every group its share, and the first of each comes before all others.
  std::vector<std::pair<double, std::size_t>> order;
  for (auto& [name, members] : groups) {
    random.shuffle(members);
    for (std::size_t i = 0; i < members.size(); ++i) {
      const double place =
          i == 0 ? -1.0 : static_cast<double>(i) / static_cast<double>(members.size());
      order.emplace_back(place, members[i]);
    }
  }
  std::sort(order.begin(), order.end());
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < limit; ++i) kept.push_back(order[i].second);
  std::sort(kept.begin(), kept.end());
  std::vector<Draft> subset;
  for (const auto i : kept) subset.push_back(std::move(drafts[i]));
  reading.note(str_cat("subset: ", limit, " of ", drafts.size(),
                       " pictures, stratified by split "
                       "and rarest structure, seed ",
                       reading.options().seed));
  drafts = std::move(subset);
}

}  // namespace medseg
