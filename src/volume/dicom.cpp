// DICOM files and series folders as volumes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "dicom_colour.h"
#include "dicom_frames.h"
#include "dicom_series.h"
#include "dicom_tags.h"
#include "dicom_volume.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"
#include "readers.h"

namespace medseg {
namespace {

constexpr std::string_view kSegmentationClass = "1.2.840.10008.5.1.4.1.1.66.4";

/// Frames of one file into slices of `volume`: (frame, slice).
void fill(const DicomFile& file, const DicomFrames& frames,
          const std::vector<std::pair<std::size_t, std::size_t>>& slices, Volume& volume) {
  const DicomSamples samples(file);
  const auto& format = samples.format();
  const DicomColours colours(file, format);
  const std::size_t pixels = format.pixels();
  std::vector<double> read;
  for (const auto& [frame, slice] : slices) {
    samples.read(static_cast<int>(frame), read);
    float* to = volume.voxels.data() + slice * pixels;
    if (colours.coloured()) {
      for (std::size_t i = 0; i < pixels; ++i) to[i] = colours.grey(read, i);
      continue;
    }
    const DicomValues values(file, frames.groups[frame], format);
    for (std::size_t i = 0; i < pixels; ++i) to[i] = values.at(read[i]);
  }
}

/// Size, place and notes; the voxels are still to be filled.
Volume empty_volume(const DicomPixelFormat& format, FrameStack& stack, const std::string& where) {
  Volume volume;
  volume.size = {format.columns, format.rows, static_cast<std::int64_t>(stack.frames.size())};
  volume.affine = stack.affine;
  volume.notes = std::move(stack.notes);
  volume.voxels.resize(checked_voxels(volume.size, where));
  return volume;
}

void add_facts(const DicomFile& file, const DicomFrames& frames, std::size_t middle,
               const DicomPixelFormat& format, Volume& volume) {
  volume.modality = lower_case(file.data().text(kModality));
  if (DicomColours(file, format).coloured()) {
    volume.notes.push_back("its colours are read as grey");
    return;
  }
  const DicomValues values(file, frames.groups[middle], format);
  volume.window = values.window();
  volume.notes.insert(volume.notes.end(), values.notes().begin(), values.notes().end());
}

}  // namespace

bool is_dicom(std::span<const std::uint8_t> bytes) {
  if (bytes.size() >= 132 && std::memcmp(bytes.data() + 128, "DICM", 4) == 0) return true;
  // Without a preamble: group 0002 or 0008, little-endian, an element below 0100 and an explicit or
  // short length.
  return bytes.size() >= 8 && (bytes[0] == 2 || bytes[0] == 8) && bytes[1] == 0 && bytes[3] == 0 &&
         bytes[6] < 64 && bytes[7] == 0;
}

bool is_dicom_segmentation(std::span<const std::uint8_t> bytes) {
  // The class stands in the meta header, in the first bytes of the file.
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<std::size_t>(bytes.size(), 1024));
  const auto at = head.find(kSegmentationClass);
  if (at == std::string_view::npos) return false;
  const auto next = at + kSegmentationClass.size();
  return next >= head.size() || (head[next] != '.' && (head[next] < '0' || head[next] > '9'));
}

Volume read_dicom(const DicomFile& file, std::optional<std::int64_t> index) {
  if (!file.has_pixels()) {
    const auto modality = file.data().text(kModality);
    file.fail("a DICOM file" + (modality.empty() ? "" : " (" + modality + ")") +
              " without an image");
  }
  const auto format = dicom_pixel_format(file);
  auto frames = dicom_frames(file, format);
  auto stack = stack_frames(frames.places, index, file.where());
  const auto chosen = stack.frames;
  Volume volume = empty_volume(format, stack, file.where());
  volume.notes.insert(volume.notes.end(), frames.notes.begin(), frames.notes.end());
  std::vector<std::pair<std::size_t, std::size_t>> slices;
  for (std::size_t k = 0; k < chosen.size(); ++k) slices.emplace_back(chosen[k], k);
  fill(file, frames, slices, volume);
  add_facts(file, frames, chosen[chosen.size() / 2], format, volume);
  return volume;
}

Volume read_dicom_file(const std::filesystem::path& path, std::optional<std::int64_t> index) {
  return read_dicom(DicomFile(path), index);
}

Volume read_dicom_folder(const std::filesystem::path& folder, std::optional<std::int64_t> index) {
  const std::string where = folder.string();
  DicomSeries series = dicom_series(folder);
  if (series.files.size() == 1) {
    Volume volume = read_dicom_file(series.files[0].path, index);
    volume.notes.insert(volume.notes.end(), series.notes.begin(), series.notes.end());
    return volume;
  }
  auto stack = stack_frames(series.places(), index, where);
  const auto chosen = stack.frames;
  const auto& first = series.files.front();
  Volume volume = empty_volume(first.format, stack, where);
  volume.notes.insert(volume.notes.end(), series.notes.begin(), series.notes.end());
  for (std::size_t k = 0; k < chosen.size(); ++k) {
    const DicomFile file(series.files[chosen[k]].path);
    const auto format = dicom_pixel_format(file);
    const auto frames = dicom_frames(file, format);
    fill(file, frames, {{0, k}}, volume);
    if (k == chosen.size() / 2) add_facts(file, frames, 0, format, volume);
  }
  return volume;
}

}  // namespace medseg
