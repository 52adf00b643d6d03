// The zip directory, and what its entries unpack to.
#include "medseg/base/error.h"
#include "zip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    for (const auto& [name, entry] : medseg::read_zip({data, size}, "fuzz")) {
      try {
        medseg::unpack(entry, name, 1 << 20);
      } catch (const medseg::CheckpointError&) {
      }
    }
  } catch (const medseg::CheckpointError&) {
  }
  return 0;
}
