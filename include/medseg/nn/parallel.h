/// \file
/// Loops over torch's own threads.
#pragma once

#include <cstdint>
#include <functional>

namespace medseg {

/// Calls `body(begin, end)` for pieces of [begin, end), none smaller than `grain` except the last,
/// on at most at::get_num_threads() threads. Nested calls run on the caller's thread. Replaces
/// at::parallel_for, which is a plain loop in files compiled without OpenMP, as ours are.
void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body);

/// From now on parallel loops of the calling thread run on it alone. For threads that work beside
/// the computing one: a second team on the same cores would make the first wait at every barrier.
void stay_on_one_thread();

}  // namespace medseg
