// PS3.3 A.51 (Segmentation IOD), C.8.20; PS3.5 for the encoding.
#include <algorithm>
#include <cmath>
#include <set>

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcostrmf.h>
#include <dcmtk/dcmdata/dctk.h>

#include "dicom_codes.h"
#include "dicom_frames.h"
#include "dicom_series.h"
#include "dicom_tags.h"
#include "dicom_text.h"
#include "medseg/base/error.h"
#include "medseg/base/file.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "medseg/volume/dicom_segmentation.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

/// One slice of the source, where its frame came from.
struct SourceFrame {
  fs::path path;
  std::string class_uid, instance_uid;
  std::size_t frame = 0;  ///< counted from 0
  PlacedFrame place;
};

struct Source {
  std::vector<SourceFrame> slices;  ///< as `read_volume` orders them
  bool multi_frame = false;
  int rows = 0, columns = 0;
  double step_mm = 1;
};

Source source_of(const fs::path& path, std::optional<std::int64_t> index) {
  std::vector<SourceFrame> all;
  Source source;
  bool placed = true;
  const auto add_frames = [&](const fs::path& file_path) {
    const DicomFile file(file_path);
    const auto format = dicom_pixel_format(file);
    const auto frames = dicom_frames(file, format);
    placed = frames.placed;
    source.multi_frame = format.frames > 1 || file.data().has(kNumberOfFrames);
    source.rows = format.rows, source.columns = format.columns;
    for (std::size_t i = 0; i < frames.places.size(); ++i) {
      all.push_back({file_path, file.data().text(kSopClass), file.data().text(kSopInstance), i,
                     frames.places[i]});
    }
  };
  if (fs::is_directory(path)) {
    const auto series = dicom_series(path);
    if (series.files.size() == 1) {
      add_frames(series.files[0].path);
    } else {
      source.rows = series.files[0].format.rows, source.columns = series.files[0].format.columns;
      for (const auto& file : series.files) {
        placed = placed && file.placed;
        all.push_back({file.path, file.class_uid, file.instance_uid, 0, file.place});
      }
    }
  } else {
    add_frames(path);
  }
  if (!placed) {
    throw DataError(path.string(),
                    "does not say where its images lie, so no DICOM SEG can refer to it");
  }
  std::vector<PlacedFrame> places;
  for (const auto& frame : all) places.push_back(frame.place);
  const auto stack = stack_frames(places, index, path.string());
  for (const auto frame : stack.frames) source.slices.push_back(all[frame]);
  source.step_mm = std::hypot(stack.affine[0][2], stack.affine[1][2], stack.affine[2][2]);
  return source;
}

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

/// What the standard repeats of patient, study and frame of reference.
void copy_context(const DicomItem& from, DcmItem& to) {
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
}

void put_segment(DcmItem& data, int number, const DicomSegment& segment,
                 const std::string& algorithm, const std::string& uid) {
  const auto code = structure_code(segment.label);
  DcmItem& item = add_item(data, DCM_SegmentSequence);
  put_code(item, DCM_SegmentedPropertyCategoryCodeSequence, code.category.value, "SCT",
           code.category.meaning);
  put_number(item, DCM_SegmentNumber, number);
  put(item, DCM_SegmentLabel,
      dicom_text(segment.label.empty() ? str_cat("segment ", number) : segment.label, 64));
  put(item, DCM_SegmentAlgorithmType, "AUTOMATIC");
  put(item, DCM_SegmentAlgorithmName, dicom_text(algorithm, 64));
  put_code(item, DCM_SegmentedPropertyTypeCodeSequence, code.type.value, "SCT", code.type.meaning);
  if (!code.side.value.empty()) {
    DcmItem* type = nullptr;
    item.findAndGetSequenceItem(DCM_SegmentedPropertyTypeCodeSequence, type);
    put_code(*type, DCM_SegmentedPropertyTypeModifierCodeSequence, code.side.value, "SCT",
             code.side.meaning);
  }
  put(item, DCM_TrackingID, str_cat("medseg ", number));
  put(item, DCM_TrackingUID, uid);
  DcmItem& algorithms = add_item(item, DCM_SegmentationAlgorithmIdentificationSequence);
  put_code(algorithms, DCM_AlgorithmFamilyCodeSequence, "123109", "DCM", "Artificial Intelligence");
  put(algorithms, DCM_AlgorithmName, dicom_text(algorithm, 64));
  put(algorithms, DCM_AlgorithmVersion, std::string(version()));
}

void put_dimensions(DcmItem& data, const std::string& uid) {
  put(add_item(data, DCM_DimensionOrganizationSequence), DCM_DimensionOrganizationUID, uid);
  const auto add = [&](const DcmTagKey& pointer, const DcmTagKey& group, const char* label) {
    DcmItem& index = add_item(data, DCM_DimensionIndexSequence);
    put(index, DCM_DimensionOrganizationUID, uid);
    index.putAndInsertTagKey(DCM_DimensionIndexPointer, pointer);
    index.putAndInsertTagKey(DCM_FunctionalGroupPointer, group);
    put(index, DCM_DimensionDescriptionLabel, label);
  };
  add(DCM_ReferencedSegmentNumber, DCM_SegmentIdentificationSequence, "Segment Number");
  add(DCM_ImagePositionPatient, DCM_PlanePositionSequence, "Image Position (Patient)");
}

template <std::size_t N>
std::string ds_list(const std::array<double, N>& values) {
  std::string text;
  for (const double value : values) text += (text.empty() ? "" : "\\") + dicom_number(value);
  return text;
}

void put_shared(DcmItem& data, const Source& source) {
  DcmItem& shared = add_item(data, DCM_SharedFunctionalGroupsSequence);
  const auto& place = source.slices.front().place;
  put(add_item(shared, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient,
      ds_list(place.orientation));
  DcmItem& measures = add_item(shared, DCM_PixelMeasuresSequence);
  put(measures, DCM_SliceThickness, dicom_number(source.step_mm));
  put(measures, DCM_SpacingBetweenSlices, dicom_number(source.step_mm));
  put(measures, DCM_PixelSpacing, ds_list(std::array<double, 2>{place.row_mm, place.column_mm}));
}

void put_frame(DcmItem& data, int segment, std::uint32_t place_index, const SourceFrame& from,
               bool multi_frame) {
  DcmItem& frame = add_item(data, DCM_PerFrameFunctionalGroupsSequence);
  DcmItem& derivation = add_item(frame, DCM_DerivationImageSequence);
  DcmItem& image = add_item(derivation, DCM_SourceImageSequence);
  put(image, DCM_ReferencedSOPClassUID, from.class_uid);
  put(image, DCM_ReferencedSOPInstanceUID, from.instance_uid);
  if (multi_frame) put(image, DCM_ReferencedFrameNumber, std::to_string(from.frame + 1));
  put(image, DCM_SpatialLocationsPreserved, "YES");
  put_code(image, DCM_PurposeOfReferenceCodeSequence, "121322", "DCM",
           "Source image for image processing operation");
  put_code(derivation, DCM_DerivationCodeSequence, "113076", "DCM", "Segmentation");
  DcmItem& content = add_item(frame, DCM_FrameContentSequence);
  const Uint32 indices[2] = {static_cast<Uint32>(segment), place_index};
  content.putAndInsertUint32Array(DCM_DimensionIndexValues, indices, 2);
  put(add_item(frame, DCM_PlanePositionSequence), DCM_ImagePositionPatient,
      ds_list(from.place.position));
  put_number(add_item(frame, DCM_SegmentIdentificationSequence), DCM_ReferencedSegmentNumber,
             segment);
}

void put_references(DcmItem& data, const Source& source, const std::string& series) {
  DcmItem& reference = add_item(data, DCM_ReferencedSeriesSequence);
  put(reference, DCM_SeriesInstanceUID, series);
  std::set<std::string> seen;
  for (const auto& slice : source.slices) {
    if (!seen.insert(slice.instance_uid).second) continue;
    DcmItem& instance = add_item(reference, DCM_ReferencedInstanceSequence);
    put(instance, DCM_ReferencedSOPClassUID, slice.class_uid);
    put(instance, DCM_ReferencedSOPInstanceUID, slice.instance_uid);
  }
}

/// Bits one behind the other, the first in the lowest; frames do not begin at whole bytes.
class BitWriter {
 public:
  void add(bool bit) {
    if (count_ % 8 == 0) bytes_.push_back(0);
    if (bit) bytes_.back() = static_cast<Uint8>(bytes_.back() | 1U << (count_ % 8));
    ++count_;
  }
  const std::vector<Uint8>& bytes() {
    if (bytes_.size() % 2 != 0) bytes_.push_back(0);
    return bytes_;
  }

 private:
  std::vector<Uint8> bytes_;
  std::size_t count_ = 0;
};

}  // namespace

std::vector<int> write_dicom_segmentation(const fs::path& path, const fs::path& source_path,
                                          std::optional<std::int64_t> index,
                                          const std::vector<DicomSegment>& segments,
                                          const std::string& algorithm) {
  const Source source = source_of(source_path, index);
  const std::array<std::int64_t, 3> size = {source.columns, source.rows,
                                            static_cast<std::int64_t>(source.slices.size())};
  std::vector<int> numbers;
  Sha256 content;
  int used = 0;
  for (const auto& segment : segments) {
    MEDSEG_CHECK(segment.mask.size == size, "a mask of another volume than its DICOM series");
    numbers.push_back(segment.mask.count() > 0 ? ++used : 0);
    content.add(segment.label);
    content.add(std::span(segment.mask.voxels));
  }
  if (used == 0) return numbers;

  const DicomFile first(source.slices.front().path);
  const std::string series = first.data().text(kSeriesUid);
  const std::string seed = series + algorithm + content.text();
  DcmFileFormat file;
  DcmItem& data = *file.getDataset();
  copy_context(first.data(), data);
  OFString date, time;
  DcmDate::getCurrentDate(date);
  DcmTime::getCurrentTime(time, OFTrue, OFFalse);
  const std::string day = date.c_str(), hour = time.c_str();
  // A source without them is no proper one, but its voxels are.
  for (const auto& tag : {DCM_StudyInstanceUID, DCM_FrameOfReferenceUID}) {
    if (!data.tagExistsWithValue(tag)) put(data, tag, dicom_uid(seed + tag.toString().c_str()));
  }
  put(data, DCM_SOPClassUID, UID_SegmentationStorage);
  put(data, DCM_SOPInstanceUID, dicom_uid(seed + "instance"));
  put(data, DCM_Modality, "SEG");
  put(data, DCM_SeriesInstanceUID, dicom_uid(seed + "series"));
  put(data, DCM_SeriesNumber, "900");
  put(data, DCM_SeriesDescription, "medseg segmentation");
  put(data, DCM_InstanceNumber, "1");
  put(data, DCM_Manufacturer, "medseg");
  put(data, DCM_ManufacturerModelName, "medseg");
  put(data, DCM_DeviceSerialNumber, "1");
  put(data, DCM_SoftwareVersions, std::string(version()));
  put(data, DCM_ContentDate, day);
  put(data, DCM_ContentTime, hour);
  put(data, DCM_ImageType, "DERIVED\\PRIMARY");
  put_number(data, DCM_SamplesPerPixel, 1);
  put(data, DCM_PhotometricInterpretation, "MONOCHROME2");
  put_number(data, DCM_Rows, source.rows);
  put_number(data, DCM_Columns, source.columns);
  put_number(data, DCM_BitsAllocated, 1);
  put_number(data, DCM_BitsStored, 1);
  put_number(data, DCM_HighBit, 0);
  put_number(data, DCM_PixelRepresentation, 0);
  put(data, DCM_LossyImageCompression, "00");
  put(data, DCM_SegmentationType, "BINARY");
  put(data, DCM_ContentLabel, "SEGMENTATION");
  put(data, DCM_ContentDescription, "answers of medseg");
  data.insertEmptyElement(DCM_ContentCreatorName);
  put_dimensions(data, dicom_uid(seed + "dimensions"));
  put_references(data, source, series);
  put_shared(data, source);

  BitWriter bits;
  int frames = 0;
  const auto pixels = static_cast<std::size_t>(size[0] * size[1]);
  for (std::size_t s = 0; s < segments.size(); ++s) {
    if (numbers[s] == 0) continue;
    put_segment(data, numbers[s], segments[s], algorithm,
                dicom_uid(str_cat(seed, "segment", numbers[s])));
    for (std::size_t k = 0; k < source.slices.size(); ++k) {
      const auto begin = segments[s].mask.voxels.begin() + static_cast<std::ptrdiff_t>(k * pixels);
      const auto end = begin + static_cast<std::ptrdiff_t>(pixels);
      if (std::all_of(begin, end, [](std::uint8_t voxel) { return voxel == 0; })) continue;
      put_frame(data, numbers[s], static_cast<std::uint32_t>(k + 1), source.slices[k],
                source.multi_frame);
      for (auto voxel = begin; voxel != end; ++voxel) bits.add(*voxel != 0);
      ++frames;
    }
  }
  put(data, DCM_NumberOfFrames, std::to_string(frames));
  const auto& bytes = bits.bytes();
  auto* element = new DcmPixelData(DCM_PixelData);
  element->setVR(EVR_OB);
  element->putUint8Array(bytes.data(), static_cast<unsigned long>(bytes.size()));
  data.insert(element, OFTrue);

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
  return numbers;
}

}  // namespace medseg
