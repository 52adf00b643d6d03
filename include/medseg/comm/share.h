/// \file
/// Who does what, where ranks divide a row of things.
#pragma once

#include <cstdint>

#include "medseg/comm/comm.h"

namespace medseg {

/// [first, end) of a row.
struct Share {
  std::int64_t first = 0, end = 0;

  std::int64_t size() const { return end - first; }
};

/// Neighbours stay together, so that what ranks did in the order of ranks is the whole row in its order. Sizes differ by one
/// at most.
inline Share share_of(std::int64_t count, const Comm& comm) {
  return {count * comm.rank() / comm.size(), count * (comm.rank() + 1) / comm.size()};
}

}  // namespace medseg
