// PS3.3 A.19 (RT Structure Set IOD), C.8.8.5, C.8.8.6, C.8.8.8.
#include "contours.h"
#include "dicom_source.h"
#include "dicom_tags.h"
#include "dicom_text.h"
#include "dicom_write.h"
#include "medseg/base/error.h"
#include "medseg/base/hash.h"
#include "medseg/base/str.h"
#include "medseg/base/version.h"
#include "medseg/volume/dicom_structures.h"

namespace medseg {
namespace {

/// "x\y\z\…" of a contour on the slice at `place`, in millimetres (LPS).
std::string contour_text(const Contour& contour, const PlacedFrame& place) {
  std::string text;
  for (const auto& [x, y] : contour) {
    for (std::size_t i = 0; i < 3; ++i) {
      const double mm = place.position[i] + x * place.column_mm * place.orientation[i] +
                        y * place.row_mm * place.orientation[3 + i];
      text += (text.empty() ? "" : "\\") + dicom_number(mm);
    }
  }
  return text;
}

void put_reference(DcmItem& item, const DcmTagKey& sequence, const DicomSourceFrame& from,
                   bool multi_frame) {
  DcmItem& image = add_item(item, sequence);
  put(image, DCM_ReferencedSOPClassUID, from.class_uid);
  put(image, DCM_ReferencedSOPInstanceUID, from.instance_uid);
  if (multi_frame) put(image, DCM_ReferencedFrameNumber, std::to_string(from.frame + 1));
}

/// Study, series and images that the contours lie on.
void put_frame_of_reference(DcmItem& data, const DicomSource& source, const std::string& series,
                            const std::string& frame_uid) {
  DcmItem& frame = add_item(data, DCM_ReferencedFrameOfReferenceSequence);
  put(frame, DCM_FrameOfReferenceUID, frame_uid);
  DcmItem& study = add_item(frame, DCM_RTReferencedStudySequence);
  OFString study_uid;
  data.findAndGetOFString(DCM_StudyInstanceUID, study_uid);
  put(study, DCM_ReferencedSOPClassUID, "1.2.840.10008.3.1.2.3.1");  // study management, retired
  put(study, DCM_ReferencedSOPInstanceUID, study_uid.c_str());
  DcmItem& referenced = add_item(study, DCM_RTReferencedSeriesSequence);
  put(referenced, DCM_SeriesInstanceUID, series);
  for (const auto& slice : source.slices)
    put_reference(referenced, DCM_ContourImageSequence, slice, source.multi_frame);
}

void put_region(DcmItem& data, int number, const DicomSegment& segment, const DicomSource& source,
                const std::string& frame_uid) {
  DcmItem& region = add_item(data, DCM_StructureSetROISequence);
  put(region, DCM_ROINumber, std::to_string(number));
  put(region, DCM_ReferencedFrameOfReferenceUID, frame_uid);
  put(region, DCM_ROIName,
      dicom_text(segment.label.empty() ? str_cat("region ", number) : segment.label, 64));
  put(region, DCM_ROIGenerationAlgorithm, "AUTOMATIC");
  DcmItem& drawn = add_item(data, DCM_ROIContourSequence);
  put(drawn, DCM_ROIDisplayColor, "230\\159\\0");
  put(drawn, DCM_ReferencedROINumber, std::to_string(number));
  const auto pixels =
      static_cast<std::size_t>(source.rows) * static_cast<std::size_t>(source.columns);
  for (std::size_t k = 0; k < source.slices.size(); ++k) {
    Mask slice(source.columns, source.rows);
    std::copy_n(segment.mask.voxels.begin() + static_cast<std::ptrdiff_t>(k * pixels), pixels,
                slice.pixels.begin());
    for (const auto& contour : trace_contours(slice)) {
      DcmItem& item = add_item(drawn, DCM_ContourSequence);
      put_reference(item, DCM_ContourImageSequence, source.slices[k], source.multi_frame);
      put(item, DCM_ContourGeometricType, "CLOSED_PLANAR");
      put(item, DCM_NumberOfContourPoints, std::to_string(contour.size()));
      put(item, DCM_ContourData, contour_text(contour, source.slices[k].place));
    }
  }
  DcmItem& observation = add_item(data, DCM_RTROIObservationsSequence);
  put(observation, DCM_ObservationNumber, std::to_string(number));
  put(observation, DCM_ReferencedROINumber, std::to_string(number));
  put(observation, DCM_RTROIInterpretedType, "ORGAN");
  observation.insertEmptyElement(DCM_ROIInterpreter);
}

}  // namespace

std::vector<int> write_dicom_structures(const std::filesystem::path& path,
                                        const std::filesystem::path& source_path,
                                        std::optional<std::int64_t> index,
                                        const std::vector<DicomSegment>& segments) {
  const DicomSource source = dicom_source(source_path, index);
  std::vector<int> numbers;
  Sha256 content;
  int used = 0;
  for (const auto& segment : segments) {
    numbers.push_back(segment.mask.count() > 0 ? ++used : 0);
    content.add(segment.label);
    content.add(std::span(segment.mask.voxels));
  }
  if (used == 0) return numbers;
  const DicomFile first(source.slices.front().path);
  const std::string series = first.data().text(kSeriesUid);
  const std::string seed = "structures" + series + content.text();
  DcmFileFormat file;
  DcmItem& data = *file.getDataset();
  copy_context(first.data(), data, seed);
  OFString frame_uid, date, time;
  data.findAndGetOFString(DCM_FrameOfReferenceUID, frame_uid);
  DcmDate::getCurrentDate(date);
  DcmTime::getCurrentTime(time, OFTrue, OFFalse);
  put(data, DCM_SOPClassUID, UID_RTStructureSetStorage);
  put(data, DCM_SOPInstanceUID, dicom_uid(seed + "instance"));
  put(data, DCM_Modality, "RTSTRUCT");
  put(data, DCM_SeriesInstanceUID, dicom_uid(seed + "series"));
  put(data, DCM_SeriesNumber, "901");
  data.insertEmptyElement(DCM_OperatorsName);
  put(data, DCM_Manufacturer, "medseg");
  put(data, DCM_ManufacturerModelName, "medseg");
  put(data, DCM_SoftwareVersions, std::string(version()));
  put(data, DCM_InstanceNumber, "1");
  put(data, DCM_StructureSetLabel, "medseg");
  put(data, DCM_StructureSetDate, date.c_str());
  put(data, DCM_StructureSetTime, time.c_str());
  put(data, DCM_ApprovalStatus, "UNAPPROVED");
  put_frame_of_reference(data, source, series, frame_uid.c_str());
  for (std::size_t s = 0; s < segments.size(); ++s) {
    if (numbers[s] != 0) put_region(data, numbers[s], segments[s], source, frame_uid.c_str());
  }
  save_dicom(file, path);
  return numbers;
}

}  // namespace medseg
