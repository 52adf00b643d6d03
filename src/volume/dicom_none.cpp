#include "readers.h"
#include "medseg/base/error.h"
namespace medseg {
bool is_dicom(std::span<const std::uint8_t>) { return false; }
Volume read_dicom_file(const std::filesystem::path& p, std::optional<std::int64_t>) { throw DataError(p.string(), "x"); }
Volume read_dicom_folder(const std::filesystem::path& p) { throw DataError(p.string(), "x"); }
}
