#include "medseg/training/time_table.h"

#include <algorithm>

#include "medseg/base/process.h"
#include "medseg/base/str.h"

namespace medseg {

TimeTable::Scope::Scope(TimeTable& table, const char* part) : table_(table), part_(part) {
  begin_recent_peak();
  if (table_.observer_.on_begin) table_.observer_.on_begin(part_);
}

TimeTable::Scope::~Scope() {
  table_.add({part_, watch_.seconds(), recent_peak_bytes(), counted_flops() - flops_before_});
  if (table_.observer_.on_end) table_.observer_.on_end();
}

void TimeTable::add(const Part& more) {
  auto part = std::find_if(parts_.begin(), parts_.end(),
                           [&](const Part& known) { return known.name == more.name; });
  if (part == parts_.end()) part = parts_.insert(part, Part{.name = more.name});
  part->seconds += more.seconds;
  part->peak_bytes = std::max(part->peak_bytes, more.peak_bytes);
  part->flops += more.flops;
}

std::string TimeTable::text() const {
  std::vector<std::string> words;
  for (const auto& part : parts_)
    words.push_back(str_cat(part.name, " ", fixed(part.seconds, 1), " s"));
  return join(words, ", ");
}

}  // namespace medseg
