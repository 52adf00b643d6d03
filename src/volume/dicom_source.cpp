#include "dicom_source.h"

#include <cmath>

#include "dicom_series.h"
#include "dicom_tags.h"
#include "medseg/base/error.h"

namespace medseg {

namespace fs = std::filesystem;

DicomSource dicom_source(const fs::path& path, std::optional<std::int64_t> index) {
  std::vector<DicomSourceFrame> all;
  DicomSource source;
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
                    "does not say where its images lie, so nothing can refer to them");
  }
  std::vector<PlacedFrame> places;
  for (const auto& frame : all) places.push_back(frame.place);
  const auto stack = stack_frames(places, index, path.string());
  for (const auto frame : stack.frames) source.slices.push_back(all[frame]);
  source.step_mm = std::hypot(stack.affine[0][2], stack.affine[1][2], stack.affine[2][2]);
  return source;
}

}  // namespace medseg
