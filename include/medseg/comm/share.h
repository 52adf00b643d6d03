/// \file
/// How the ranks divide a list of items.
#pragma once

#include <cstdint>

#include "medseg/comm/comm.h"

namespace medseg {

/// The half-open range [first, end) of a list.
struct Share {
  std::int64_t first = 0, end = 0;

  std::int64_t size() const { return end - first; }
};

/// Each rank gets consecutive items, so that the results in the order of ranks are in the order of
/// the list. Sizes differ by one at most.
inline Share share_of(std::int64_t count, const Comm& comm) {
  return {count * comm.rank() / comm.size(), count * (comm.rank() + 1) / comm.size()};
}

}  // namespace medseg
