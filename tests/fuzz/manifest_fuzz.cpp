// One line of a manifest. What is read must write to a line that reads the same.
#include <string>

#include "medseg/base/error.h"
#include "medseg/dataset/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto record = medseg::parse_record({reinterpret_cast<const char*>(data), size});
    const auto line = medseg::to_json_line(record);
    if (medseg::to_json_line(medseg::parse_record(line)) != line) __builtin_trap();
  } catch (const medseg::DataError&) {
  }
  return 0;
}
