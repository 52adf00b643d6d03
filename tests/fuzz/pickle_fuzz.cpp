// The pickle machine alone, on the bytes of a data.pkl.
#include <string>

#include "medseg/base/error.h"
#include "unpickler.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    medseg::unpickle({reinterpret_cast<const char*>(data), size}, "fuzz");
  } catch (const medseg::CheckpointError&) {
  }
  return 0;
}
