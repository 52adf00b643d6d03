// Compiled with OpenMP (see CMakeLists.txt) and linked to the runtime that torch contains.
#include "medseg/nn/parallel.h"

#include <ATen/Parallel.h>
#ifdef _OPENMP  // not in builds of the fuzz targets, which run on one thread
#include <omp.h>
#endif

namespace medseg {
namespace {

// Its own type, so that the linker does not merge this instance with serial ones of other files.
struct Body {
  const std::function<void(std::int64_t, std::int64_t)>& body;
  void operator()(std::int64_t begin, std::int64_t end) const { body(begin, end); }
};

}  // namespace

void parallel_for(std::int64_t begin, std::int64_t end, std::int64_t grain,
                  const std::function<void(std::int64_t, std::int64_t)>& body) {
  at::parallel_for(begin, end, grain, Body{body});
}

void stay_on_one_thread() {
#ifdef _OPENMP
  omp_set_num_threads(1);
#endif
}

}  // namespace medseg
