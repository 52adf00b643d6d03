// DICOM files are told apart, and refused with what to do.
#include <cstring>

#include "medseg/base/error.h"
#include "readers.h"

namespace medseg {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path, const char* what) {
  throw DataError(
      path.string(),
      std::string(what) + ", which is not read; convert it to NIfTI (dcm2niix) or MetaImage");
}

}  // namespace

bool is_dicom(std::span<const std::uint8_t> bytes) {
  if (bytes.size() >= 132 && std::memcmp(bytes.data() + 128, "DICM", 4) == 0) return true;
  // Without a preamble: group 0002 or 0008, little-endian, an element below 0100 and an explicit or
  // short length.
  return bytes.size() >= 8 && (bytes[0] == 2 || bytes[0] == 8) && bytes[1] == 0 && bytes[3] == 0 &&
         bytes[6] < 64 && bytes[7] == 0;
}

Volume read_dicom_file(const std::filesystem::path& path, std::optional<std::int64_t>) {
  refuse(path, "a DICOM file");
}

Volume read_dicom_folder(const std::filesystem::path& folder) {
  refuse(folder, "a folder; a folder is a DICOM series here");
}

}  // namespace medseg
