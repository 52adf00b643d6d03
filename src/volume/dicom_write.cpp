#include "dicom_write.h"

#include <vector>

#include "dicom_text.h"
#include "medseg/base/error.h"

namespace medseg {

namespace fs = std::filesystem;

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value) {
  const auto condition = item.putAndInsertOFStringArray(tag, OFString(value.c_str()));
  MEDSEG_CHECK(condition.good(), std::string("DICOM attribute: ") + condition.text());
}

void put_number(DcmItem& item, const DcmTagKey& tag, int value) {
  const auto condition = item.putAndInsertUint16(tag, static_cast<Uint16>(value));
  MEDSEG_CHECK(condition.good(), std::string("DICOM attribute: ") + condition.text());
}

DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence) {
  DcmItem* added = nullptr;
  const auto condition = item.findOrCreateSequenceItem(sequence, added, -2);
  MEDSEG_CHECK(condition.good() && added != nullptr, "DICOM sequence");
  return *added;
}

void put_code(DcmItem& item, const DcmTagKey& sequence, const std::string& value,
              const std::string& scheme, const std::string& meaning) {
  DcmItem& code = add_item(item, sequence);
  put(code, DCM_CodeValue, value);
  put(code, DCM_CodingSchemeDesignator, scheme);
  put(code, DCM_CodeMeaning, meaning);
}

void copy_context(const DicomItem& from, DcmItem& to, const std::string& seed) {
  static const std::vector<DcmTagKey> kRequired = {DCM_PatientName,
                                                   DCM_PatientID,
                                                   DCM_PatientBirthDate,
                                                   DCM_PatientSex,
                                                   DCM_StudyDate,
                                                   DCM_StudyTime,
                                                   DCM_ReferringPhysicianName,
                                                   DCM_StudyID,
                                                   DCM_AccessionNumber,
                                                   DCM_PositionReferenceIndicator};
  static const std::vector<DcmTagKey> kOptional = {DCM_SpecificCharacterSet, DCM_PatientAge,
                                                   DCM_StudyDescription, DCM_StudyInstanceUID,
                                                   DCM_FrameOfReferenceUID};
  const auto copy = [&](const DcmTagKey& tag) {
    DcmElement* element = nullptr;
    if (from.get()->findAndGetElement(tag, element).bad() || element == nullptr) return false;
    auto* same = OFstatic_cast(DcmElement*, element->clone());
    if (to.insert(same, OFTrue).bad()) delete same;
    return true;
  };
  for (const auto& tag : kRequired) {
    if (!copy(tag)) to.insertEmptyElement(tag);
  }
  for (const auto& tag : kOptional) copy(tag);
  // A source without them is no proper one, but its voxels are.
  for (const auto& tag : {DCM_StudyInstanceUID, DCM_FrameOfReferenceUID}) {
    if (!to.tagExistsWithValue(tag)) put(to, tag, dicom_uid(seed + tag.toString().c_str()));
  }
}

void save_dicom(DcmFileFormat& file, const fs::path& path) {
  // Beside it first: a reader never sees half a file.
  const fs::path beside = path.string() + ".part";
  fs::create_directories(path.parent_path().empty() ? "." : path.parent_path());
  const auto condition = file.saveFile(OFFilename(beside.c_str()), EXS_LittleEndianExplicit);
  std::error_code error;
  if (condition.good()) fs::rename(beside, path, error);
  if (condition.bad() || error) {
    fs::remove(beside, error);
    throw DataError(path.string(), "cannot be written");
  }
}

}  // namespace medseg
