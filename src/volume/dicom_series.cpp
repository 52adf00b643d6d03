#include "dicom_series.h"

#include <algorithm>
#include <map>
#include <set>

#include "dicom_frames.h"
#include "dicom_tags.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "medseg/volume/dicom.h"
#include "readers.h"

namespace medseg {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

struct FoundSeries {
  std::string number, modality;
  std::vector<DicomSeriesFile> files;
};

std::string names_of(const std::map<std::string, FoundSeries>& found) {
  std::vector<std::string> names;
  for (const auto& [uid, series] : found) {
    names.push_back(str_cat("number ", series.number.empty() ? "?" : series.number, " (",
                            series.modality.empty() ? "no modality" : series.modality, ", ",
                            series.files.size(), series.files.size() == 1 ? " file" : " files",
                            ", ", series.files.front().path.filename().string(), " …)"));
  }
  return join_first(names, 6);
}

/// A file that is there twice counts once.
void drop_copies(std::vector<DicomSeriesFile>& files, std::vector<std::string>& notes) {
  std::set<std::string> seen;
  std::size_t copies = 0;
  std::erase_if(files, [&](const DicomSeriesFile& file) {
    const bool copy = !file.instance_uid.empty() && !seen.insert(file.instance_uid).second;
    copies += copy ? 1 : 0;
    return copy;
  });
  if (copies > 0) notes.push_back(str_cat(copies, " files are copies of others: left out"));
}

void check_alike(const std::vector<DicomSeriesFile>& files, const std::string& where) {
  const auto& first = files.front().format;
  for (const auto& file : files) {
    if (file.format.frames > 1) {
      throw DataError(where, "holds several multi-frame files (" + file.path.filename().string() +
                                 " …); name one of them");
    }
    if (file.format.rows != first.rows || file.format.columns != first.columns) {
      throw DataError(where, str_cat("holds images of different sizes: ", first.columns, " x ",
                                     first.rows, ", and ", file.path.filename().string(), " of ",
                                     file.format.columns, " x ", file.format.rows));
    }
  }
}

/// Series by UID; `other` are the modalities of files without an image.
std::map<std::string, FoundSeries> series_in(const fs::path& folder, std::set<std::string>& other) {
  std::map<std::string, FoundSeries> found;
  for (const auto& path : files_of(folder)) {
    {
      const MappedFile file(path);
      if (!is_dicom(file.bytes())) continue;
    }
    const DicomFile file(path);
    const auto data = file.data();
    const std::string modality = data.text(kModality);
    if (!file.has_pixels() || modality == "SEG") {
      other.insert(modality.empty() ? "DICOMDIR" : modality);
      continue;
    }
    auto& series = found[data.text(kSeriesUid)];
    series.number = data.text(kSeriesNumber);
    series.modality = modality;
    DicomSeriesFile one;
    one.path = path;
    one.format = dicom_pixel_format(file);
    one.class_uid = data.text(kSopClass);
    one.instance_uid = data.text(kSopInstance);
    if (one.format.frames == 1) {
      const auto frames = dicom_frames(file, one.format);
      one.place = frames.places.front();
      one.placed = frames.placed;
    }
    series.files.push_back(std::move(one));
  }
  return found;
}

}  // namespace

std::vector<PlacedFrame> DicomSeries::places() const {
  std::vector<PlacedFrame> all;
  for (const auto& file : files) all.push_back(file.place);
  return all;
}

DicomSeries dicom_series(const fs::path& folder) {
  const std::string where = folder.string();
  std::set<std::string> other;
  auto found = series_in(folder, other);
  bool folders = false;
  if (found.empty()) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(folder, error))
      folders = folders || entry.is_directory(error);
    const std::string has = other.empty() ? "holds no DICOM files"
                                          : "holds DICOM files without an image (" +
                                                join({other.begin(), other.end()}, ", ") + ")";
    throw DataError(where, has + (folders ? "; name one of the folders in it"
                                          : "; a folder is a DICOM series here"));
  }
  if (found.size() > 1) {
    throw DataError(where, str_cat("holds ", found.size(), " series: ", names_of(found),
                                   "; keep one of them in a folder of its own"));
  }
  DicomSeries series{std::move(found.begin()->second.files), {}};
  drop_copies(series.files, series.notes);
  if (series.files.size() == 1) return series;
  check_alike(series.files, where);
  const auto unplaced = std::count_if(series.files.begin(), series.files.end(),
                                      [](const auto& file) { return !file.placed; });
  if (unplaced > 0 && unplaced < static_cast<std::int64_t>(series.files.size()))
    throw DataError(where, str_cat(unplaced, " of its ", series.files.size(),
                                   " images do not say where they lie"));
  if (unplaced > 0) {
    std::stable_sort(series.files.begin(), series.files.end(),
                     [](const auto& a, const auto& b) { return a.place.order < b.place.order; });
    double at = 0;
    for (auto& file : series.files) {
      file.place.position = {0, 0, at};
      at += file.place.thickness_mm;
    }
    series.notes.push_back(
        "its images do not say where they lie: they count along axis 2 by their numbers");
  }
  return series;
}

bool holds_single_images(const fs::path& folder) {
  std::set<std::string> other;
  const auto found = series_in(folder, other);
  return found.size() > 1 && std::all_of(found.begin(), found.end(), [](const auto& series) {
           return series.second.files.size() == 1;
         });
}

}  // namespace medseg
