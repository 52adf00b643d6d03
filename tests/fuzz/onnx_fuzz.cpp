#include "load_all.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return medseg::load_all(medseg::open_onnx, data, size);
}
