// COCO run lengths: two bytes of height and width, then the counts. What decodes must encode to the
// same mask.
#include <string>

#include "medseg/base/error.h"
#include "medseg/image/rle.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  try {
    const auto mask =
        medseg::decode_rle({data[0], data[1], {reinterpret_cast<const char*>(data + 2), size - 2}});
    if (medseg::decode_rle(medseg::encode_rle(mask)).pixels != mask.pixels) __builtin_trap();
  } catch (const medseg::DataError&) {
  }
  return 0;
}
