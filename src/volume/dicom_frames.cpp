#include "dicom_frames.h"

#include <cmath>

#include "dicom_tags.h"
#include "medseg/base/str.h"

namespace medseg {
namespace {

void read_spacing(const DicomItem& data, const DicomFrameGroups& groups, PlacedFrame& frame,
                  std::vector<std::string>* notes) {
  const auto measures = groups.group(kPixelMeasures);
  const auto& from = measures ? measures : data;
  auto spacing = from.numbers<2>(kPixelSpacing);
  if (!spacing) {
    spacing = data.numbers<2>(kImagerSpacing);
    if (spacing && notes != nullptr)
      notes->push_back("its spacing is that of the detector: lengths are magnified");
    if (!spacing) spacing = data.numbers<2>(kNominalSpacing);
  }
  if (spacing && (*spacing)[0] > 0 && (*spacing)[1] > 0) {
    frame.row_mm = (*spacing)[0];
    frame.column_mm = (*spacing)[1];
  } else if (notes != nullptr) {
    notes->push_back("it has no pixel spacing: 1 mm is taken");
  }
  for (const auto tag : {kSpacingBetweenSlices, kSliceThickness}) {
    const auto thickness = from.number(tag);
    if (thickness && std::abs(*thickness) > 0) {
      frame.thickness_mm = std::abs(*thickness);
      break;
    }
  }
}

std::int64_t order_of(const DicomItem& data) {
  const auto part = [&](DicomTag tag) {
    return std::clamp<std::int64_t>(data.integer(tag).value_or(0), 0, (1 << 20) - 1);
  };
  return part(kTemporalPosition) << 40 | part(kAcquisitionNumber) << 20 | part(kInstanceNumber);
}

}  // namespace

DicomFrames dicom_frames(const DicomFile& file, const DicomPixelFormat& format) {
  const auto data = file.data();
  const auto per_frame = data.all_items(kPerFrameGroups);
  const auto shared = data.item(kSharedGroups);
  const auto count = static_cast<std::size_t>(format.frames);
  if (!per_frame.empty() && per_frame.size() != count) {
    file.fail(str_cat("contradictory header: ", count, " frames, but functional groups of ",
                      per_frame.size()));
  }
  const bool in_groups = !per_frame.empty() || shared;
  const auto position = data.numbers<3>(kPosition);
  const auto orientation = data.numbers<6>(kOrientation);
  DicomFrames frames;
  frames.placed = true;
  for (std::size_t i = 0; i < count; ++i) {
    DicomFrameGroups groups{per_frame.empty() ? DicomItem() : per_frame[i], shared};
    PlacedFrame frame;
    read_spacing(data, groups, frame, i == 0 ? &frames.notes : nullptr);
    frame.order = count == 1 ? order_of(data) : static_cast<std::int64_t>(i);
    if (const auto temporal = groups.group(kFrameContent).integer(kTemporalIndex))
      frame.order += std::clamp<std::int64_t>(*temporal, 0, 1 << 20) << 40;
    auto place = groups.group(kPlanePosition).numbers<3>(kPosition);
    auto turn = groups.group(kPlaneOrientation).numbers<6>(kOrientation);
    if (!place && !in_groups) place = position;
    if (!turn) turn = orientation;
    if (place && turn && count > 1 && !in_groups) {  // planes behind each other: doses
      const auto offset = data.number(kGridOffsets, static_cast<unsigned long>(i));
      if (!offset) place.reset();
      for (std::size_t axis = 0; place && axis < 3; ++axis) {
        const std::size_t a = (axis + 1) % 3, b = (axis + 2) % 3;
        const double normal = (*turn)[a] * (*turn)[3 + b] - (*turn)[b] * (*turn)[3 + a];
        (*place)[axis] += normal * *offset;
      }
    }
    if (place && turn) {
      frame.position = *place;
      frame.orientation = *turn;
    } else {
      frames.placed = false;
    }
    frames.places.push_back(frame);
    frames.groups.push_back(groups);
  }
  if (frames.placed) return frames;
  for (std::size_t i = 0; i < count; ++i) {
    frames.places[i].orientation = {1, 0, 0, 0, 1, 0};
    frames.places[i].position = {0, 0, static_cast<double>(i) * frames.places[i].thickness_mm};
  }
  if (count > 1)
    frames.notes.push_back("it does not say where its frames lie: they count along axis 2");
  return frames;
}

}  // namespace medseg
