/// \file
/// Loops over torch's own threads.
#pragma once

#include <cstdint>
#include <functional>

namespace medseg {

/// Calls `body(begin, end)` for pieces of [begin, end), none smaller than `grain` unless it is the last, on at most
/// at::get_num_threads() threads; nested calls run on the caller's.
/// Use it in place of at::parallel_for: that one is a plain loop in files compiled without OpenMP, as ours are.
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

/// From now on parallel loops of the calling thread run on it alone: a second team on the same cores would make the first
/// one wait at every barrier. For threads that work beside the one that computes.
void stay_on_one_thread();

}  // namespace medseg
