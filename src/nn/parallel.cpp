// Compiled with OpenMP (see CMakeLists.txt) and linked to the one run time that torch brings along.
#include "medseg/nn/parallel.h"

#include <ATen/Parallel.h>
#ifdef _OPENMP  // not where the fuzz targets are built: there everything runs on one thread
#include <omp.h>
#endif

namespace medseg {
namespace {

// A type of our own: the template's parallel instance must not be merged with serial ones of other files.
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
