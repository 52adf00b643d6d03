#include "dicom_values.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "dicom_tags.h"
#include "medseg/base/error.h"
#include "medseg/base/str.h"

namespace medseg {

double DicomLut::at(double value) const {
  const double place =
      std::clamp(std::round(value - first), 0.0, static_cast<double>(table.size() - 1));
  return table[static_cast<std::size_t>(place)];
}

DicomLut dicom_lut(const DicomFile& file, const DicomItem& item, DicomTag descriptor, DicomTag data,
                   bool signed_first) {
  const auto head = item.words(descriptor);
  auto words = item.words(data);
  DicomLut lut;
  if (head.size() != 3) file.fail("damaged look-up table: its descriptor has no three numbers");
  const std::size_t entries = head[0] == 0 ? 65536 : head[0];
  lut.first = signed_first ? static_cast<double>(static_cast<std::int16_t>(head[1])) : head[1];
  lut.bits = head[2];
  if (words.size() < entries && 2 * words.size() >= entries) {  // two entries a word
    std::vector<std::uint16_t> single;
    for (const auto word : words) {
      single.push_back(static_cast<std::uint16_t>(word & 255));
      single.push_back(static_cast<std::uint16_t>(word >> 8));
    }
    words = std::move(single);
    lut.bits = std::min(lut.bits, 8);
  }
  if (words.size() < entries || lut.bits < 1 || lut.bits > 16) {
    file.fail(str_cat("contradictory look-up table: ", entries, " entries of ", lut.bits,
                      " bits promised, ", words.size(), " found"));
  }
  words.resize(entries);
  lut.table = std::move(words);
  return lut;
}

DicomValues::DicomValues(const DicomFile& file, const DicomFrameGroups& groups,
                         const DicomPixelFormat& format) {
  const auto data = file.data();
  read_scaling(data, groups);
  if (const auto item = data.item(kModalityLut); item && item.has(kLutDescriptor))
    modality_ = dicom_lut(file, item, kLutDescriptor, kLutData, format.is_signed);
  double least = 0, greatest = 0;
  if (modality_) {
    const auto [low, high] = std::minmax_element(modality_->table.begin(), modality_->table.end());
    least = *low, greatest = *high;
  } else {
    least = scaled(format.least()), greatest = scaled(format.greatest());
  }
  read_voi(file, groups);
  if (voi_) {
    least = 0, greatest = std::ldexp(1.0, voi_->bits) - 1;
  } else if (sigmoid_centre_) {
    least = 0, greatest = 255;
  }
  if (format.photometric == "MONOCHROME1" && !format.real) {
    mirror_ = least + greatest;
    if (window_) window_ = Window{window_->name, *mirror_ - window_->high, *mirror_ - window_->low};
    notes_.push_back("MONOCHROME1 (its lowest value is white): read inverted");
  }
  if (format.real || !data.has(kPaddingValue)) return;
  const auto of_type = [&](std::int64_t raw) {
    if (format.allocated > 16) return static_cast<double>(raw);
    return format.is_signed ? static_cast<double>(static_cast<std::int16_t>(raw & 0xffff))
                            : static_cast<double>(raw & 0xffff);
  };
  padding_low_ = padding_high_ = of_type(data.integer(kPaddingValue).value_or(0));
  if (const auto limit = data.integer(kPaddingLimit)) {
    padding_high_ = std::max(*padding_low_, of_type(*limit));
    padding_low_ = std::min(*padding_low_, of_type(*limit));
  }
}

void DicomValues::read_scaling(const DicomItem& data, const DicomFrameGroups& groups) {
  const auto own = groups.group(kValueTransformation);
  const auto& from = own ? own : data;
  slope_ = from.number(kSlope).value_or(1);
  intercept_ = from.number(kIntercept).value_or(0);
  if (const auto dose = data.number(kDoseScaling)) slope_ = *dose, intercept_ = 0;
  if (slope_ == 0) slope_ = 1;
}

void DicomValues::read_voi(const DicomFile& file, const DicomFrameGroups& groups) {
  const auto data = file.data();
  if (const auto item = data.item(kVoiLut); item && item.has(kLutDescriptor)) {
    const double lowest = scaled(0);
    voi_ = dicom_lut(file, item, kLutDescriptor, kLutData,
                     data.integer(kPixelRepresentation).value_or(0) == 1 || lowest < 0);
    window_ = Window{"dicom-voi-lut", 0, std::ldexp(1.0, voi_->bits) - 1};
    notes_.push_back(
        "its VOI look-up table is applied: grey values are those that it was made "
        "to show");
    return;
  }
  const auto own = groups.group(kFrameVoiLut);
  const auto& from = own ? own : data;
  const auto centre = from.number(kWindowCenter), width = from.number(kWindowWidth);
  if (!centre || !width) return;
  const std::string function = from.text(kVoiFunction);
  if (function == "SIGMOID" && *width > 0) {
    sigmoid_centre_ = *centre;
    sigmoid_width_ = *width;
    window_ = Window{"dicom-sigmoid", 0, 255};
    notes_.push_back("its sigmoid VOI function is applied: grey values are 0 to 255");
  } else if (function == "LINEAR_EXACT" && *width > 0) {
    window_ = Window{"dicom", *centre - *width / 2, *centre + *width / 2};
  } else if (*width > 1) {
    window_ = Window{"dicom", *centre - 0.5 - (*width - 1) / 2, *centre - 0.5 + (*width - 1) / 2};
  } else if (*width == 1) {  // a threshold
    window_ = Window{"dicom", *centre - 1, *centre};
  }
}

double DicomValues::scaled(double stored) const { return stored * slope_ + intercept_; }

float DicomValues::at(double stored) const {
  if (padding_low_ && stored >= *padding_low_ && stored <= *padding_high_)
    return std::numeric_limits<float>::quiet_NaN();
  double value = modality_ ? modality_->at(stored) : scaled(stored);
  if (voi_) value = voi_->at(value);
  if (sigmoid_centre_)
    value = 255 / (1 + std::exp(-4 * (value - *sigmoid_centre_) / sigmoid_width_));
  if (mirror_) value = *mirror_ - value;
  return static_cast<float>(value);
}

}  // namespace medseg
