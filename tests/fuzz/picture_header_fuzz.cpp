// What is read of a PNG, JPEG, TIFF or BMP before a decoder sees it.
#include "medseg/base/error.h"
#include "picture_header.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    medseg::read_picture_header({data, size}, "fuzz");
  } catch (const medseg::DataError&) {
  }
  return 0;
}
