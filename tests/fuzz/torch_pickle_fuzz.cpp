// Pickle and tensors without the archive's bytes in the way: the input is the data.pkl of a sound
// zip with two storages.
#include <string>

#include "load_all.h"
#include "support/weight_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string words(48, 'x'), bytes(3, 'y');
  const auto zip =
      medseg::torch_zip({reinterpret_cast<const char*>(data), size}, {words, words, bytes, words});
  return medseg::load_all(medseg::open_pickle, reinterpret_cast<const std::uint8_t*>(zip.data()),
                          zip.size());
}
