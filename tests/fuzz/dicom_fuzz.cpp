#include "dicom_volume.h"
#include "medseg/base/error.h"
#include "readers.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (!medseg::is_dicom({data, size})) return 0;
  try {
    const medseg::DicomFile file({data, size}, "fuzz");
    medseg::read_dicom(file, std::nullopt);
  } catch (const medseg::DataError&) {
  }
  try {
    const medseg::DicomFile file({data, size}, "fuzz");
    medseg::read_segmentation(file, std::nullopt);
  } catch (const medseg::DataError&) {
  }
  return 0;
}
