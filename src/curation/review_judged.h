/// \file
/// What all readers made of one record: the state that follows from its decisions.
#pragma once

#include "medseg/curation/review_store.h"

namespace medseg {

struct ReviewStore::Judged {
  Record record;
  std::vector<ReviewDecision> trail;
  std::vector<std::string> readers;  ///< with a verdict, in the order of their first decision
  std::map<std::string, ReaderStanding> standings;
  std::optional<std::string> adjudicator;  ///< with a verdict
  RecordStatus status = RecordStatus::kOpen;
  std::string decider;  ///< whose content counts, where the status is final
};

}  // namespace medseg
