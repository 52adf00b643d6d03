#include "medseg/base/error.h"
#include "readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    medseg::read_metaimage({data, size}, "fuzz");
  } catch (const medseg::DataError&) {
  }
  return 0;
}
